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
  /** @type {string | undefined} The token of a cookie that the server refused. */
  let refused;
  /** @type {Promise<string> | undefined} */
  let asking;

  /** Not against document.baseURI: no <base> decides where a password goes. @param {string} name */
  const endpoint = (name) => new URL(name, new URL(baseUrl, location.href));

  /** Ask the endpoint for a token; calls at the same time share one request. */
  function askForToken() {
    asking ??= json(endpoint("csrf/"))
      .then(({ csrfToken }) => (told = /** @type {string} */ (csrfToken)))
      .finally(() => (asking = undefined));
    return asking;
  }

  /**
   * The cookie comes first: another tab's login renews it, and what this tab was told is stale. A
   * cookie that was refused does not: it may be left over from before CSRF_USE_SESSIONS.
   */
  async function currentToken() {
    const token = readCookie(cookieNames);
    return (token !== refused && token) || told || askForToken();
  }

  /** @type {SessionClient["fetch"]} */
  async function sessionFetch(input, init) {
    const request = new Request(input, init);
    const isOurs = new URL(request.url).origin === location.origin;
    if (!isOurs || SAFE_METHODS.has(request.method)) return fetch(request);

    // The mode keeps a redirect from taking the token to another origin.
    const first = new Request(request, { credentials: "same-origin", mode: "same-origin" });
    if (first.headers.has(headerName)) return fetch(first);
    // To send a stream twice, all of it would have to be kept.
    const second = init?.body instanceof ReadableStream ? undefined : first.clone();
    first.headers.set(headerName, await unlessAborted(first.signal, currentToken));
    const response = await fetch(first);
    if (!second || response.status !== 403) return response;
    if (errorOf(response, parse(await response.clone().text())).code !== "csrf_failed") {
      return response;
    }
    refused = readCookie(cookieNames);
    second.headers.set(headerName, await unlessAborted(second.signal, askForToken));
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
    let response, text;
    try {
      response = await sessionFetch(input, init);
      text = await response.text();
    } catch (cause) {
      if (cause instanceof SessionAuthError || signal?.aborted) throw cause;
      throw new SessionAuthError("The server could not be reached.", {
        code: "network_error",
        cause,
      });
    }
    const data = parse(text);
    if (!response.ok || (text && data === undefined)) throw errorOf(response, data);
    return data;
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
      told = undefined;
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
  // In a page with <img name="cookie">, document.cookie is that element.
  if (typeof document.cookie !== "string") return undefined;
  const cookies = new Map(
    document.cookie.split("; ").map((cookie) => {
      const [name = "", ...value] = cookie.split("=");
      return [name, value.join("=")];
    }),
  );
  return names.map((name) => cookies.get(name)).find(Boolean);
}

/**
 * Wait for what `ask` starts, which others may wait for too, until `signal` says stop.
 *
 * @template T
 * @param {AbortSignal} signal
 * @param {() => Promise<T>} ask
 * @returns {Promise<T>}
 */
function unlessAborted(signal, ask) {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
    ask().then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/**
 * Return the data in `text`, or undefined if it is no JSON.
 *
 * @param {string} text
 * @returns {any}
 */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * @param {Response} response
 * @param {any} data The JSON in it, or undefined.
 */
function errorOf(response, data) {
  const { error, code, fields } = typeof data?.code === "string" ? data : {};
  const seconds = parseInt(response.headers.get("Retry-After") ?? "", 10);
  const answer = `The server answered ${response.status}${data === undefined ? " without JSON" : ""}.`;
  return new SessionAuthError(error ?? answer, {
    status: response.status,
    code,
    fields,
    retryAfter: Number.isNaN(seconds) ? undefined : seconds,
  });
}
