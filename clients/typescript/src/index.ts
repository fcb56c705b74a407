/** CreditLink for a bank's software: ask a firm, get its credit profile, hear what becomes of it. */
export { Client, Grant, type CallOptions, type ClientOptions, type Pushed, type Tokens, type Waiting } from "./client.js";
export { ApiError, CallbackRefused, NotAnswered, OAuthError, ProblemError, WebhookRefused, type FieldError } from "./errors.js";
export { generateKey, importKey, publicJwks, type SigningKey } from "./keys.js";
export { verifiedWebhook } from "./webhooks.js";
export type { components, operations, paths } from "./schema.js";
