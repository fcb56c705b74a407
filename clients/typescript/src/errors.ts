/** What can go wrong, as errors: each carries what the platform said. */

export type Json = Record<string, unknown>;

/** One field that is wrong: where it is, what it must be, and what you sent there, if that is known. */
export interface FieldError {
  pointer: string;
  detail: string;
  value: unknown;
}

/** The platform refused, or could not answer. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly body: Json, readonly fields: readonly FieldError[], said: string) {
    super(`${status} ${said}`);
    this.name = new.target.name;
  }
}

/** An RFC 9457 problem; `slug` names it, and `/problems/<slug>` says what to do. */
export class ProblemError extends ApiError {
  readonly slug: string;
  /** Why a consent refused, e.g. `revoked`. */
  readonly reason: string | undefined;

  constructor(status: number, body: Json, sent?: unknown) {
    const slug = String(body.type ?? "").split("/").pop() ?? "";
    const fields = fieldsOf(body.errors, sent);
    const named = fields.map((one) => `${one.pointer}: ${one.detail} (sent: ${JSON.stringify(one.value)})`).join("; ");
    super(status, body, fields, `${slug}: ${named || body.detail || body.title}`);
    this.slug = slug;
    this.reason = typeof body.reason === "string" ? body.reason : undefined;
  }
}

/** An error of the authorization server (RFC 6749); `code` is e.g. `access_denied`, `invalid_grant`. */
export class OAuthError extends ApiError {
  readonly code: string;

  constructor(status: number, body: Json, sent?: unknown) {
    super(status, body, fieldsOf(body.errors, sent), `${body.error}: ${body.error_description}`);
    this.code = String(body.error);
  }
}

/** The firm, or its offices, did not answer in the time that you gave. */
export class NotAnswered extends Error {}

/** Where the browser came back to is not the answer to this request, or not of this server. */
export class CallbackRefused extends Error {}

/** What came to your address is no event of ours, or not of now. */
export class WebhookRefused extends Error {}

/** Return the error in an answer. */
export async function errorOf(answer: Response, sent?: unknown): Promise<ApiError> {
  let body: Json = {};
  try {
    const read: unknown = await answer.json();
    if (typeof read === "object" && read !== null && !Array.isArray(read)) body = read as Json;
  } catch {
    // A proxy's page, say: the status is all there is.
  }
  return "error" in body ? new OAuthError(answer.status, body, sent) : new ProblemError(answer.status, body, sent);
}

function fieldsOf(errors: unknown, sent: unknown): FieldError[] {
  if (!Array.isArray(errors)) return [];
  return errors.map((one: Json) => {
    const pointer = String(one.pointer ?? "");
    return { pointer, detail: String(one.detail ?? ""), value: at(sent, pointer) };
  });
}

function at(sent: unknown, pointer: string): unknown {
  let found = sent;
  for (const step of pointer.split("/").slice(1)) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Json)[step];
  }
  return found;
}
