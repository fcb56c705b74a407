/** Your key: made, read, registered, and what it signs. WebCrypto alone. */

const EC = { name: "ECDSA", namedCurve: "P-256" } as const;
const LIFE_SECONDS = 60;

/** An ES256 key pair and its id. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JsonWebKey;
}

/** Return a new key. Keep `crypto.subtle.exportKey("jwk", key.privateKey)` where you keep secrets. */
export async function generateKey(kid: string = crypto.randomUUID()): Promise<SigningKey> {
  const pair = await crypto.subtle.generateKey(EC, true, ["sign", "verify"]);
  return { kid, privateKey: pair.privateKey, publicJwk: publicOf(await crypto.subtle.exportKey("jwk", pair.privateKey)) };
}

/** Return the key in a private JWK, or in a PEM file of PKCS #8. */
export async function importKey(source: JsonWebKey | string, kid?: string): Promise<SigningKey> {
  const privateKey =
    typeof source === "string"
      ? await crypto.subtle.importKey("pkcs8", fromBase64(source.replace(/-----[^-]+-----|\s/g, "")), EC, true, ["sign"])
      : await crypto.subtle.importKey("jwk", source, EC, true, ["sign"]);
  const named = kid ?? (typeof source === "string" ? undefined : (source as { kid?: string }).kid);
  if (named === undefined) throw new TypeError("the key needs the kid that it is registered by");
  return { kid: named, privateKey, publicJwk: publicOf(await crypto.subtle.exportKey("jwk", privateKey)) };
}

/** Return the JWK set to register: the public halves. While a key is replaced, both are in it. */
export function publicJwks(...keys: SigningKey[]): { keys: object[] } {
  return { keys: keys.map((key) => ({ ...key.publicJwk, kid: key.kid, use: "sig", alg: "ES256" })) };
}

/** Return a fresh client assertion (RFC 7523). */
export function assertion(key: SigningKey, clientId: string, issuer: string): Promise<string> {
  const iat = nowSeconds();
  const claims = { iss: clientId, sub: clientId, aud: issuer, jti: crypto.randomUUID(), iat, exp: iat + LIFE_SECONDS };
  return signed({ alg: "ES256", kid: key.kid }, claims, key);
}

/** Return a fresh proof that you hold the key (RFC 9449). */
export async function proof(
  key: SigningKey, method: string, url: string, token: string | undefined, nonce: string | undefined,
): Promise<string> {
  const claims: Record<string, unknown> = { jti: crypto.randomUUID(), htm: method, htu: url, iat: nowSeconds() };
  if (token !== undefined) claims.ath = await sha256(token);
  if (nonce !== undefined) claims.nonce = nonce;
  return signed({ typ: "dpop+jwt", alg: "ES256", jwk: key.publicJwk }, claims, key);
}

/** Return SHA-256 of a text, in base64url. */
export async function sha256(text: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text))));
}

/** Return random bytes in base64url. */
export function secret(bytes: number): string {
  return base64url(crypto.getRandomValues(new Uint8Array(bytes)));
}

export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
}

function base64url(raw: Uint8Array): string {
  return btoa(String.fromCharCode(...raw)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

async function signed(header: object, claims: object, key: SigningKey): Promise<string> {
  const text = [header, claims].map((part) => base64url(utf8(JSON.stringify(part)))).join(".");
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key.privateKey, utf8(text));
  return `${text}.${base64url(new Uint8Array(signature))}`;
}

function publicOf({ kty, crv, x, y }: JsonWebKey): JsonWebKey {
  return { kty, crv, x, y } as JsonWebKey;
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
