// Refusals, as the callers of the client get them.
import type { ErrorCode, Messages } from "./session-auth.js";

interface Details {
  status?: number;
  code?: ErrorCode;
  fields?: Record<string, string[]> | undefined;
  hint?: string | undefined;
  retryAfter?: number | undefined;
  data?: unknown;
  cause?: unknown;
}

/**
 * A refusal of the server, or the news that it could not be reached.
 *
 * `status` is the HTTP status, 0 without an answer. `code` is the stable slug of the server's error
 * contract: "network_error" without an answer, "unknown" for an answer that has no code,
 * "cookie_not_kept" where the browser keeps no cookies of the site. `fields` maps the name of a field
 * to its messages. `retryAfter` is in seconds. `message` is for people, `hint` for developers,
 * if there is something that they have to do.
 */
export class SessionAuthError extends Error {
  /**
   * Sentences for people, by the codes: each stands in the place of what the client or the server says.
   * Those of the client are English; `django-session-auth/messages` has them in other languages.
   */
  static messages: Messages = {};

  declare readonly status: number;
  declare readonly code: ErrorCode;
  declare readonly fields?: Record<string, string[]> | undefined;
  declare readonly hint?: string | undefined;
  declare readonly retryAfter?: number | undefined;
  /** The whole answer, if it was JSON: what your own API adds to its refusals, say. */
  declare readonly data?: any;

  constructor(message: string, details?: Details) {
    super(SessionAuthError.messages[details?.code as ErrorCode] ?? message, details);
    Object.assign(this, { name: "SessionAuthError", status: 0, code: "unknown" }, details);
  }
}

export const cookieNotKept = (cause?: unknown) =>
  new SessionAuthError("Allow this site to keep cookies.", {
    code: "cookie_not_kept",
    hint: "Use https.",
    cause,
  });

/** Throw what made fetch() fail: with a TypeError or TimeoutError, the server could not be reached. */
export const lost = (cause: any): never => {
  throw /^T/.test(cause.name)
    ? new SessionAuthError("The server could not be reached.", { code: "network_error", cause })
    : cause;
};

/** The refusal in `response`; `data` is the JSON in it, or undefined. */
export const errorOf = ({ headers, status }: Response, data: any): SessionAuthError => {
  const { error, code = "unknown", fields, hint } = data?.code ? data : ({} as any);
  return new SessionAuthError(error ?? `The server answered ${status}.`, {
    status,
    code,
    fields,
    hint,
    data,
    retryAfter: parse(headers.get("Retry-After") ?? ""), // a date is none
  });
};

export const userChanged = () =>
  new SessionAuthError("This is for another user.", { code: "user_changed", status: 409 });

/** The data in `text`, or undefined if it is no JSON. */
export const parse = (text: string | null | undefined): any => {
  try {
    return JSON.parse(text!);
  } catch {} // returns undefined
};
