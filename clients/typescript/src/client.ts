/** A registered client: from asking a firm to its profile. */
import { CallbackRefused, NotAnswered, OAuthError, errorOf } from "./errors.js";
import { assertion, generateKey, proof, secret, sha256, type SigningKey } from "./keys.js";
import type { components } from "./schema.js";

type Schemas = components["schemas"];
type Method = "GET" | "POST" | "PUT" | "DELETE";

const ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const CIBA = "urn:openid:params:grant-type:ciba";
const SCOPE = "profile:create profile:read";
/** A token that ends so soon is refreshed before it is used. */
const EARLY_SECONDS = 10;
const LONGEST_PAUSE = 60;

/** What the token endpoint gave; keep `refreshToken` to go on later, and `grantId`, the consent's id. */
export interface Tokens {
  accessToken: string;
  expiresAt: number;
  refreshToken?: string | undefined;
  scope: string;
  grantId?: string | undefined;
}

/** A pushed request: send the firm's browser to `url`; keep the rest until it comes back. */
export interface Pushed {
  url: string;
  state: string;
  verifier: string;
  redirectUri: string;
}

/** A request in the firm's inbox. */
export interface Waiting {
  authReqId: string;
  interval: number;
  expiresAt: number;
}

export interface ClientOptions {
  /** The platform's address, exactly as its metadata says. */
  issuer: string;
  clientId: string;
  key: SigningKey;
  /** Where browsers come back to; not needed for the inbox. */
  redirectUri?: string;
  /** The key that tokens are bound to; a new one by default. Give one to go on with a refresh token after a restart. */
  dpopKey?: SigningKey;
  /** How often a request is sent at most. */
  tries?: number;
  fetch?: typeof fetch;
  pause?: (seconds: number) => Promise<void>;
  chance?: () => number;
}

export interface CallOptions {
  body?: unknown;
  params?: Record<string, string | number> | undefined;
  headers?: Record<string, string>;
}

interface Sending extends CallOptions {
  tokens?: Tokens | undefined;
  form?: Record<string, string>;
  /** Whether a request of which no answer came may be sent again; by default reads, and what has an Idempotency-Key. */
  isRepeatable?: boolean;
}

const now = (): number => Date.now() / 1000;
const slept = (seconds: number): Promise<void> => new Promise((done) => setTimeout(done, seconds * 1000));

export class Client {
  readonly #issuer: string;
  readonly #tries: number;
  readonly #fetch: typeof fetch;
  readonly #chance: () => number;
  readonly pause: (seconds: number) => Promise<void>;
  #dpopKey: SigningKey | undefined;
  #nonce: string | undefined;

  constructor(private readonly options: ClientOptions) {
    this.#issuer = options.issuer.replace(/\/$/, "");
    this.#tries = options.tries ?? 5;
    this.#fetch = options.fetch ?? fetch;
    this.#chance = options.chance ?? Math.random;
    this.pause = options.pause ?? slept;
    this.#dpopKey = options.dpopKey;
  }

  /** Read what may be asked of a firm, and how much of it. */
  async purposes(): Promise<Schemas["Purposes"]> {
    return (await this.call(undefined, "GET", "/v1/purposes")).json() as Promise<Schemas["Purposes"]>;
  }

  /** Push a request (RFC 9126, PKCE); send the firm's browser to its `url`. */
  async push(details: Schemas["AuthorizationDetail"], scope = SCOPE, more: Record<string, string> = {}): Promise<Pushed> {
    const { redirectUri, clientId } = this.options;
    if (redirectUri === undefined) throw new TypeError("a client that goes through a browser needs its redirectUri");
    const [verifier, state] = [secret(48), secret(24)];
    const form = {
      response_type: "code",
      redirect_uri: redirectUri,
      scope,
      state,
      code_challenge: await sha256(verifier),
      code_challenge_method: "S256",
      authorization_details: JSON.stringify([details]),
      ...more,
    };
    const answer = await this.#form<Schemas["PushedRequest"]>("/oauth/par", form, true, [details]);
    const query = new URLSearchParams({ client_id: clientId, request_uri: answer.request_uri });
    return { url: `${this.#issuer}/oauth/authorize?${query}`, state, verifier, redirectUri };
  }

  /** Exchange the code in the address that the browser came back to. It is sent once: a second time would end all. */
  async exchange(pushed: Pushed, callback: string): Promise<Grant> {
    const sent = new URL(callback).searchParams;
    if (sent.get("iss") !== this.#issuer || sent.get("state") !== pushed.state) {
      throw new CallbackRefused("the answer belongs to another request or another server");
    }
    const code = sent.get("code");
    if (code === null) throw new OAuthError(0, { error: sent.get("error") ?? "no_code", error_description: "the firm did not agree" });
    const form = { grant_type: "authorization_code", code, redirect_uri: pushed.redirectUri, code_verifier: pushed.verifier };
    return new Grant(this, tokensOf(await this.#form("/oauth/token", form, false)));
  }

  /** Put a request into the firm's inbox (CIBA, poll mode); `more` adds e.g. `binding_message`. */
  async askInInbox(
    details: Schemas["AuthorizationDetail"], loginHint: string, scope = SCOPE, more: Record<string, string> = {},
  ): Promise<Waiting> {
    const form = { scope, login_hint: loginHint, authorization_details: JSON.stringify([details]), ...more };
    const answer = await this.#form<Schemas["BackchannelRequest"]>("/oauth/bc-authorize", form, false, [details]);
    return { authReqId: answer.auth_req_id, interval: answer.interval, expiresAt: now() + answer.expires_in };
  }

  /** Wait for the firm's answer. */
  async waitFor(waiting: Waiting, seconds = 600): Promise<Grant> {
    const until = Math.min(now() + seconds, waiting.expiresAt);
    for (;;) {
      try {
        const form = { grant_type: CIBA, auth_req_id: waiting.authReqId };
        return new Grant(this, tokensOf(await this.#form("/oauth/token", form, false)));
      } catch (error) {
        if (!(error instanceof OAuthError) || !["authorization_pending", "slow_down"].includes(error.code)) throw error;
        if (error.code === "slow_down") waiting.interval += 5;
      }
      if (now() + waiting.interval > until) throw new NotAnswered(`the firm has not answered within ${seconds} seconds`);
      await this.pause(waiting.interval);
    }
  }

  /** Act in your institution's own name. */
  async own(scope: string): Promise<Grant> {
    return new Grant(this, tokensOf(await this.#form("/oauth/token", { grant_type: "client_credentials", scope })));
  }

  /** Go on under a consent, with the refresh token that you kept and the same `dpopKey`. */
  resume(refreshToken: string): Grant {
    return new Grant(this, { accessToken: "", expiresAt: 0, refreshToken, scope: "" });
  }

  /** Ask what a token is good for. */
  introspect(token: string): Promise<Schemas["Introspection"]> {
    return this.#form("/oauth/introspect", { token });
  }

  /** Give a token back; with a refresh token, everything that came from it. */
  async revoke(token: string): Promise<void> {
    await this.#form("/oauth/revoke", { token });
  }

  /** Call the API; a token that is over, or was refused, is refreshed once. */
  async call(tokens: Tokens | undefined, method: Method, path: string, options: CallOptions = {}): Promise<Response> {
    if (tokens && tokens.expiresAt - now() < EARLY_SECONDS) await this.#refresh(tokens);
    let answer = await this.#send(method, path, { ...options, tokens });
    if (answer.status === 401 && tokens) {
      await this.#refresh(tokens);
      answer = await this.#send(method, path, { ...options, tokens });
    }
    if (!answer.ok) throw await errorOf(answer, options.body);
    return answer;
  }

  /** How long to wait: what the server says and up to a quarter more, else twice as long each time. */
  pauseOf(retryAfter: string | null, tries: number): number {
    if (retryAfter !== null && /^[0-9]+$/.test(retryAfter)) return Math.min(Number(retryAfter), LONGEST_PAUSE) * (1 + this.#chance() / 4);
    return Math.min(0.25 * 2 ** tries, 8) * (0.5 + this.#chance() / 2);
  }

  async #refresh(tokens: Tokens): Promise<void> {
    const form: Record<string, string> =
      tokens.refreshToken === undefined
        ? { grant_type: "client_credentials", scope: tokens.scope }
        : { grant_type: "refresh_token", refresh_token: tokens.refreshToken };
    const fresh = tokensOf(await this.#form("/oauth/token", form));
    Object.assign(tokens, { ...fresh, refreshToken: tokens.refreshToken, grantId: fresh.grantId ?? tokens.grantId });
  }

  async #form<Answer>(path: string, form: Record<string, string>, isRepeatable = true, sent?: unknown): Promise<Answer> {
    const answer = await this.#send("POST", path, { form, isRepeatable });
    if (!answer.ok) throw await errorOf(answer, sent);
    const text = await answer.text();
    return (text ? JSON.parse(text) : {}) as Answer;
  }

  /** Send a request, again where that is safe: with the server's nonce, after a 429 or 503, after a lost line. */
  async #send(method: Method, path: string, sending: Sending): Promise<Response> {
    const isRepeatable = sending.isRepeatable ?? (method !== "POST" || "Idempotency-Key" in (sending.headers ?? {}));
    let hasNonceTried = false;
    for (let tries = 1; ; tries++) {
      let answer: Response;
      try {
        answer = await this.#once(method, path, sending);
      } catch (error) {
        if (!isRepeatable || tries >= this.#tries) throw error;
        await this.pause(this.pauseOf(null, tries));
        continue;
      }
      const offered = answer.headers.get("DPoP-Nonce");
      const isNew = offered !== null && offered !== this.#nonce;
      this.#nonce = offered ?? this.#nonce;
      if (isNew && !hasNonceTried && [400, 401].includes(answer.status)) {
        const said = `${await answer.clone().text()} ${answer.headers.get("WWW-Authenticate")}`;
        hasNonceTried = said.includes("use_dpop_nonce");
        if (hasNonceTried) continue;
      }
      if (![429, 503].includes(answer.status) || tries >= this.#tries) return answer;
      await this.pause(this.pauseOf(answer.headers.get("Retry-After"), tries));
    }
  }

  async #once(method: Method, path: string, { tokens, form, body, params, headers }: Sending): Promise<Response> {
    this.#dpopKey ??= await generateKey();
    const url = this.#issuer + path;
    const made: Record<string, string> = { ...headers, DPoP: await proof(this.#dpopKey, method, url, tokens?.accessToken, this.#nonce) };
    if (tokens) made.Authorization = `DPoP ${tokens.accessToken}`;
    let content: string | null = null;
    if (form) {
      // A fresh assertion each time: its jti is good once.
      const { clientId, key } = this.options;
      const mine = { client_id: clientId, client_assertion_type: ASSERTION_TYPE, client_assertion: await assertion(key, clientId, this.#issuer) };
      content = new URLSearchParams({ ...form, ...mine }).toString();
      made["Content-Type"] = "application/x-www-form-urlencoded";
    } else if (body !== undefined) {
      content = JSON.stringify(body);
      made["Content-Type"] = "application/json";
    }
    const query = params && Object.keys(params).length ? `?${new URLSearchParams(Object.entries(params).map(([name, value]) => [name, String(value)]))}` : "";
    return this.#fetch(url + query, { method, headers: made, body: content });
  }
}

/** What a firm granted, or your own name: tokens that renew themselves. */
export class Grant {
  constructor(private readonly client: Client, readonly tokens: Tokens) {}

  /** Call any operation of the API. */
  call(method: Method, path: string, options: CallOptions = {}): Promise<Response> {
    return this.client.call(this.tokens, method, path, options);
  }

  /** Compute the firm's profile; while its offices are asked, ask again with the same key. */
  async createProfile(
    wanted: Schemas["ProfileRequest"] = {}, { idempotencyKey = secret(24), seconds = 120 }: { idempotencyKey?: string; seconds?: number } = {},
  ): Promise<Schemas["Profile"]> {
    const headers = { "Idempotency-Key": idempotencyKey, Prefer: "wait=20" };
    const until = now() + seconds;
    for (;;) {
      const answer = await this.call("POST", "/v1/profiles", { body: wanted, headers });
      if (answer.status === 201) return (await answer.json()) as Schemas["Profile"];
      const pause = this.client.pauseOf(answer.headers.get("Retry-After"), 1);
      if (now() + pause > until) throw new NotAnswered(`the offices have not answered within ${seconds} seconds`);
      await this.client.pause(pause);
    }
  }

  /** Read a profile as it was computed. */
  async profile(id: string): Promise<Schemas["Profile"]> {
    return (await this.call("GET", `/v1/profiles/${id}`)).json() as Promise<Schemas["Profile"]>;
  }

  /** Read every indicator's value and exact contribution. */
  async explanation(id: string): Promise<Schemas["Explanation"]> {
    return (await this.call("GET", `/v1/profiles/${id}/explanation`)).json() as Promise<Schemas["Explanation"]>;
  }

  /** Read the products in order, page after page. */
  matches(id: string, params: Record<string, string | number> = {}): AsyncGenerator<Record<string, unknown>> {
    return this.pages(`/v1/profiles/${id}/matches`, params, "products");
  }

  /** Read a list to its end: every item, page after page. */
  async *pages<Item = Record<string, unknown>>(path: string, params: Record<string, string | number> = {}, member = "items"): AsyncGenerator<Item> {
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const asked = cursor === undefined ? params : { ...params, cursor };
      const page = (await (await this.call("GET", path, { params: asked })).json()) as Record<string, unknown>;
      yield* (page[member] ?? []) as Item[];
      cursor = page.next_cursor as string | null;
    }
  }
}

function tokensOf(answer: Schemas["Token"]): Tokens {
  return {
    accessToken: answer.access_token,
    expiresAt: now() + answer.expires_in,
    refreshToken: answer.refresh_token,
    scope: answer.scope,
    grantId: answer.grant_id,
  };
}
