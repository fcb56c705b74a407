/** Whether what comes to your webhook address is ours (Standard Webhooks). */
import { WebhookRefused, type Json } from "./errors.js";
import { fromBase64, utf8 } from "./keys.js";

/**
 * Return the event in a webhook. Give the raw text of the body. The same `webhook-id` is the same event, which may come
 * twice: keep the ids that you have acted on.
 *
 * @throws WebhookRefused  It is not signed with `secret`, is more than `tolerance` seconds off, or is no event.
 */
export async function verifiedWebhook(
  secret: string, headers: Headers | Record<string, string>, body: string,
  { now = Date.now() / 1000, tolerance = 300 }: { now?: number; tolerance?: number } = {},
): Promise<Json> {
  const sent = new Map(headers instanceof Headers ? headers : Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const [id = "", timestamp = "", signatures = ""] = ["id", "timestamp", "signature"].map((name) => sent.get(`webhook-${name}`));
  if (!/^[0-9]{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > tolerance) throw new WebhookRefused("it is not of now");
  const key = await keyOf(secret);
  const signed = utf8(`${id}.${timestamp}.${body}`);
  let isOurs = false;
  for (const one of signatures.split(" ")) {
    if (id && one.startsWith("v1,")) isOurs = (await isSigned(key, one.slice(3), signed)) || isOurs;
  }
  if (!isOurs) throw new WebhookRefused("it is not signed with your secret");
  let event: unknown;
  try {
    event = JSON.parse(body);
  } catch {
    event = undefined;
  }
  if (typeof event !== "object" || event === null || Array.isArray(event)) throw new WebhookRefused("it is signed, but it is not a JSON object");
  return event as Json;
}

async function keyOf(secret: string): Promise<CryptoKey> {
  try {
    const raw = fromBase64(secret.replace(/^whsec_/, ""));
    if (raw.length === 0) throw new TypeError("empty");
    return await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  } catch {
    throw new WebhookRefused("your own secret is not whsec_ and base64");
  }
}

async function isSigned(key: CryptoKey, signature: string, signed: Uint8Array<ArrayBuffer>): Promise<boolean> {
  try {
    return await crypto.subtle.verify("HMAC", key, fromBase64(signature), signed);
  } catch {
    return false; // no base64
  }
}
