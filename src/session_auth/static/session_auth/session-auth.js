/**
 * Session authentication from the browser: log in and out, who is logged in, and a fetch() that
 * passes Django's CSRF check. One module, no dependency, nothing stored, nothing global touched.
 *
 * @module session-auth
 */

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * What the server refused, or that it could not be reached.
 *
 * `status` is the HTTP status, 0 without an answer. `code` is the stable slug of the server's error
 * contract, "network_error" without an answer, "unknown" for an answer of another make. `fields`
 * maps the name of a field to its messages. `retryAfter` is in seconds.
 */
export class SessionAuthError extends Error {
  /**
   * @param {string} message
   * @param {{
   *   status?: number,
   *   code?: string,
   *   fields?: Record<string, string[]>,
   *   retryAfter?: number,
   *   cause?: unknown,
   * }} [details]
   */
  constructor(message, { status = 0, code = "unknown", fields, retryAfter, cause } = {}) {
    super(message, { cause });
    this.name = "SessionAuthError";
    this.status = status;
    this.code = code;
    this.fields = fields;
    this.retryAfter = retryAfter;
  }
}

/**
 * @typedef {{ id: number | string, username: string, [field: string]: unknown }} User
 *   `id` and `username`, or what the setting SESSION_AUTH_USER_FIELDS names.
 *
 * @typedef {object} SessionClient
 * @property {(credentials: { username: string, password: string, remember?: boolean }) => Promise<User>} login
 *   Log in; `remember` says whether the session outlives the browser.
 * @property {() => Promise<void>} logout Log out; no error when nobody is logged in.
 * @property {() => Promise<User | null>} user Ask the server who is logged in.
 * @property {(input: RequestInfo | URL, init?: RequestInit) => Promise<Response>} fetch
 *   As window.fetch, with the CSRF token where it is needed: on unsafe requests to this origin.
 * @property {(input: string | URL, options?: { method?: string, body?: unknown, signal?: AbortSignal }) => Promise<any>} json
 *   Send and receive JSON with that fetch(); an answer that is not 2xx is a SessionAuthError.
 */

/**
 * Make a client for the endpoints at `baseUrl`, where the project includes `session_auth.urls`.
 *
 * `cookieName` and `headerName` follow CSRF_COOKIE_NAME and CSRF_HEADER_NAME; the default finds
 * "__Host-csrftoken" and "csrftoken".
 *
 * @param {{ baseUrl?: string, cookieName?: string, headerName?: string }} [options]
 * @returns {SessionClient}
 */
export function createSessionClient({
  baseUrl = "/api/auth/",
  cookieName,
  headerName = "X-CSRFToken",
} = {}) {
  const cookieNames = cookieName ? [cookieName] : ["__Host-csrftoken", "csrftoken"];
  /** @type {string | undefined} The token as the server last told it. */
  let told;
  /** @type {Promise<string> | undefined} */
  let asking;

  /** @param {string} name */
  const endpoint = (name) => new URL(name, new URL(baseUrl, document.baseURI));

  /** Ask the endpoint for a token; calls at the same time share one request. */
  function askForToken() {
    asking ??= json(endpoint("csrf/"))
      .then(({ csrfToken }) => (told = /** @type {string} */ (csrfToken)))
      .finally(() => (asking = undefined));
    return asking;
  }

  /** The cookie comes first: another tab's login renews it, and what this tab was told is stale. */
  async function currentToken() {
    return readCookie(cookieNames) ?? told ?? askForToken();
  }

  /** @type {SessionClient["fetch"]} */
  async function sessionFetch(input, init) {
    const url = input instanceof Request ? input : new URL(input, document.baseURI);
    const request = new Request(url, init);
    const isOurs = new URL(request.url).origin === location.origin;
    if (!isOurs || SAFE_METHODS.has(request.method)) return fetch(request);

    // The mode keeps a redirect from taking the token to another origin.
    const first = new Request(request, { credentials: "same-origin", mode: "same-origin" });
    if (first.headers.has(headerName)) return fetch(first);
    const second = first.clone();
    first.headers.set(headerName, await currentToken());
    const response = await fetch(first);
    if (response.status !== 403 || (await readError(response.clone())).code !== "csrf_failed") {
      return response;
    }
    second.headers.set(headerName, await askForToken());
    return fetch(second);
  }

  /** @type {SessionClient["json"]} */
  async function json(input, { method = "GET", body, signal } = {}) {
    /** @type {RequestInit} */
    const init = { method, headers: { Accept: "application/json" } };
    if (signal) init.signal = signal;
    if (body !== undefined) {
      init.headers = { ...init.headers, "Content-Type": "application/json" };
      init.body = JSON.stringify(body);
    }
    let response;
    try {
      response = await sessionFetch(input, init);
    } catch (cause) {
      if (cause instanceof SessionAuthError || signal?.aborted) throw cause;
      throw new SessionAuthError("The server could not be reached.", {
        code: "network_error",
        cause,
      });
    }
    if (!response.ok) throw await readError(response);
    return response.status === 204 ? undefined : response.json();
  }

  return {
    async login({ username, password, remember }) {
      const { user, csrfToken } = await json(endpoint("login/"), {
        method: "POST",
        body: { username, password, remember }, // JSON has no undefined: then it is not sent
      });
      told = csrfToken;
      return user;
    },
    async logout() {
      await json(endpoint("logout/"), { method: "POST" });
    },
    async user() {
      return (await json(endpoint("user/"))).user;
    },
    fetch: sessionFetch,
    json,
  };
}

/** @param {string[]} names */
function readCookie(names) {
  const cookies = new Map(
    document.cookie.split("; ").map((cookie) => {
      const [name = "", ...value] = cookie.split("=");
      return [name, value.join("=")];
    }),
  );
  return names.map((name) => cookies.get(name)).find(Boolean);
}

/** @param {Response} response */
async function readError(response) {
  const body = await response.json().catch(() => undefined);
  const { error, code, fields } = typeof body?.code === "string" ? body : {};
  return new SessionAuthError(error ?? `The server answered ${response.status}.`, {
    status: response.status,
    code,
    fields,
    retryAfter: Number(response.headers.get("Retry-After")) || undefined,
  });
}
