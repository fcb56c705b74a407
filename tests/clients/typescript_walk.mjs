// What the test of @creditlink/client drives: the first profile, and a line that misbehaves. Prints JSON.
import { readFileSync } from "node:fs";
import {
  CallbackRefused, Client, OAuthError, ProblemError, WebhookRefused, generateKey, importKey, publicJwks, verifiedWebhook,
} from "./dist/index.js";

const { CREDITLINK_ISSUER: issuer, CREDITLINK_CLIENT_ID: clientId, CREDITLINK_KID: kid, CREDITLINK_USCC: uscc } = process.env;
const key = await importKey(readFileSync(process.env.CREDITLINK_KEY, "utf8"), kid);
const said = {};
const refusal = async (wanted) => {
  try {
    await wanted;
  } catch (error) {
    return error;
  }
};

const dpopKey = await generateKey();
const bank = new Client({ issuer, clientId, key, dpopKey });
said.purposes = (await bank.purposes()).items.map((one) => one.purpose);
const details = {
  type: "enterprise_credit_profile", uscc, categories: ["tax"], purpose: "underwriting", history_months: 24,
  valid_until: new Date(Date.now() + 20 * 86_400_000).toISOString(),
};
const wrong = await refusal(bank.askInInbox({ ...details, history_months: 0, purpose: "x" }, uscc));
said.wrong = [wrong instanceof OAuthError, wrong.code, wrong.fields.map(({ pointer, value }) => [pointer, value])];
const firm = await bank.waitFor(await bank.askInInbox(details, uscc), 60);
const refused = await refusal(firm.createProfile({ amount_fen: 1 }));
said.refused = [refused instanceof ProblemError, refused.slug, refused.fields.map(({ pointer, value }) => [pointer, value])];
const made = await firm.createProfile({ amount_fen: 100_000_000 }, { idempotencyKey: "the-first-profile" });
const again = await firm.createProfile({ amount_fen: 100_000_000 }, { idempotencyKey: "the-first-profile" });
said.same = made.id === again.id;
said.grade = made.grade;
let matches = 0;
for await (const match of firm.matches(made.id, { limit: 100 })) matches += match.product ? 1 : 0;
said.matches = matches;
firm.tokens.expiresAt = 0;
said.refreshed = (await firm.profile(made.id)).id === made.id;
const later = new Client({ issuer, clientId, key, dpopKey }).resume(firm.tokens.refreshToken);
said.resumed = (await later.profile(made.id)).id === made.id && later.tokens.grantId === made.consent_id;
await bank.revoke(firm.tokens.refreshToken);
said.active = (await bank.introspect(firm.tokens.accessToken)).active;

// A server that does what it is told to, and a clock that does not wait.
const served = (...answers) => {
  const asked = [], slept = [];
  const fetch = async (url, options) => {
    asked.push({ url, ...options });
    const [status, body, headers = {}] = answers.shift() ?? [599, {}];
    if (status === 0) throw new TypeError("fetch failed");
    return new Response(JSON.stringify(body), { status, headers });
  };
  const pause = async (seconds) => void slept.push(seconds);
  const client = new Client({ issuer: "https://credit.example", clientId: "b", key, redirectUri: "https://b/back", fetch, pause, chance: () => 1 });
  return { client, asked, slept };
};
const claims = (jwt) => JSON.parse(Buffer.from(jwt.split(".")[1], "base64url"));
const token = [200, { access_token: "cla_1", expires_in: 300, scope: "s" }];

const nonce = served([400, { error: "use_dpop_nonce" }, { "DPoP-Nonce": "n-1" }], token);
await nonce.client.own("s");
said.nonces = nonce.asked.map((one) => claims(one.headers.DPoP).nonce ?? null);
const busy = served(token, [503, {}, { "Retry-After": "8" }], [429, {}, { "Retry-After": "4" }], [200, { items: [1], next_cursor: "b&c" }], [200, { items: [2], next_cursor: null }]);
const items = [];
for await (const one of (await busy.client.own("s")).pages("/v1/consents", { limit: 1 })) items.push(one);
said.busy = [items, busy.slept, busy.asked.at(-1).url];
const lost = served(token, [0], [202, {}, { "Retry-After": "2" }], [201, { id: "prf_1" }]);
said.lost = [(await (await lost.client.own("s")).createProfile()).id, new Set(lost.asked.slice(1).map((one) => one.headers["Idempotency-Key"])).size];
const acts = served(token, [0]);
const own = await acts.client.own("s");
said.acts = [(await refusal(own.call("POST", "/v1/financing/applications/fap_1/receipt"))).message, acts.asked.length];
const code = served([201, { request_uri: "urn:x" }], [0]);
const pushed = await code.client.push(details);
const back = `https://b/back?code=c&iss=https://credit.example&state=${pushed.state}`;
said.mixedUp = (await refusal(code.client.exchange(pushed, `${back}x`))) instanceof CallbackRefused;
await refusal(code.client.exchange(pushed, back));
said.codeSent = code.asked.length;

const { secret, headers, body } = JSON.parse(process.env.WEBHOOK);
said.webhook = await verifiedWebhook(secret, headers, body);
said.webhooksRefused = [];
for (const [name, value] of [["webhook-id", "x"], ["webhook-timestamp", "1"], ["webhook-timestamp", "²"], ["webhook-signature", "v1,é"], ["webhook-signature", ""]]) {
  said.webhooksRefused.push((await refusal(verifiedWebhook(secret, { ...headers, [name]: value }, body))) instanceof WebhookRefused);
}
said.webhooksRefused.push((await refusal(verifiedWebhook(secret, headers, `${body} `))) instanceof WebhookRefused);
said.webhooksRefused.push((await refusal(verifiedWebhook("whsec_", headers, body))) instanceof WebhookRefused);
said.jwks = Object.keys(publicJwks(key).keys[0]).sort();
console.log(JSON.stringify(said));
