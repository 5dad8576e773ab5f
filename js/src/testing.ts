/**
 * A client for tests: in any state, without a server and without a browser. It tells its listeners what
 * the real one would tell, and keeps what was called.
 *
 * @module testing
 */
import {
  SessionAuthError,
  type Abortable,
  type ErrorCode,
  type Expiring,
  type ListedSession,
  type Session,
  type SessionClient,
  type SessionEvents,
  type Snapshot,
  type User,
} from "./session-auth.js";

/** What `show()` changes; what is not given stays. */
export interface Shown<U = User> {
  /** Who is logged in, null for nobody, undefined for not known yet. */
  user?: U | null | undefined;
  session?: Partial<Session> | undefined;
  /** In how many seconds the session ends; null takes the warning back. */
  expiring?: { secondsLeft: number; kind?: Expiring["kind"] | undefined } | null | undefined;
  /** Why it is not known who is logged in. */
  error?: Refusal | undefined;
  /** Why nobody is logged in any more: the user has logged out, or the session has ended. */
  reason?: "logout" | SessionEvents["ended"]["reason"] | undefined;
}

export interface Refusal {
  code: ErrorCode;
  message?: string | undefined;
  status?: number | undefined;
  fields?: Record<string, string[]> | undefined;
  retryAfter?: number | undefined;
  /** The whole answer, such as the stage of a login that is due. */
  data?: unknown;
}

/** What may be refused or answered: the calls of the client, by their names. */
export type CallName =
  | "changePassword"
  | "checkPasswordReset"
  | "confirmPasswordReset"
  | "extend"
  | "fetch"
  | "json"
  | "login"
  | "logout"
  | "reauthenticate"
  | "requestPasswordReset"
  | "sessions.end"
  | "sessions.endOthers"
  | "sessions.list"
  | "user";

export interface TestClient<U = User> extends SessionClient<U> {
  /** What was called, in order: `["login", { username: "alice", password: "..." }]`. */
  calls: Array<[name: CallName, ...given: unknown[]]>;
  /** Be in another state, and tell the listeners, as if the server or another tab had said so. */
  show(state: Shown<U>): void;
  /** Refuse the next call of this name. */
  refuse(name: CallName, refusal: Refusal): void;
  /** Answer calls of json() and fetch() whose path this is: with data, or by a function. */
  answer(path: string, by: (options: any) => unknown): void;
  answer(path: string, data: unknown): void;
  /** The sessions that `sessions.list()` resolves to. */
  listed: ListedSession[];
}

const AT = "2026-01-01T12:00:00Z";
const SESSION: Session = {
  id: "test-session",
  user_ref: "test-user",
  created_at: AT,
  authenticated_at: AT,
  methods: { password: AT },
  expires_at: "2126-01-01T12:00:00Z",
  idle_expires_at: "2126-01-01T12:00:00Z",
  absolute_expires_at: "2126-01-02T12:00:00Z",
};

const refusalOf = ({ code, message = code, status = 0, ...details }: Refusal) =>
  new SessionAuthError(message, { code, status, ...details });

/** U, as it is given: not what `state` would make of it, which may name nobody, or be mistaken. */
type Given<U> = [U][U extends unknown ? 0 : never];

/** Make a client that shows `state`; nobody is logged in if it names no user. */
export function createTestClient<U = User>(state: Shown<Given<U>> = { user: null }): TestClient<U> {
  const events = new EventTarget();
  const refusals = new Map<CallName, Refusal[]>();
  const answers = new Map<string, unknown>();
  const askers = new Set<(refusal: SessionAuthError) => unknown>();
  let snapshot: Snapshot<U> = snapshotOf({ user: null, ...state }, undefined);

  function snapshotOf(next: Shown<U>, before: Snapshot<U> | undefined): Snapshot<U> {
    const nothing = { user: null, session: null, expiring: null, error: null };
    const user = "user" in next ? next.user : before?.user;
    const isUnknown = next.error || ("user" in next ? user === undefined : before?.status === "loading");
    if (isUnknown) {
      return { ...nothing, status: "loading", error: next.error ? refusalOf(next.error) : null };
    }
    if (!user) return { ...nothing, status: "anonymous" };
    const isSame = user === before?.user;
    const ref = isSame ? before?.session?.user_ref : `test-user-${(user as any).id ?? JSON.stringify(user)}`;
    return {
      status: "authenticated",
      user,
      session: { ...SESSION, user_ref: ref ?? "", ...(isSame && before?.session), ...next.session },
      expiring: "expiring" in next ? expiringOf(next.expiring) : ((isSame && before?.expiring) || null),
      error: null,
    };
  }

  function expiringOf(warning: Shown["expiring"]): Expiring | null {
    if (!warning) return null;
    const { secondsLeft, kind = "idle" } = warning;
    return { secondsLeft, kind, endsAt: Date.now() + 1000 * secondsLeft };
  }

  const emit = (name: string, detail?: unknown) =>
    events.dispatchEvent(new CustomEvent(name, { detail }));

  function on(name: string, listener: (detail: any) => void) {
    const call = (event: Event) => listener((event as CustomEvent).detail);
    events.addEventListener(name, call);
    return () => events.removeEventListener(name, call);
  }

  function show(next: Shown<U>, isLogin = false) {
    const before = snapshot;
    const after = snapshotOf(next, before);
    if (JSON.stringify(after) === JSON.stringify(before)) return; // nothing that the real one would tell
    snapshot = after;
    emit("change");
    const news = newsOf(before, next.reason) ?? (isLogin && !before.user && "login");
    if (news) {
      const { reason = "ended" } = next;
      emit(news, news === "ended" ? { reason } : snapshot.user && { user: snapshot.user });
      emit("user", { user: snapshot.user });
    }
    if (snapshot.expiring && snapshot.expiring !== before.expiring) emit("expiring", snapshot.expiring);
  }

  function newsOf(before: Snapshot<U>, reason: Shown["reason"]) {
    if (before.status === "loading" || snapshot.status === "loading") return;
    if (!snapshot.user) return before.user && (reason === "logout" ? "logout" : "ended");
    if (!before.user) return "login";
    return before.session?.user_ref === snapshot.session?.user_ref ? undefined : "switched";
  }

  /** Keep the call, and refuse it if that is what the test wants. */
  async function called(name: CallName, ...given: unknown[]) {
    client.calls.push([name, ...given.filter((each) => each !== undefined)]);
    for (const each of given) (each as Abortable | undefined)?.signal?.throwIfAborted?.();
    const refusal = refusals.get(name)?.shift();
    if (!refusal) return;
    const asker = [...askers].at(-1);
    const mayBeProven = refusal.code === "reauthentication_required" && asker;
    if (!mayBeProven || (await asker(refusalOf(refusal))) === false) throw refusalOf(refusal);
  }

  async function answerTo(input: unknown, init: unknown) {
    const address = String((input as Request).url ?? input);
    const { pathname, search } = new URL(address, "http://localhost");
    const path = [pathname + search, pathname].find((each) => answers.has(each));
    if (path === undefined) {
      throw new Error(`No answer for ${pathname}: give one by client.answer("${pathname}", ...).`);
    }
    const answer = answers.get(path);
    return typeof answer === "function" ? answer(init) : answer;
  }

  /** Log in as whoever is shown, or as the credentials name; `id` is 1. */
  const userOf = ({ username }: Record<string, unknown>) => ({ id: 1, username }) as U;

  async function user(options?: unknown) {
    await called("user", options);
    return snapshot.user;
  }

  const client: TestClient<U> = {
    calls: [],
    listed: [],
    show: (next) => show(next),
    refuse(name, refusal) {
      refusals.set(name, [...(refusals.get(name) ?? []), refusal]);
    },
    answer: (path, data) => void answers.set(path, data),
    async login(credentials: any, options?: Abortable, path?: string) {
      await called("login", credentials, options, path);
      const next = (answers.get("login") as U | undefined) ?? userOf(credentials);
      show({ user: next }, true);
      return next;
    },
    async logout(options) {
      await called("logout", options);
      if (snapshot.user) show({ user: null, reason: "logout" });
    },
    retry: async () => snapshot,
    ready: async () => snapshot,
    user,
    async extend(options) {
      await called("extend", options);
      if (snapshot.expiring) show({ expiring: null });
      return snapshot.user;
    },
    async reauthenticate(proof: unknown, options?: Abortable, path?: string) {
      await called("reauthenticate", proof, options, path);
      if (snapshot.expiring) show({ expiring: null });
      return snapshot.user as U;
    },
    async changePassword(passwords, options) {
      await called("changePassword", passwords, options);
      return snapshot.user as U;
    },
    async requestPasswordReset(account, options) {
      await called("requestPasswordReset", account, options);
      return "A link is on its way, if the address is known.";
    },
    checkPasswordReset: (link, options) => called("checkPasswordReset", link, options),
    async confirmPasswordReset(link, options) {
      await called("confirmPasswordReset", link, options);
      if (snapshot.user) show({ user: null });
    },
    sessions: {
      async list(options) {
        await called("sessions.list", options);
        return client.listed;
      },
      async end(id, options) {
        await called("sessions.end", id, options);
        if (id === snapshot.session?.id) show({ user: null, reason: "logout" });
        client.listed = client.listed.filter((each) => each.id !== id);
      },
      async endOthers(options) {
        await called("sessions.endOthers", options);
        const others = client.listed.filter((each) => !each.current);
        client.listed = client.listed.filter((each) => each.current);
        return others.length;
      },
    },
    async fetch(input, init) {
      try {
        await called("fetch", input, init);
      } catch (refusal: any) {
        // As of fetch(): what the server refuses is an answer, too.
        if (!(refusal instanceof SessionAuthError && refusal.status)) throw refusal;
        const { code, data, fields, message: error, status } = refusal;
        return Response.json({ error, code, fields, ...data }, { status });
      }
      const answer = await answerTo(input, init);
      return answer instanceof Response ? answer.clone() : Response.json(answer ?? null);
    },
    async json(input, options) {
      await called("json", input, options);
      return (await answerTo(input, options)) as any;
    },
    csrfHeaders: async () => ({ "X-CSRFToken": "test-token" }),
    url: (name) => new URL(name, "http://localhost/api/auth/"),
    SessionAuthError,
    subscribe: (listener) => on("change", listener),
    getSnapshot: () => snapshot,
    on,
    onReauthenticationRequired(ask) {
      const asker: typeof ask = (refusal) => ask(refusal);
      askers.add(asker);
      return () => void askers.delete(asker);
    },
    close() {},
  };
  return client;
}
