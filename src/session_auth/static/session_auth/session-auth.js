/**
 * Session authentication from the browser: log in and out, who is logged in and for how long, in
 * every tab at once, and a fetch() that passes Django's CSRF check. One module, no dependency,
 * nothing stored, nothing global touched.
 *
 * @module session-auth
 */

const SAFE_METHODS = /^(GET|HEAD|OPTIONS)$/; // and TRACE, which browsers send for nobody
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const RETRY = 30 * SECOND;
const LONGEST_TIMEOUT = 2 ** 31 - 1; // what setTimeout() can wait: 24 days

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
 * @typedef {object} Session
 * @property {string} id What lists of sessions know it by; opens nothing.
 * @property {string} user_ref Stands for the user, whatever the key of their session.
 * @property {string} created_at
 * @property {string | null} authenticated_at The last proof of a password.
 * @property {Record<string, string>} methods How the user proved who they are, and when.
 * @property {string} expires_at The first of the two below.
 * @property {string | null} idle_expires_at Moves with each activity.
 * @property {string} absolute_expires_at
 *
 * @typedef {object} Device One of the user's sessions.
 * @property {string} id
 * @property {boolean} current
 * @property {string} created_at
 * @property {Record<string, string>} methods How the user proved who they are, and when.
 * @property {string} last_seen_at
 * @property {string} expires_at
 * @property {string} ip
 * @property {string} user_agent
 * @property {string} device
 *
 * @typedef {{ secondsLeft: number, kind: "idle" | "absolute" }} Expiring
 *
 * @typedef {object} Snapshot The same object until something changes.
 * @property {"loading" | "anonymous" | "authenticated"} status
 * @property {User | null} user
 * @property {Session | null} session `null` too if the server uses another engine for sessions.
 * @property {Expiring | null} expiring From the warning on, until the session is extended or ends.
 *
 * @typedef {object} SessionEvents
 * @property {{ user: User }} login Nobody was logged in, now somebody is.
 * @property {undefined} logout By logout(), in this tab or another.
 * @property {{ reason: "idle" | "absolute" | "ended" }} ended By itself, or from elsewhere.
 * @property {{ user: User }} switched Somebody was logged in, now somebody else is.
 * @property {Expiring} expiring Only so many seconds are left, unless extend() is called.
 *
 * @typedef {object} SessionClient
 * @property {(credentials: { username: string, password: string, remember?: boolean }) => Promise<User>} login
 *   Log in; `remember` says whether the session outlives the browser.
 * @property {() => Promise<void>} logout Log out; no error when nobody is logged in.
 * @property {() => Promise<User | null>} user Ask the server who is logged in.
 * @property {() => Promise<User | null>} extend The user is there: let the session last longer.
 * @property {(proof: { password: string }) => Promise<User>} reauthenticate
 *   Prove the password again, for what asks for a recent login.
 * @property {(passwords: { oldPassword: string, newPassword: string }) => Promise<User>} changePassword
 *   All other sessions of the user end.
 * @property {(account: { email: string }) => Promise<string>} requestPasswordReset
 *   Have a link sent; resolves to a sentence that is the same for known and unknown addresses.
 * @property {(link: { uid: string, token: string, newPassword: string }) => Promise<void>} confirmPasswordReset
 *   All sessions of the user end; nobody is logged in by it.
 * @property {{
 *   list: () => Promise<Device[]>,
 *   end: (id: string) => Promise<void>,
 *   endOthers: () => Promise<number>,
 * }} sessions The user's sessions; the current one comes first.
 * @property {(input: RequestInfo | URL, init?: RequestInit) => Promise<Response>} fetch
 *   As window.fetch, with the CSRF token where it is needed: on unsafe requests to this origin.
 * @property {(input: string | URL, options?: JsonOptions) => Promise<any>} json
 *   Send and receive JSON with that fetch(); an answer that is not 2xx is a SessionAuthError.
 * @property {(listener: () => void) => () => void} subscribe
 *   Call `listener` when the snapshot has changed; returns what undoes it.
 * @property {() => Snapshot} getSnapshot
 * @property {<Name extends keyof SessionEvents>(
 *   name: Name, listener: (detail: SessionEvents[Name]) => void,
 * ) => () => void} on Call `listener` at each such event; returns what undoes it.
 * @property {(ask: () => unknown) => () => void} onReauthenticationRequired
 *   Where a call needs a recent login, wait for `ask()`, which typically calls reauthenticate(), and
 *   send the call again; not if it resolves to false. Calls at the same time share one ask().
 * @property {() => void} close Stop watching: no more timers, listeners and messages.
 *
 * @typedef {{
 *   method?: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal,
 * }} JsonOptions
 *
 * @typedef {object} About
 * @property {unknown} [anyone] Whether it says by itself whom it is for.
 * @property {boolean} [renews] Whether it gives the session a new key.
 *
 * @typedef {object} State What one tab tells the others.
 * @property {User | null} user
 * @property {Session | null} session
 * @property {number} asOf When the server was asked.
 * @property {number} [endsAt] When the session ends, by the clock of this computer.
 * @property {"login" | "logout"} [cause]
 */

/** @type {Snapshot} */
const LOADING = { status: "loading", user: null, session: null, expiring: null };

/**
 * Make a client for the endpoints at `baseUrl`, where the project includes `session_auth.urls`.
 *
 * `cookieName` and `headerName` follow CSRF_COOKIE_NAME and CSRF_HEADER_NAME; the default finds
 * "__Host-csrftoken" and "csrftoken". `warningSeconds` is how long before the end of a session
 * `expiring` comes: 20 at least, which users need to answer it (WCAG 2.2.1).
 *
 * @param {{
 *   baseUrl?: string, cookieName?: string, headerName?: string, warningSeconds?: number,
 * }} [options]
 * @returns {SessionClient}
 */
export function createSessionClient({
  baseUrl = "/api/auth/",
  cookieName,
  headerName = "X-CSRFToken",
  warningSeconds = 60,
} = {}) {
  const cookieNames = cookieName ? [cookieName] : ["__Host-csrftoken", "csrftoken"];
  const warning = Math.max(warningSeconds, 20) * SECOND;
  const events = new EventTarget();

  /** @type {string | undefined} The token as the server last told it. */
  let told;
  /** @type {string | undefined} The token of a cookie that the server refused. */
  let refused;

  let snapshot = LOADING;
  let asOf = 0; // when the server was asked for it
  let clock = 0;
  let endsAt = 0; // by the clock of this computer, as all times here
  let provenAt = 0;
  /** @type {(() => unknown) | undefined} */
  let askForProof;
  /** @type {Promise<any> | undefined} What gives the session a new key, perhaps just now. */
  let renewal;

  /** @type {AbortController | undefined} There while the client watches. */
  let watch;
  /** @type {BroadcastChannel | undefined} */
  let channel;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** The time, and later than all that this tab knows of: clocks may be coarse, or put back. */
  const stamp = () => (clock = Math.max(Date.now(), clock + 1, asOf + 1));

  /** Not against document.baseURI: no <base> decides where a password goes. @param {string} name */
  const endpoint = (name) => new URL(name, new URL(baseUrl, location.href));

  // Requests.

  const askForToken = shared(async () => {
    told = /** @type {string} */ ((await ask("csrf/")).csrfToken);
    return told;
  });

  /**
   * The cookie comes first: another tab's login renews it, and what this tab was told is stale. A
   * cookie that was refused does not: it may be left over from before CSRF_USE_SESSIONS.
   */
  async function currentToken() {
    const token = readCookie(cookieNames);
    return (token !== refused && token) || told || askForToken();
  }

  function renewToken() {
    refused = readCookie(cookieNames);
    return askForToken();
  }

  /** Resolves to false if the user proves nothing, or nobody asks them to. */
  const prove = shared(async () => askForProof && (await askForProof()) !== false);

  /**
   * As fetch. The server refuses an unsafe request if somebody else is logged in by now than the
   * user whom this tab shows, `anyone` apart.
   *
   * @param {RequestInfo | URL} input
   * @param {RequestInit} [init]
   * @param {About} [about]
   */
  async function send(input, init, { anyone, renews } = {}) {
    const shown = snapshot.session?.user_ref;
    let request = new Request(input, init);
    if (new URL(request.url).origin !== location.origin) return fetch(request);

    const isUnsafe = !SAFE_METHODS.test(request.method);
    if (isUnsafe) {
      // The mode keeps a redirect from taking the token to another origin.
      request = new Request(request, { credentials: "same-origin", mode: "same-origin" });
      if (shown && !anyone) request.headers.set("Session-User", shown);
    }
    const needsToken = isUnsafe && !request.headers.has(headerName);
    const { signal } = request;
    const tried = new Set();
    for (;;) {
      // To send a stream twice, all of it would have to be kept.
      const again = init?.body instanceof ReadableStream ? undefined : request.clone();
      if (needsToken) request.headers.set(headerName, await unlessAborted(signal, currentToken));
      const sentAt = stamp();
      const call = () => fetch(request);
      const response = await (renews ? (renewal = inTurn(call, "login/")) : call());
      if (response.ok) return response;

      const { code } = errorOf(response, parse(await response.clone().text()));
      const isOver = /^(session_ended|not_authenticated)$/.test(code) && snapshot.user;
      /** @type {(() => Promise<unknown>) | undefined} */
      let cure;
      if (code === "csrf_failed" && needsToken) cure = renewToken;
      if (code === "reauthentication_required") {
        // Perhaps it was proven while this call was on its way.
        cure = async () => provenAt > sentAt || prove();
      }
      if (isOver && !renews) {
        // Perhaps it was sent with the old key.
        cure = async () => {
          await lookPassively().catch(ignore);
          return snapshot.user && snapshot.session?.user_ref === shown;
        };
      } else if (isOver || code === "user_changed") lookPassively().catch(ignore);
      if (!again || !cure || tried.has(code) || !(await unlessAborted(signal, cure))) {
        return response;
      }
      tried.add(code);
      request = again;
    }
  }

  /**
   * @param {string | URL} input
   * @param {JsonOptions} [options]
   * @param {About} [about]
   * @returns {Promise<[any, Headers]>}
   */
  async function exchange(input, { method = "GET", body, headers, signal } = {}, about) {
    const type = body === undefined ? undefined : { "Content-Type": "application/json" };
    const init = {
      method,
      headers: { Accept: "application/json", ...type, ...headers },
      body: JSON.stringify(body),
      signal,
    };
    let response, text;
    try {
      response = await send(input, init, about);
      text = await response.text();
    } catch (cause) {
      if (!(cause instanceof TypeError) || signal?.aborted) throw cause;
      throw new SessionAuthError("The server could not be reached.", {
        code: "network_error",
        cause,
      });
    }
    const data = parse(text);
    if (!response.ok || (text && data === undefined)) throw errorOf(response, data);
    return [data, response.headers];
  }

  /** @type {SessionClient["json"]} */
  const json = async (input, options) => (await exchange(input, options))[0];

  /**
   * @param {string} name
   * @param {JsonOptions} [options]
   * @param {About} [about]
   */
  const ask = async (name, options, about) => (await exchange(endpoint(name), options, about))[0];

  /** @param {string} name @param {unknown} [body] @param {About} [about] */
  const post = (name, body, about) => ask(name, { method: "POST", body }, about);

  /**
   * Post what gives the session a new key; `cause` if it is a login.
   *
   * @param {string} name
   * @param {unknown} body
   * @param {"login"} [cause]
   * @returns {Promise<User>}
   */
  async function renew(name, body, cause) {
    const { user, csrfToken } = await post(name, body, { anyone: cause, renews: true });
    told = csrfToken;
    provenAt = stamp();
    await look(false, cause).catch(() => {
      if (cause) publish({ user, session: null, cause, asOf: provenAt });
    });
    return user;
  }

  // State.

  /** Ask who is logged in. @param {boolean} passive @param {State["cause"]} [cause] */
  async function look(passive, cause) {
    // The browser has a new key, on its way to some tab, only when it has arrived.
    if (snapshot.user) await inTurn(() => renewal, "login/").catch(ignore);
    const asOf = stamp();
    const [{ user, session = null }, headers] = await exchange(endpoint("user/"), {
      headers: passive ? { "Session-Activity": "passive" } : {},
    });
    const now = Date.now();
    // The clock of the server, which may be another: an answer is good for a difference of times.
    const serverTime = Date.parse(/** @type {string} */ (headers.get("Date"))) || now;
    const endsAt = session ? now + Date.parse(session.expires_at) - serverTime : Infinity;
    publish({ user, session, cause, asOf, endsAt });
  }

  const lookActively = shared(() => look(false));
  const lookPassively = shared(() => look(true));

  const user = async () => {
    await lookActively();
    return snapshot.user; // which may be newer than that answer
  };

  /** Look without its counting as activity, in one tab for all of them. */
  async function check() {
    const before = asOf;
    const turn = async () => {
      if (asOf === before) await lookPassively();
      await pause(50); // until the others, who wait for their turn, have heard
    };
    if (!navigator.locks) await pause(Math.random() * SECOND);
    return inTurn(turn);
  }

  /** Take over what this tab has learned, and tell the others. @param {State} state */
  function publish(state) {
    hear(state);
    const others = new BroadcastChannel(nameOf());
    others.postMessage(state);
    others.close();
  }

  /** Take over what some tab has learned, unless it is old. @param {State} state */
  function hear(state) {
    // Known, or overtaken by something newer; or else the clock was put back.
    if (state.asOf <= asOf && state.asOf > asOf - MINUTE) return;
    const { user, session, cause } = state;
    const before = snapshot;
    const reason = left() < 2 * SECOND ? kind() : "ended"; // the header Date has whole seconds
    const isAsBefore = session?.expires_at === before.session?.expires_at;
    const expiring = isAsBefore ? before.expiring : null;
    asOf = state.asOf;
    endsAt = state.endsAt ?? Infinity;
    change({ status: user ? "authenticated" : "anonymous", user, session, expiring });
    if (!user) {
      if (cause && before.status !== "anonymous") emit("logout");
      else if (before.user) emit("ended", { reason });
    } else if (before.status === "anonymous" || (cause && !before.user)) {
      emit("login", { user });
    } else if (before.session && session && before.session.user_ref !== session.user_ref) {
      emit("switched", { user });
    }
    if (!snapshot.expiring && left() <= warning) warn();
    schedule();
  }

  /** @param {Snapshot} next */
  function change(next) {
    if (JSON.stringify(next) === JSON.stringify(snapshot)) return;
    snapshot = next;
    emit("change");
  }

  /** @param {string} name @param {unknown} [detail] */
  const emit = (name, detail) => events.dispatchEvent(new CustomEvent(name, { detail }));

  /** @param {string} name @param {(detail: any) => void} listener */
  function on(name, listener) {
    if (typeof document === "undefined") return ignore; // on a server that renders pages
    const call = (/** @type {Event} */ event) => listener(/** @type {CustomEvent} */ (event).detail);
    events.addEventListener(name, call);
    start();
    return () => events.removeEventListener(name, call);
  }

  // Expiry, by the clock of the server.

  const left = () => endsAt - Date.now();

  const kind = () =>
    snapshot.session?.expires_at === snapshot.session?.idle_expires_at ? "idle" : "absolute";

  function warn() {
    const expiring = { secondsLeft: Math.max(0, Math.round(left() / SECOND)), kind: kind() };
    change({ ...snapshot, expiring: /** @type {Expiring} */ (expiring) });
    emit("expiring", expiring);
  }

  const due = () => left() - (snapshot.expiring ? 0 : warning);

  /** @param {number} [soonest] */
  function schedule(soonest = SECOND) {
    clearTimeout(timer);
    const wait = Math.min(Math.max(due(), soonest), LONGEST_TIMEOUT);
    if (watch) timer = setTimeout(whenDue, wait);
  }

  /** Another tab or device may have made the session last longer, or end: so ask before saying it. */
  async function whenDue() {
    try {
      if (due() <= 0) await check();
      schedule();
    } catch {
      if (snapshot.session && !snapshot.expiring) warn();
      schedule(RETRY);
    }
  }

  // Tabs.

  /** The name of what tabs share: of the channel, and of a lock. */
  const nameOf = (what = "") => `session-auth ${endpoint(what)}`;

  /**
   * Do `turn` when no other tab is at it; at once in pages without HTTPS, which have no locks.
   *
   * @param {() => any} turn
   * @param {"login/"} [what] For what gives the session a new key.
   * @returns {Promise<any>}
   */
  const inTurn = async (turn, what) =>
    navigator.locks ? navigator.locks.request(nameOf(what), turn) : turn();

  function open() {
    channel = new BroadcastChannel(nameOf());
    channel.onmessage = ({ data }) => {
      if (isState(data)) hear(data);
    };
  }

  function start() {
    if (watch) return;
    watch = new AbortController();
    for (const name of ["focus", "online", "pagehide", "pageshow", "visibilitychange"]) {
      addEventListener(name, wake, { signal: watch.signal });
    }
    open();
    if (asOf) schedule();
    else lookActively().catch(() => schedule(RETRY));
  }

  /** @param {{ type: string, persisted?: boolean }} event */
  function wake({ type, persisted }) {
    // An open channel may keep a page out of the back/forward cache.
    if (type === "pagehide") channel?.close();
    else if (persisted) {
      open();
      lookPassively().catch(ignore); // at once: it may show a user who has logged out
    } else if (!document.hidden && Date.now() - asOf > MINUTE) {
      (asOf ? check : lookActively)().catch(ignore);
    }
  }

  const gone = () => {
    told = undefined;
    publish({ user: null, session: null, cause: "logout", asOf: stamp() });
  };

  return {
    login: (credentials) => renew("login/", credentials, "login"),
    async logout() {
      await post("logout/");
      gone();
    },
    user,
    extend: user,
    reauthenticate: (proof) => renew("reauthenticate/", proof),
    changePassword: ({ oldPassword, newPassword }) =>
      renew("password/change/", { old_password: oldPassword, new_password: newPassword }),
    requestPasswordReset: async (account) =>
      (await post("password/reset/", account, { anyone: true })).message,
    async confirmPasswordReset({ newPassword, ...link }) {
      await post("password/reset/confirm/", { ...link, new_password: newPassword }, { anyone: true });
      if (snapshot.user) await lookPassively().catch(ignore);
    },
    sessions: {
      list: async () => (await ask("sessions/")).sessions,
      async end(id) {
        await ask(`sessions/${encodeURIComponent(id)}/`, { method: "DELETE" });
        if (id === snapshot.session?.id) gone();
      },
      endOthers: async () => (await ask("sessions/", { method: "DELETE" })).ended,
    },
    fetch: (input, init) => send(input, init),
    json,
    subscribe: (listener) => on("change", listener),
    getSnapshot: () => snapshot,
    on,
    onReauthenticationRequired(ask) {
      askForProof = ask;
      return () => {
        if (askForProof === ask) askForProof = undefined;
      };
    },
    close() {
      watch?.abort();
      channel?.close();
      watch = undefined;
      clearTimeout(timer);
    },
  };
}

const ignore = () => {};

/**
 * Let calls at the same time share one `ask()`.
 *
 * @template T
 * @param {() => Promise<T>} ask
 */
function shared(ask) {
  /** @type {Promise<T> | undefined} */
  let asking;
  return () => (asking ??= ask().finally(() => (asking = undefined)));
}

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Other versions of this module may be open in other tabs. @param {any} data @returns {data is State} */
function isState(data) {
  const { user, session, asOf, endsAt } = data ?? {};
  return (
    typeof user === "object" &&
    typeof session === "object" &&
    asOf > 0 &&
    (endsAt ?? 1) > 0
  );
}

/** @param {string[]} names */
function readCookie(names) {
  // In a page with <img name="cookie">, document.cookie is that element.
  if (typeof document.cookie !== "string") return undefined;
  const cookies = Object.fromEntries(
    document.cookie.split("; ").map((cookie) => cookie.split(/=(.*)/)),
  );
  return names.map((name) => cookies[name]).find(Boolean);
}

/**
 * Wait for what `ask` starts, which others may wait for too, until the request's `signal` says stop.
 *
 * @param {AbortSignal} signal
 * @param {() => Promise<any>} ask
 * @returns {Promise<any>}
 */
function unlessAborted(signal, ask) {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    ask().then(resolve, reject);
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
  } catch {} // then it is undefined
}

/**
 * @param {Response} response
 * @param {any} data The JSON in it, or undefined.
 */
function errorOf(response, data) {
  const { error, code, fields } = typeof data?.code === "string" ? data : {};
  const seconds = parseInt(/** @type {string} */ (response.headers.get("Retry-After")), 10);
  const kind = data === undefined ? " without JSON" : "";
  return new SessionAuthError(error ?? `The server answered ${response.status}${kind}.`, {
    status: response.status,
    code,
    fields,
    retryAfter: seconds >= 0 ? seconds : undefined,
  });
}
