/**
 * Session authentication from the browser: log in and out, know in every tab who is logged in and
 * for how long, and call fetch() with the CSRF token that Django wants. It is one module without
 * dependencies; it stores nothing and touches nothing global.
 *
 * @module session-auth
 */

const SAFE_METHODS = /^(GET|HEAD|OPTIONS)$/; // and TRACE, which browsers send for nobody
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const RETRY = 30 * SECOND;
const LONGEST_TURN = 6 * SECOND; // after which the next tab no longer waits for this one
const LONGEST_TIMEOUT = 2 ** 31 - 1; // what setTimeout() can wait: 24 days
const SHOWN_USER = "Session-User"; // the header by which tab and server say whom they know
const NOBODY = "none";
const PASSIVE = { headers: { "Session-Activity": "passive" } };

/**
 * A refusal of the server, or the news that it could not be reached.
 *
 * `status` is the HTTP status, 0 without an answer. `code` is the stable slug of the server's error
 * contract: "network_error" without an answer, "unknown" for an answer that has no code,
 * "cookie_not_kept" for a login whose cookie the browser has thrown away. `message` is for people,
 * `hint` for developers, if there is something that they have to do. `fields`
 * maps the name of a field to its messages. `retryAfter` is in seconds.
 */
export class SessionAuthError extends Error {
  /**
   * @param {string} message
   * @param {{
   *   status?: number,
   *   code?: string,
   *   fields?: Record<string, string[]>,
   *   hint?: string,
   *   retryAfter?: number,
   *   cause?: unknown,
   * }} [details]
   */
  constructor(message, { status = 0, code = "unknown", fields, hint, retryAfter, cause } = {}) {
    super(message, { cause });
    this.name = "SessionAuthError";
    this.status = status;
    this.code = code;
    this.fields = fields;
    this.hint = hint;
    this.retryAfter = retryAfter;
  }
}

/**
 * @typedef {{ id: number | string, username: string, [field: string]: unknown }} User
 *   `id` and `username`, or what the setting SESSION_AUTH_USER_FIELDS names.
 *
 * @typedef {object} Session
 * @property {string} id The id in lists of sessions; it opens nothing.
 * @property {string} user_ref A pseudonym for the user, the same in all of their sessions.
 * @property {string} created_at
 * @property {string | null} authenticated_at The last proof of a password.
 * @property {Record<string, string>} methods How the user proved who they are, and when.
 * @property {string} expires_at The first of the two below.
 * @property {string | null} idle_expires_at Moves with each activity; null for a fixed end.
 * @property {string} absolute_expires_at
 *
 * @typedef {object} ListedSession One of the user's sessions.
 * @property {string} id
 * @property {boolean} current
 * @property {string} created_at
 * @property {Record<string, string>} methods How the user proved who they are, and when.
 * @property {string} last_seen_at
 * @property {string} expires_at
 * @property {string} ip
 * @property {string} user_agent
 * @property {string} device A name for the user agent, such as "Firefox on Windows".
 *
 * @typedef {{ secondsLeft: number, kind: "idle" | "absolute" }} Expiring
 *
 * @typedef {object} Snapshot The same object until something changes.
 * @property {"loading" | "anonymous" | "authenticated"} status
 * @property {User | null} user
 * @property {Session | null} session Also `null` if the server uses another engine for sessions.
 * @property {Expiring | null} expiring Set by the warning, until the session is extended or ends.
 * @property {SessionAuthError | null} error Why the status is still "loading"; the client tries again.
 *
 * @typedef {object} SessionEvents
 * @property {{ user: User }} login Nobody was logged in, now somebody is.
 * @property {undefined} logout The user called logout(), in this tab or another.
 * @property {{ reason: "idle" | "absolute" | "ended" }} ended The session timed out, or somebody
 *   ended it from elsewhere.
 * @property {{ user: User }} switched Somebody was logged in, now somebody else is.
 * @property {Expiring} expiring The session ends in so many seconds, unless extend() is called.
 *
 * @typedef {object} SessionClient
 * @property {(
 *   credentials: { username: string, password: string, remember?: boolean }, options?: Abortable,
 * ) => Promise<User>} login
 *   Log in; `remember` says whether the session outlives the browser.
 * @property {(options?: Abortable) => Promise<void>} logout Log out; no error when nobody is logged in.
 * @property {() => Promise<Snapshot>} retry
 *   Ask at once who is logged in, where the snapshot has an `error`; resolves to what is known then.
 * @property {() => Promise<Snapshot>} ready
 *   Resolve to the snapshot as soon as it is known who is logged in: at once if it is. For guards of
 *   routes and for loaders; it counts as no activity of the user.
 * @property {(options?: Abortable) => Promise<User | null>} user Ask the server who is logged in.
 * @property {(options?: Abortable) => Promise<User | null>} extend
 *   Tell the server that the user is active, so that the session lasts longer.
 * @property {(proof: { password: string }, options?: Abortable) => Promise<User>} reauthenticate
 *   Prove the password again, for calls that need a recent login.
 * @property {(
 *   passwords: { oldPassword: string, newPassword: string }, options?: Abortable,
 * ) => Promise<User>} changePassword All other sessions of the user end.
 * @property {(account: { email: string }, options?: Abortable) => Promise<string>} requestPasswordReset
 *   Ask for a link by mail. Resolves to a sentence for the user, which is the same whether the
 *   address is known or not.
 * @property {(
 *   link: { uid: string, token: string }, options?: Abortable,
 * ) => Promise<void>} checkPasswordReset
 *   Reject if the link is not good any more; nothing is used up. For a page that opens.
 * @property {(
 *   link: { uid: string, token: string, newPassword: string }, options?: Abortable,
 * ) => Promise<void>} confirmPasswordReset
 *   All sessions of the user end; nobody is logged in by it.
 * @property {{
 *   list: (options?: Abortable) => Promise<ListedSession[]>,
 *   end: (id: string, options?: Abortable) => Promise<void>,
 *   endOthers: (options?: Abortable) => Promise<number>,
 * }} sessions The user's sessions; the current one comes first.
 * @property {(input: RequestInfo | URL, init?: RequestInit) => Promise<Response>} fetch
 *   window.fetch() with the CSRF token on unsafe requests to this origin.
 * @property {(input: string | URL, options?: JsonOptions) => Promise<any>} json
 *   Send and receive JSON with that fetch(); an answer that is not 2xx is a SessionAuthError.
 * @property {(listener: () => void) => () => void} subscribe
 *   Call `listener` when the snapshot has changed; returns what undoes it.
 * @property {() => Snapshot} getSnapshot
 * @property {<Name extends keyof SessionEvents>(
 *   name: Name, listener: (detail: SessionEvents[Name]) => void,
 * ) => () => void} on Call `listener` at each such event; returns what undoes it.
 * @property {(ask: () => unknown) => () => void} onReauthenticationRequired
 *   Set what to do when a call needs a recent login. `ask()` typically asks for the password and
 *   calls reauthenticate(). Then the call is sent again, unless `ask()` resolves to false. Calls at
 *   the same time share one `ask()`. Returns what undoes it.
 * @property {() => void} close Stop watching: no more timers, listeners and messages.
 *
 * @typedef {{
 *   method?: string, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal,
 * }} JsonOptions
 *
 * @typedef {{ signal?: AbortSignal | undefined }} Abortable
 *
 * @typedef {object} Initial What `{% session_auth_client %}` writes, or `GET user/` answers.
 * @property {User | null} user
 * @property {Session | null} [session]
 * @property {string} [now] The time of the server; absent: just now.
 *
 * @typedef {object} CallTraits
 * @property {unknown} [anyone] True if the call is right whoever is logged in, as a login is.
 * @property {boolean} [renews] True if the call gives the session a new key.
 * @property {boolean} [ends] True if the call ends the session.
 *
 * @typedef {object} State What one tab tells the others.
 * @property {User | null} user
 * @property {Session | null} session
 * @property {number} asOf When the server was asked.
 * @property {number} [endsAt] When the session ends, by the clock of this computer.
 * @property {"login" | "logout"} [cause] What the user did to change the state, if anything.
 */

/** @type {Snapshot} */
const LOADING = { status: "loading", user: null, session: null, expiring: null, error: null };

/**
 * Make a client for the endpoints at `baseUrl`, where the project includes `session_auth.urls`.
 *
 * `cookieName` and `headerName` follow CSRF_COOKIE_NAME and CSRF_HEADER_NAME; the default finds
 * "__Host-csrftoken" and "csrftoken". `warningSeconds` is how long before the end of a session the
 * event `expiring` comes: 20 at least, since users need that long to react (WCAG 2.2.1).
 *
 * `initial` says who is logged in, so that nobody has to ask. It is found in a page with the template
 * tag, once, and not trusted in a page that is old: one that the browser has kept, say.
 *
 * @param {{
 *   baseUrl?: string,
 *   cookieName?: string,
 *   headerName?: string,
 *   warningSeconds?: number,
 *   initial?: Initial | undefined,
 * }} [options]
 * @returns {SessionClient}
 */
export function createSessionClient({
  baseUrl = "/api/auth/",
  cookieName,
  headerName = "X-CSRFToken",
  warningSeconds = 60,
  initial = takeFromPage(),
} = {}) {
  const cookieNames = cookieName ? [cookieName] : ["__Host-csrftoken", "csrftoken"];
  const warning = Math.max(warningSeconds, 20) * SECOND;
  const events = new EventTarget();

  /** @type {string | undefined} The token in the server's last answer that had one. */
  let answeredToken;
  /** @type {string | undefined} The token in a cookie that the server has refused. */
  let refusedToken;
  /** @type {string | undefined} The cookie before the last call that brings another. */
  let cookieBefore;

  let snapshot = LOADING;
  let asOf = 0; // when the server was asked for the snapshot
  let lastStamp = 0;
  let endsAt = 0; // by the clock of this computer, as all times here
  let provenAt = 0;
  /** @type {(() => unknown) | undefined} */
  let askForProof;
  /** @type {Promise<any> | undefined} The last call that gives the session a new key. */
  let renewal;
  /** @type {Promise<void> | undefined} */
  let currentRefresh;
  let retryDelay = SECOND / 2;

  /** @type {AbortController | undefined} Stops the watching; undefined while nobody watches. */
  let watcher;
  /** @type {BroadcastChannel | undefined} */
  let channel;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /** The time, but always later than each stamp before: a clock may be coarse, or be put back. */
  const stamp = () => (lastStamp = Math.max(Date.now(), lastStamp + 1, asOf + 1));

  /**
   * Not relative to document.baseURI: a planted <base> could send passwords elsewhere.
   *
   * @param {string} name
   */
  const endpoint = (name) => new URL(name, new URL(baseUrl, location.href));

  // Requests.

  const askForToken = shared(async () => {
    answeredToken = /** @type {string} */ ((await ask("csrf/", {}, { anyone: true })).csrfToken);
    return answeredToken;
  });

  /**
   * The cookie comes first: after a login in another tab it is new, and the token that this tab got
   * is stale. A refused cookie is not used: it may be left over from before CSRF_USE_SESSIONS.
   */
  async function currentToken() {
    const token = readCookie(cookieNames);
    return (token !== refusedToken && token) || answeredToken || askForToken();
  }

  function renewToken() {
    refusedToken = readCookie(cookieNames);
    return askForToken();
  }

  /** Resolves to a false value if the user proves nothing, or the page cannot ask them. */
  const requestProof = shared(async () => askForProof && (await askForProof()) !== false);

  /** Whom this tab shows, in the words of the server; undefined as long as it does not know. */
  const shownUser = () =>
    snapshot.status === "anonymous" ? NOBODY : snapshot.session?.user_ref;

  /**
   * As fetch, and send again what can be cured: a stale token, or a login that is too long ago.
   *
   * A request names the user whom this tab shows, unless it is for `anyone`. The server refuses it if
   * somebody else is logged in by now, and tells with its answer if nobody is.
   *
   * @param {RequestInfo | URL} input
   * @param {RequestInit} [init]
   * @param {CallTraits} [traits]
   */
  async function send(input, init, { anyone, renews, ends } = {}) {
    let request = requestFor(input, init);
    if (new URL(request.url).origin !== location.origin) return fetch(request);

    const isUnsafe = !SAFE_METHODS.test(request.method);
    if (isUnsafe) {
      // The mode keeps a redirect from taking the token to another origin.
      request = new Request(request, { credentials: "same-origin", mode: "same-origin" });
    }
    const names = !anyone && request.credentials !== "omit" && !request.headers.has(SHOWN_USER);
    const needsToken = isUnsafe && !request.headers.has(headerName);
    const { signal } = request;
    const tried = new Set();
    for (;;) {
      // A stream cannot be sent again: this would have to keep all of it.
      const again = init?.body instanceof ReadableStream ? undefined : request.clone();
      if (needsToken) request.headers.set(headerName, await unlessAborted(signal, currentToken));
      const shown = shownUser();
      const { user, session } = snapshot;
      if (names && shown) request.headers.set(SHOWN_USER, shown);
      const sentAt = stamp();
      const call = () => fetch(request);
      if (renews) cookieBefore = readCookie(cookieNames);
      const callInTurn = () => (renewal = inTurn(call, "login/"));
      const response = await (renews ? unlessAborted(signal, callInTurn) : call());
      const actual = response.headers.get(SHOWN_USER);
      const isSeenThrough = names && !ends && actual && actual !== shownUser();
      if (isSeenThrough) await refreshPassively().catch(ignore);
      if (response.ok) return response;

      const { code } = errorOf(response, parse(await response.clone().text()));
      const { status } = response;
      // A wrong password is no end of the session.
      const hasEnded = status === 401 && user && !(renews && code === "invalid_credentials");
      /** @type {(() => Promise<unknown>) | undefined} */
      let cure;
      if (code === "csrf_failed" && needsToken && again) cure = renewToken;
      if (code === "reauthentication_required" && again) {
        // The user may have proven the password while this call was on its way.
        cure = async () => provenAt > sentAt || requestProof();
      }
      if (hasEnded && !renews) {
        cure = async () => {
          if (!isSeenThrough) await refreshPassively().catch(ignore);
          // The call may have been sent with a key that was renewed meanwhile.
          return shownUser() === shown && snapshot.session?.id !== session?.id;
        };
      } else if (hasEnded) refreshPassively().catch(ignore);
      if (code === "user_changed") {
        cure = async () => {
          await refreshPassively().catch(ignore);
          // Nobody's data are on show that those of the user could be taken for.
          return shown === NOBODY && !isUnsafe && shownUser() !== NOBODY;
        };
      }
      const isCured = cure && !tried.has(code) && (await unlessAborted(signal, cure));
      if (!isCured || !again) return response;
      tried.add(code);
      request = again;
    }
  }

  /**
   * @param {string | URL} input
   * @param {JsonOptions} [options]
   * @param {CallTraits} [traits]
   * @returns {Promise<[any, Headers]>}
   */
  async function exchange(input, { method = "GET", body, headers, signal } = {}, traits) {
    const type = body === undefined ? undefined : { "Content-Type": "application/json" };
    const init = {
      method,
      headers: { Accept: "application/json", ...type, ...headers },
      body: JSON.stringify(body),
      signal,
    };
    const request = requestFor(input, init); // whose error is the caller's, not the server's
    let response, text;
    try {
      response = await send(request, undefined, traits);
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
   * @param {CallTraits} [traits]
   */
  const ask = async (name, options, traits) => (await exchange(endpoint(name), options, traits))[0];

  /**
   * @param {string} name
   * @param {unknown} body
   * @param {Abortable} [options]
   * @param {CallTraits} [traits]
   */
  const post = (name, body, options, traits) =>
    ask(name, { method: "POST", body, signal: options?.signal }, traits);

  /** @param {string} name @param {Abortable} [options] @param {CallTraits} [traits] */
  const end = (name, options, traits) =>
    ask(name, { method: "DELETE", signal: options?.signal }, traits);

  /**
   * Post a call that gives the session a new key, with a `cause` if it is a login.
   *
   * @param {string} name
   * @param {unknown} body
   * @param {Abortable} [options]
   * @param {"login"} [cause]
   * @returns {Promise<User>}
   */
  async function renew(name, body, { signal } = {}, cause) {
    const traits = { anyone: cause, renews: true };
    const init = { method: "POST", body, signal };
    const [answer, headers] = await exchange(endpoint(name), init, traits).catch((error) => {
      const isKept = readCookie(cookieNames) || !/cookie/i.test(error.hint);
      throw error.code !== "csrf_failed" || isKept ? error : cookieNotKept(error);
    });
    // Each login brings another CSRF cookie. Where that cannot be seen, or the session cookie may
    // need HTTPS, the server has to be asked.
    const isPlain = watcher && location.protocol === "http:";
    if (cause && (isPlain || readCookie(cookieNames) === cookieBefore)) {
      const seen = await ask("user/", PASSIVE, { anyone: true }).catch(() => answer);
      if (!seen.user) throw cookieNotKept();
    }
    answeredToken = answer.csrfToken;
    provenAt = stamp();
    publish({ ...stateOf(answer, headers.get("Date")), asOf: provenAt, cause });
    return answer.user;
  }

  // State.

  /** Ask the server who is logged in. @param {boolean} passive */
  async function refresh(passive) {
    // While a tab waits for a new key, the browser still has the old one, which opens nothing.
    const renewed = inTurn(() => renewal, "login/").catch(ignore);
    if (snapshot.user) await Promise.race([renewed, pause(LONGEST_TURN)]);
    const asOf = stamp();
    const options = passive ? PASSIVE : {};
    const [answer, headers] = await exchange(endpoint("user/"), options, { anyone: true });
    publish({ ...stateOf(answer, headers.get("Date")), asOf });
  }

  const refreshActively = shared(() => refreshAs(false));
  const refreshPassively = shared(() => refreshAs(true));

  /** @param {boolean} passive */
  const refreshAs = (passive) =>
    (currentRefresh = refresh(passive)
      .catch((error) => {
        if (error.code === "unknown") error.hint ??= `Is baseUrl right? ${endpoint("user/")}`;
        if (!asOf) setSnapshot({ ...LOADING, error });
        throw error;
      })
      .finally(() => (currentRefresh = undefined)));

  /** @type {SessionClient["user"]} */
  const user = async ({ signal } = {}) => {
    await unlessAborted(signal, refreshActively);
    return snapshot.user; // which may be newer than that answer
  };

  /** Refresh passively in one tab, which tells the others. */
  async function refreshForAllTabs() {
    const before = asOf;
    const turn = async () => {
      if (asOf === before) await refreshPassively();
      await pause(50); // the tabs that wait for their turn get the message in this time
    };
    if (!navigator.locks) await pause(Math.random() * SECOND);
    return inTurn(turn);
  }

  /** Take over what this tab has learned, and tell the others. @param {State} state */
  function publish(state) {
    takeOver(state);
    tell(state);
  }

  /** @param {State} state */
  function tell(state) {
    const others = new BroadcastChannel(sharedName());
    others.postMessage(state);
    others.close();
  }

  /** Take over what some tab has learned, unless this one knows better. @param {State} state */
  function takeOver(state) {
    // A state that is much older is not old: the clock of the computer was put back.
    if (state.asOf <= asOf && state.asOf > asOf - MINUTE) return;
    const { user, session, cause } = state;
    const before = snapshot;
    // Within 2 seconds, since the header Date has whole seconds.
    const reason = timeLeft() < 2 * SECOND ? kindOfEnd() : "ended";
    const isAsBefore = session?.expires_at === before.session?.expires_at;
    const expiring = isAsBefore ? before.expiring : null;
    asOf = state.asOf;
    endsAt = state.endsAt ?? Infinity;
    setSnapshot({
      status: user ? "authenticated" : "anonymous",
      user,
      session,
      expiring,
      error: null,
    });
    if (!user) {
      if (cause && before.status !== "anonymous") emit("logout");
      else if (before.user) emit("ended", { reason });
    } else if (before.status === "anonymous" || (cause && !before.user)) {
      emit("login", { user });
    } else if (before.session && session && before.session.user_ref !== session.user_ref) {
      emit("switched", { user });
    }
    if (!snapshot.expiring && timeLeft() <= warning) warn();
    schedule();
  }

  /** @param {Snapshot} next */
  function setSnapshot(next) {
    if (JSON.stringify(next) === JSON.stringify(snapshot)) return;
    snapshot = next;
    emit("change");
  }

  /** @param {string} name @param {unknown} [detail] */
  const emit = (name, detail) => events.dispatchEvent(new CustomEvent(name, { detail }));

  /** @param {string} name @param {(detail: any) => void} listener */
  function on(name, listener) {
    const call = (/** @type {Event} */ event) => listener(/** @type {CustomEvent} */ (event).detail);
    events.addEventListener(name, call);
    startWatching();
    return () => events.removeEventListener(name, call);
  }

  // Expiry.

  const timeLeft = () => endsAt - Date.now();

  const kindOfEnd = () =>
    snapshot.session?.expires_at === snapshot.session?.idle_expires_at ? "idle" : "absolute";

  function warn() {
    const secondsLeft = Math.max(0, Math.round(timeLeft() / SECOND));
    const expiring = { secondsLeft, kind: kindOfEnd() };
    setSnapshot({ ...snapshot, expiring: /** @type {Expiring} */ (expiring) });
    emit("expiring", expiring);
  }

  const timeToWarningOrEnd = () => timeLeft() - (snapshot.expiring ? 0 : warning);

  /** Set the timer for the warning or the end. @param {number} [soonest] In milliseconds. */
  function schedule(soonest = SECOND) {
    clearTimeout(timer);
    const wait = Math.min(Math.max(timeToWarningOrEnd(), soonest), LONGEST_TIMEOUT);
    if (watcher) timer = setTimeout(warnOrEnd, wait);
  }

  /** Ask the server first: another tab may have prolonged the session, or somebody has ended it. */
  async function warnOrEnd() {
    try {
      if (timeToWarningOrEnd() <= 0) await refreshForAllTabs();
      schedule();
    } catch (error) {
      if (snapshot.session && !snapshot.expiring) warn();
      scheduleRetry(error);
    }
  }

  /** Soon at first, and less and less often. @param {any} error */
  function scheduleRetry({ retryAfter = 0 }) {
    retryDelay = asOf ? RETRY : Math.min(2 * retryDelay, RETRY);
    schedule(Math.max(retryDelay, retryAfter * SECOND));
  }

  // Tabs.

  /** The name of the channel that all tabs share, or of a lock. */
  const sharedName = (what = "") => `session-auth ${endpoint(what)}`;

  /**
   * Call `turn` while no other tab is in its own. Without HTTPS, browsers have no locks for this.
   *
   * @param {() => any} turn
   * @param {"login/"} [what] The lock for calls that give the session a new key.
   * @returns {Promise<any>}
   */
  async function inTurn(turn, what) {
    if (!navigator.locks) return turn();
    const { signal, abort } = abortable();
    pause(LONGEST_TURN).then(abort);
    return navigator.locks.request(sharedName(what), { signal }, turn).catch((error) => {
      if (error === signal.reason) return turn();
      throw error;
    });
  }

  function openChannel() {
    channel = new BroadcastChannel(sharedName());
    channel.onmessage = ({ data }) => {
      if (isState(data)) takeOver(data);
    };
  }

  /** Watch from now on, and ask by `refresh` who is logged in if that is not known. */
  function startWatching(refresh = refreshActively) {
    if (watcher || typeof document === "undefined") return; // on a server that renders pages
    watcher = new AbortController();
    for (const name of ["focus", "online", "pagehide", "pageshow", "visibilitychange"]) {
      addEventListener(name, onPageEvent, { signal: watcher.signal });
    }
    openChannel();
    if (known) tell(known); // which a login by a form may have changed
    if (asOf) schedule();
    else refresh().catch(scheduleRetry);
  }

  async function ready() {
    startWatching(refreshPassively);
    if (watcher && !asOf) await (currentRefresh ?? refreshPassively());
    return snapshot;
  }

  /** @param {{ type: string, persisted?: boolean }} event */
  function onPageEvent({ type, persisted }) {
    // An open channel may keep a page out of the back/forward cache.
    if (type === "pagehide") channel?.close();
    else if (persisted) {
      openChannel();
      refreshPassively().catch(ignore); // at once: the page may show a user who has logged out
    } else if (!document.hidden && Date.now() - asOf > MINUTE) {
      (asOf ? refreshForAllTabs : refreshActively)().catch(ignore);
    }
  }

  const publishLogout = () => {
    answeredToken = undefined;
    publish({ user: null, session: null, cause: "logout", asOf: stamp() });
  };

  const known = initial && isFresh(initial) ? atLoad(initial) : undefined;
  if (known) takeOver(known);

  return {
    login: (credentials, options) => renew("login/", credentials, options, "login"),
    async logout(options) {
      await post("logout/", undefined, options, { ends: true });
      publishLogout();
    },
    ready,
    async retry() {
      await refreshActively().catch(ignore);
      return snapshot;
    },
    user,
    extend: user,
    reauthenticate: (proof, options) => renew("reauthenticate/", proof, options),
    changePassword({ oldPassword, newPassword }, options) {
      const body = { old_password: oldPassword, new_password: newPassword };
      return renew("password/change/", body, options);
    },
    requestPasswordReset: async (account, options) =>
      (await post("password/reset/", account, options, { anyone: true })).message,
    checkPasswordReset: (link, options) =>
      post("password/reset/check/", link, options, { anyone: true }),
    async confirmPasswordReset({ newPassword, ...link }, options) {
      const body = { ...link, new_password: newPassword };
      await post("password/reset/confirm/", body, options, { anyone: true });
      if (snapshot.user) await refreshPassively().catch(ignore);
    },
    sessions: {
      list: async ({ signal } = {}) => (await ask("sessions/", { signal })).sessions,
      async end(id, options) {
        const ends = id === snapshot.session?.id;
        await end(`sessions/${encodeURIComponent(id)}/`, options, { ends });
        if (ends) publishLogout();
      },
      endOthers: async (options) => (await end("sessions/", options)).ended,
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
      watcher?.abort();
      channel?.close();
      watcher = undefined;
      clearTimeout(timer);
    },
  };
}

const ignore = () => {};

function abortable() {
  const aborter = new AbortController();
  return { signal: aborter.signal, abort: () => aborter.abort() };
}

/** @param {unknown} [cause] */
const cookieNotKept = (cause) =>
  new SessionAuthError(
    "You are not signed in: the browser has not kept the cookie. Allow cookies for this site.",
    { code: "cookie_not_kept", hint: "A Secure cookie needs https.", cause },
  );

/**
 * The request, as fetch() would make it, also where only a page's fetch() knows the page's address,
 * as in jsdom.
 *
 * @param {RequestInfo | URL} input
 * @param {RequestInit} [init]
 */
function requestFor(input, init) {
  try {
    return new Request(input, init);
  } catch (error) {
    if (typeof input !== "string") throw error;
    return new Request(new URL(input, globalThis.location?.href), init);
  }
}

/**
 * Return a function like `call` that, while a call of it is under way, returns the same promise.
 *
 * @template T
 * @param {() => Promise<T>} call
 */
function shared(call) {
  /** @type {Promise<T> | undefined} */
  let promise;
  return () => (promise ??= call().finally(() => (promise = undefined)));
}

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Another tab may have another version of this module, and send other data.
 *
 * @param {any} data
 * @returns {data is State}
 */
function isState(data) {
  const { user, session, asOf, endsAt } = data ?? {};
  return (
    typeof user === "object" &&
    typeof session === "object" &&
    asOf > 0 &&
    (endsAt ?? 1) > 0
  );
}

/**
 * What the server says, by the clock of this computer, which may be another: an answer is good for a
 * difference of times.
 *
 * @param {Initial} answer
 * @param {string | null | undefined} serverTime
 */
function stateOf({ user, session = null }, serverTime) {
  const now = Date.now();
  const sinceThen = Date.parse(session?.expires_at ?? "") - (Date.parse(serverTime ?? "") || now);
  return { user, session, endsAt: session ? now + sinceThen : Infinity };
}

/** Take what the template tag has written: once, for what is in the page grows old. */
function takeFromPage() {
  // Not document.querySelector, which <img name="querySelector"> would be.
  const find = globalThis.Document?.prototype.querySelector;
  const element = find?.call(document, 'script[type="application/json"]#session-auth');
  element?.remove();
  return element ? parse(/** @type {string} */ (element.textContent)) : undefined;
}

/** Whether the page is not one that the browser has kept. @param {Initial} initial */
function isFresh({ now }) {
  const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (
    globalThis.performance?.getEntriesByType?.("navigation") ?? []
  );
  return (
    navigation?.type !== "back_forward" &&
    !(Math.abs(Date.now() - Date.parse(now ?? "")) > MINUTE)
  );
}

/** @param {Initial} initial @returns {State} */
const atLoad = (initial) => ({
  ...stateOf(initial, initial.now),
  // What another tab has learned since the page was asked for is newer.
  asOf: Math.min(Date.now(), globalThis.performance?.timeOrigin ?? Infinity),
});

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
 * Call `start` and wait for its promise, until `signal` aborts the wait. What was started goes on:
 * other requests may wait for it, too.
 *
 * @param {AbortSignal | undefined} signal
 * @param {() => Promise<any>} start
 * @returns {Promise<any>}
 */
async function unlessAborted(signal, start) {
  signal?.throwIfAborted();
  if (!signal) return start();
  const { signal: isOver, abort } = abortable();
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { signal: isOver });
    start().then(resolve, reject);
  }).finally(abort);
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
  } catch {} // returns undefined
}

/**
 * @param {Response} response
 * @param {any} data The JSON in it, or undefined.
 */
function errorOf(response, data) {
  const { error, code, fields, hint } = typeof data?.code === "string" ? data : {};
  const seconds = parseInt(/** @type {string} */ (response.headers.get("Retry-After")), 10);
  const kind = data === undefined ? " without JSON" : "";
  return new SessionAuthError(error ?? `The server answered ${response.status}${kind}.`, {
    status: response.status,
    code,
    fields,
    hint,
    retryAfter: seconds >= 0 ? seconds : undefined,
  });
}
