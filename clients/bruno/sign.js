// Signs each request: the assertion of the client, and the proof of the token's key. Needs Bruno's developer mode.
const { createHash, createPrivateKey, randomUUID, sign } = require("crypto");
const known = (name) => bru.getVar(name) ?? bru.getEnvVar(name) ?? "";
const jwk = JSON.parse(known("private_jwk") || "null");
if (jwk) {
  const key = createPrivateKey({ key: jwk, format: "jwk" });
  const jwt = (header, claims) => {
    const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
    return `${text}.${sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  };
  const iat = Math.floor(Date.now() / 1000);
  const [iss, aud] = [known("client_id"), known("issuer")];
  bru.setVar("client_assertion", jwt({ alg: "ES256", kid: known("kid") }, { iss, sub: iss, aud, jti: randomUUID(), iat, exp: iat + 60 }));
  const htu = req.getUrl().replace(/\{\{(\w+)\}\}/g, (_, name) => known(name)).split("?")[0];
  const claims = { jti: randomUUID(), htm: req.getMethod(), htu, iat };
  const token = known("access_token");
  if (token && htu.startsWith(`${aud}/v1/`)) {
    claims.ath = createHash("sha256").update(token).digest("base64url");
    req.setHeader("Authorization", `DPoP ${token}`);
  }
  const { kty, crv, x, y } = jwk;
  req.setHeader("DPoP", jwt({ typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } }, claims));
}
