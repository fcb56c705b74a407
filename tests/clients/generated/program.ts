// A bank's program over the types that openapi-typescript generates, with openapi-fetch: from a key to a profile.
import createClient, { type Middleware } from "openapi-fetch";
import { createHash, createPrivateKey, createPublicKey, randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import type { components, paths } from "./schema.js";

const { CREDITLINK_ISSUER: issuer = "", CREDITLINK_CLIENT_ID: clientId = "", CREDITLINK_USCC: uscc = "" } = process.env;
const key = createPrivateKey(readFileSync(process.env.CREDITLINK_KEY ?? ""));
const { kty, crv, x, y } = createPublicKey(key).export({ format: "jwk" });

function jwt(header: object, claims: object): string {
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

const now = (): number => Math.floor(Date.now() / 1000);
const authenticated = () => ({
  client_id: clientId,
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" as const,
  client_assertion: jwt(
    { alg: "ES256", kid: process.env.CREDITLINK_KID },
    { iss: clientId, sub: clientId, aud: issuer, jti: randomUUID(), iat: now(), exp: now() + 60 },
  ),
});

let token: components["schemas"]["Token"] | undefined;
const proven: Middleware = {
  onRequest({ request }) {
    const claims = { jti: randomUUID(), htm: request.method, htu: request.url.split("?")[0], iat: now() };
    const ath = token && createHash("sha256").update(token.access_token).digest("base64url");
    request.headers.set("DPoP", jwt({ typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } }, { ...claims, ath }));
    if (token) request.headers.set("Authorization", `DPoP ${token.access_token}`);
    return request;
  },
};
const api = createClient<paths>({ baseUrl: issuer });
api.use(proven);
const form = {
  bodySerializer: (body: object) => new URLSearchParams(body as Record<string, string>),
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
};
const pause = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

const details: components["schemas"]["AuthorizationDetail"] = {
  type: "enterprise_credit_profile",
  uscc,
  categories: ["tax"],
  purpose: "underwriting",
  history_months: 24,
  valid_until: new Date(Date.now() + 30 * 86400_000).toISOString(),
};
const asked = await api.POST("/oauth/bc-authorize", {
  ...form,
  body: { scope: "profile:create profile:read", login_hint: uscc, authorization_details: JSON.stringify([details]), ...authenticated() },
});
if (!asked.data) throw new Error(JSON.stringify(asked.error));
while (!token) {
  const { data, error } = await api.POST("/oauth/token", {
    ...form,
    body: { grant_type: "urn:openid:params:grant-type:ciba", auth_req_id: asked.data.auth_req_id, ...authenticated() },
  });
  token = data;
  if (error && !["authorization_pending", "slow_down"].includes(error.error)) throw new Error(error.error);
  if (!token) await pause(asked.data.interval);
}
for (;;) {
  const made = await api.POST("/v1/profiles", { body: { amount_fen: 100_000_000 }, params: { header: { Prefer: "wait=20" } } });
  if (made.error) throw new Error(`${made.error.type}: ${made.error.detail}`);
  if ("grade" in made.data) {
    const id: string = made.data.id;
    const matches = await api.GET("/v1/profiles/{profile_id}/matches", { params: { path: { profile_id: id }, query: { limit: 2 } } });
    console.log(JSON.stringify({ id, grade: made.data.grade, matches: matches.data?.products?.length }));
    break;
  }
  await pause(1);
}
