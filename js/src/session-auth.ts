/**
 * Session authentication from the browser: log in and out, know in every tab who is logged in and
 * for how long, and call fetch() with the CSRF token that Django wants. It is one module without
 * dependencies; it stores nothing and touches nothing global.
 *
 * @module session-auth
 */
import { renew } from "./account.js";
import { createCore, endpoint, PASSIVE, type Core } from "./core.js";
import { SessionAuthError } from "./errors.js";
import { look } from "./look.js";
import { isOld, pageOrigin, takeFromPage } from "./page.js";
import { ask, call, currentToken, exchange, send, SHOWN_USER, Trait } from "./requests.js";
import { publish, shownUser } from "./store.js";
import { startWatching } from "./watch.js";
import { ignore, shared, unlessAborted } from "./waiting.js";

export { SessionAuthError } from "./errors.js";

/**
 * What SESSION_AUTH_USER_FIELDS names. Give it the fields of your project by augmentation:
 * `declare module "django-session-auth" { interface User { email: string } }`, or give a type of your
 * own as a parameter: `createSessionClient<MyUser>()`.
 */
export interface User {
  id: number | string;
  username: string;
}

export interface Session {
  /** The id in lists of sessions; it opens nothing. */
  id: string;
  /** A pseudonym for the user, the same in all of their sessions. */
  user_ref: string;
  created_at: string;
  /** The last proof of a password. */
  authenticated_at: string | null;
  /** How the user proved who they are, and when; null where nobody knows when. */
  methods: Record<string, string | null>;
  /** The first of the two below. */
  expires_at: string;
  /** Moves with each activity; null for a fixed end. */
  idle_expires_at: string | null;
  absolute_expires_at: string;
}

/** One of the user's sessions. */
export interface ListedSession {
  id: string;
  current: boolean;
  created_at: string;
  /** How the user proved who they are, and when; null where nobody knows when. */
  methods: Record<string, string | null>;
  last_seen_at: string;
  expires_at: string;
  ip: string;
  user_agent: string;
  /** A name for the user agent, such as "Firefox on Windows". */
  device: string;
}

export interface Expiring {
  /** How long it was to the end when the warning came. */
  secondsLeft: number;
  /** When the end is, by the clock of this computer, in milliseconds: what a countdown needs. */
  endsAt: number;
  kind: "idle" | "absolute";
}

export interface Loading {
  status: "loading";
  user: null;
  session: null;
  expiring: null;
  /** Why the status is still "loading"; the client tries again. */
  error: SessionAuthError | null;
}

export interface Anonymous {
  status: "anonymous";
  user: null;
  session: null;
  expiring: null;
  error: null;
}

export interface Authenticated<U = User> {
  status: "authenticated";
  user: U;
  /** `null` if the server uses another engine for sessions. */
  session: Session | null;
  /** Set by the warning, until the session is extended or ends. */
  expiring: Expiring | null;
  error: null;
}

/** The same object until something changes; each part of it too. */
export type Snapshot<U = User> = Loading | Anonymous | Authenticated<U>;

/**
 * The codes of refusals, as keys. Add those of your project by augmentation:
 * `declare module "django-session-auth" { interface ErrorCodes { out_of_stock: true } }`.
 */
export interface ErrorCodes {
  cookie_not_kept: true;
  csrf_failed: true;
  factor_setup_required: true;
  https_required: true;
  invalid_credentials: true;
  invalid_request: true;
  login_expired: true;
  malformed_json: true;
  method_not_allowed: true;
  network_error: true;
  new_password_required: true;
  not_authenticated: true;
  not_found: true;
  passkey_exists: true;
  passkey_failed: true;
  payload_too_large: true;
  permission_denied: true;
  reauthentication_required: true;
  second_factor_missing: true;
  second_factor_required: true;
  session_ended: true;
  store_unavailable: true;
  throttled: true;
  unknown: true;
  unknown_passkey: true;
  unsupported_media_type: true;
  user_changed: true;
}

export type ErrorCode = keyof ErrorCodes;

/** What `navigator.credentials` takes, as JSON. */
export interface PasskeyOptions {
  challenge: string;
  [name: string]: unknown;
}

/**
 * The stages of a login, by their codes, with what the server adds to each. Add those of your project
 * by augmentation: `declare module "django-session-auth" { interface Stages { terms_required: {} } }`.
 */
export interface Stages {
  second_factor_required: {};
  new_password_required: {};
  factor_setup_required: {
    publicKey?: PasskeyOptions;
    totp?: { secret: string; uri: string; qr_code: string };
  };
}

/** A stage that is due; it narrows by `code`. */
export type Stage = {
  [Code in keyof Stages]: {
    code: Code;
    /** The sentence for people. */
    error: string;
    /** The ways to pass it: "passkey", "totp", "recovery"; "passkey_setup", "totp_setup"; "new_password". */
    methods: string[];
    /** Until when the login can be gone on with. */
    expires_at: string;
  } & Stages[Code];
}[keyof Stages];

export interface SessionEvents<U = User> {
  /** Nobody was logged in, now somebody is. */
  login: { user: U };
  /** The user called logout(), in this tab or another. */
  logout: undefined;
  /** The session timed out, or somebody ended it from elsewhere. */
  ended: { reason: "idle" | "absolute" | "ended" };
  /** Somebody was logged in, now somebody else is. */
  switched: { user: U };
  /** With each of the four above: another user than before, or nobody any more. */
  user: { user: U | null };
  /** The session ends in so many seconds, unless extend() is called. */
  expiring: Expiring;
}

/** Another proof than the password, as a stage of the server takes it. */
export interface Proof {
  method: string;
  [field: string]: any;
}

export interface Abortable {
  signal?: AbortSignal | null | undefined;
}

/** What fetch() takes, and what is to be sent as JSON. */
export type JsonOptions = {
  [Name in keyof Omit<RequestInit, "body">]?: RequestInit[Name] | undefined;
} & { body?: unknown };

/** What the login form of the project takes; Django's own takes a username. */
export interface Credentials {
  password: string;
  /** Whether the session outlives the browser. */
  remember?: boolean | undefined;
  [field: string]: any;
}

/** What `{% session_auth_client %}` writes, or `GET user/` answers. */
export interface Initial<U = User> {
  user: U | null;
  session?: Session | null | undefined;
  /** The time of the server; absent: just now. */
  now?: string | undefined;
}

/** Sentences of yours, for people, in the place of what the client or the server says, by the codes. */
export type Messages = { [Code in ErrorCode]?: string | undefined };

export interface ClientOptions<U = User> {
  /** Where the project includes `session_auth.urls`; "/api/auth/" if it is not given. */
  baseUrl?: string | undefined;
  /** CSRF_COOKIE_NAME; the default finds "__Host-csrftoken" and "csrftoken". */
  cookieName?: string | undefined;
  /** The header that CSRF_HEADER_NAME names. */
  headerName?: string | undefined;
  /**
   * How long before the end of a session the event `expiring` comes: 20 at least, since users need
   * that long to react (WCAG 2.2.1).
   */
  warningSeconds?: number | undefined;
  /**
   * Who is logged in, so that nobody has to ask. It is found in a page with the template tag, once,
   * and not trusted in a page that is old: one that the browser has kept, say.
   */
  initial?: Initial<U> | undefined;
}

export interface SessionClient<U = User> {
  /** Log in; at `path`, for what logs in otherwise than `login/`. */
  login(body: object, options: Abortable | undefined, path: string): Promise<U>;
  login(credentials: Credentials, options?: Abortable): Promise<U>;
  /** Log out; no error when nobody is logged in. */
  logout(options?: Abortable): Promise<void>;
  /** Ask at once who is logged in, where the snapshot has an `error`; resolves to what is known then. */
  retry(): Promise<Snapshot<U>>;
  /**
   * Resolve to the snapshot as soon as it is known who is logged in: at once if it is. For guards of
   * routes and for loaders; it counts as no activity of the user.
   */
  ready(): Promise<Snapshot<U>>;
  /** Ask the server who is logged in. */
  user(options?: Abortable): Promise<U | null>;
  /** Tell the server that the user is active, so that the session lasts longer. */
  extend(options?: Abortable): Promise<U | null>;
  /**
   * Prove again who one is, for calls that need a recent login; at `path`, for what else gives the
   * session a new key and answers as `reauthenticate/` does.
   */
  reauthenticate(body: object, options: Abortable | undefined, path: string): Promise<U>;
  reauthenticate(proof: Credentials | Proof, options?: Abortable): Promise<U>;
  /** All other sessions of the user end. */
  changePassword(
    passwords: { oldPassword: string; newPassword: string },
    options?: Abortable,
  ): Promise<U>;
  /**
   * Ask for a link by mail. Resolves to a sentence for the user, which is the same whether the
   * address is known or not.
   */
  requestPasswordReset(account: { email: string }, options?: Abortable): Promise<string>;
  /** Reject if the link is not good any more; nothing is used up. For a page that opens. */
  checkPasswordReset(link: { uid: string; token: string }, options?: Abortable): Promise<void>;
  /** All sessions of the user end; nobody is logged in by it. */
  confirmPasswordReset(
    link: { uid: string; token: string; newPassword: string },
    options?: Abortable,
  ): Promise<void>;
  /** The user's sessions. */
  sessions: {
    /** The current one comes first. */
    list(options?: Abortable): Promise<ListedSession[]>;
    end(id: string, options?: Abortable): Promise<void>;
    /** Resolves to how many have ended. */
    endOthers(options?: Abortable): Promise<number>;
  };
  /** window.fetch() with the CSRF token on unsafe requests to this origin. */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Send and receive JSON with that fetch(); an answer that is not 2xx is a SessionAuthError. */
  json<T = unknown>(input: string | URL, options?: JsonOptions): Promise<T>;
  /** The headers that an unsafe request to this origin needs, for those who do not call fetch(). */
  csrfHeaders(): Promise<Record<string, string>>;
  /** The address of an endpoint: `client.json(client.url("factors/"))`. */
  url(name: string): URL;
  /** Call `listener` when the snapshot has changed; returns what undoes it. */
  subscribe(listener: () => void): () => void;
  getSnapshot(): Snapshot<U>;
  /** Call `listener` at each such event; returns what undoes it. */
  on<Name extends keyof SessionEvents<U>>(
    name: Name,
    listener: (detail: SessionEvents<U>[Name]) => void,
  ): () => void;
  /**
   * Say what to do when a call needs a recent login. `ask()` typically asks for the password and
   * calls reauthenticate(); what else would do, `refusal.data.methods` says. Then the call is sent
   * again, unless `ask()` resolves to false. Calls at the same time share one `ask()`. Of several, the
   * last is asked. Returns what undoes it.
   */
  onReauthenticationRequired(ask: (refusal: SessionAuthError) => unknown): () => void;
  /** The class of refusals, for modules that are loaded beside this one. */
  SessionAuthError: typeof SessionAuthError;
  /** Stop watching: no more timers, listeners and messages. */
  close(): void;
}

/** U, as it is given: not what `initial` would make of it, which may name nobody, or be mistaken. */
type Given<U> = [U][U extends unknown ? 0 : never];

/** Make a client for the endpoints at `baseUrl`. */
export const createSessionClient = <U = User>(options: ClientOptions<Given<U>> = {}): SessionClient<U> =>
  clientOf(createCore(options), options.initial ?? takeFromPage());

const clientOf = (core: Core, initial: Initial<any> | undefined): SessionClient<any> => {
  core._askForToken = shared(
    async () => (core._answeredToken = (await ask(core, "csrf/", Trait.None)).csrfToken),
  );
  core._requestProof = shared(async (refusal: SessionAuthError) => {
    const asker = [...core._askers].pop();
    return asker && (await asker(refusal)) !== false;
  });
  core._lookActively = shared(() => look(core));
  core._look = () => core._lookUnderWay ?? look(core, PASSIVE);
  core._lookAnew = async () => {
    await core._lookUnderWay?.catch(ignore);
    await core._look().catch(ignore);
  };

  if (initial?.user !== undefined && !isOld(initial)) {
    // Other tabs may not know of a login by a form. What they have learned since the page was asked
    // for is newer.
    publish(core, initial, Math.min(Date.now(), performance.timeOrigin));
  }

  const user: SessionClient["user"] = async (options) => {
    await unlessAborted(options?.signal, core._lookActively);
    return core._snapshot.user; // which may be newer than that answer
  };
  const listen = (name: string, listener: (detail: any) => void) => {
    startWatching(core);
    const call = (event: any) => listener(event.detail);
    if (pageOrigin()) core._events.addEventListener(name, call);
    return () => core._events.removeEventListener(name, call);
  };

  return {
    login: (credentials: unknown, options?: Abortable, path: string = "login/") =>
      renew(core, path, credentials, options, "login"),
    logout: async (options) => void (await call(core, "POST", "logout/", Trait.Ends, options)),
    async ready() {
      startWatching(core, core._look);
      if (core._stopWatching && !core._asOf) await core._look();
      return core._snapshot;
    },
    async retry() {
      await look(core).catch(ignore);
      return core._snapshot;
    },
    user,
    extend: user,
    reauthenticate: (proof: unknown, options?: Abortable, path: string = "reauthenticate/") =>
      renew(core, path, proof, options),
    changePassword: ({ oldPassword, newPassword }, options) =>
      renew(core, "password/change/", { old_password: oldPassword, new_password: newPassword }, options),
    requestPasswordReset: async (account, options) =>
      (await call(core, "POST", "password/reset/", Trait.Anyone, options, account)).message,
    checkPasswordReset: async (link, options) =>
      void (await call(core, "POST", "password/reset/check/", Trait.Anyone, options, link)),
    confirmPasswordReset: async ({ newPassword, ...link }, options) => {
      await call(core, "POST", "password/reset/confirm/", Trait.Anyone, options, {
        ...link,
        new_password: newPassword,
      });
      if (core._snapshot.user) await core._lookAnew();
    },
    sessions: {
      list: async (options) => (await call(core, "GET", "sessions/", Trait.None, options)).sessions,
      end: async (id, options) => {
        const traits = id === core._snapshot.session?.id ? Trait.Ends : Trait.None;
        await call(core, "DELETE", `sessions/${encodeURIComponent(id)}/`, traits, options);
      },
      endOthers: async (options) => (await call(core, "DELETE", "sessions/", Trait.None, options)).ended,
    },
    fetch: (input, init = {}) => send(core, input, Trait.None, init),
    json: async (input, options) => (await exchange(core, input, options))[0],
    csrfHeaders: async () => ({
      [core._headerName]: await currentToken(core),
      ...(shownUser(core) && { [SHOWN_USER]: shownUser(core)! }),
    }),
    url: (name) => endpoint(core, name),
    subscribe: (listener) => listen("change", listener),
    getSnapshot: () => core._snapshot,
    on: listen,
    onReauthenticationRequired(ask) {
      const asker: typeof ask = (refusal) => ask(refusal); // another one, if `ask` is given twice
      core._askers.add(asker);
      return () => void core._askers.delete(asker);
    },
    close() {
      clearTimeout(core._timer);
      core._channel?.close();
      core._stopWatching = core._stopWatching?.() as undefined;
    },
    SessionAuthError,
  };
};
