/**
 * The session of django-session-auth in Vue: who is logged in, in every component that asks, and what
 * is tedious to write again: guards, actions that may be refused, the proof of a password, the
 * countdown. None of it has looks.
 *
 * @module vue
 */
import {
  computed,
  getCurrentScope,
  hasInjectionContext,
  inject,
  onScopeDispose,
  ref,
  shallowRef,
  toRef,
  toValue,
  watch,
  type App,
  type ComputedRef,
  type InjectionKey,
  type MaybeRefOrGetter,
  type Ref,
} from "vue";
import type { EventListeners, Feed, Live, LiveSocket, SocketListeners } from "./live.js";
import type {
  Credentials,
  Expiring,
  Session,
  SessionAuthError,
  SessionClient,
  Snapshot,
  User,
} from "./session-auth.js";

const CLIENT: InjectionKey<SessionClient<any>> = Symbol("session-auth");

/** `app.use(sessionPlugin, client)` */
export const sessionPlugin = {
  install(app: App, client: SessionClient<any>): void {
    app.provide(CLIENT, client);
  },
};

export function useSessionClient<U = User>(): SessionClient<U> {
  const client = hasInjectionContext() && inject(CLIENT, null);
  if (!client) throw new Error("Call app.use(sessionPlugin, client) first.");
  return client;
}

/**
 * The snapshot as a ref. Outside a component (in a guard of a route, say) there is nobody to stop the
 * listening: there it is read anew each time, and nothing is left.
 */
function useSnapshot<U>(client: SessionClient<U>): Readonly<Ref<Snapshot<U>>> {
  if (!getCurrentScope()) return toRef(client.getSnapshot);
  const snapshot = shallowRef(client.getSnapshot());
  onScopeDispose(client.subscribe(() => (snapshot.value = client.getSnapshot())));
  return snapshot;
}

export interface SessionRefs<U = User> {
  client: SessionClient<U>;
  status: Readonly<Ref<Snapshot<U>["status"]>>;
  user: Readonly<Ref<U | null>>;
  session: Readonly<Ref<Session | null>>;
  expiring: Readonly<Ref<Expiring | null>>;
  error: Readonly<Ref<SessionAuthError | null>>;
}

/**
 * Return the client, and refs to the snapshot: `status`, `user`, `session`, `expiring`, `error`.
 * Where there is no app to ask for the client, give it.
 */
export function useSession<U = User>(client = useSessionClient<U>()): SessionRefs<U> {
  const snapshot = useSnapshot(client);
  const part = <Name extends keyof Snapshot<U>>(name: Name) =>
    toRef(() => snapshot.value[name]) as Readonly<Ref<any>>;
  return {
    client,
    status: part("status"),
    user: part("user"),
    session: part("session"),
    expiring: part("expiring"),
    error: part("error"),
  };
}

/** Return a ref to the user, or to null if nobody is logged in or that is not known yet. */
export const useUser = <U = User>(client?: SessionClient<U>): Readonly<Ref<U | null>> =>
  useSession(client).user;

/**
 * Return a ref to the user; where nobody is logged in, call `otherwise`, which typically goes to the
 * page for signing in.
 */
export function useRequireUser<U = User>(otherwise: () => void): Readonly<Ref<U | null>> {
  const { status, user } = useSession<U>();
  watch(status, (now) => now === "anonymous" && otherwise(), { immediate: true });
  return user;
}

export interface Action<Arguments extends unknown[], Result> {
  /** Act, unless it is pending; resolves to undefined where it is refused. */
  run: (...given: Arguments) => Promise<Result | undefined>;
  pending: Readonly<Ref<boolean>>;
  /** Why the last run was refused, until the next one. */
  error: Readonly<Ref<SessionAuthError | null>>;
  /** The messages for each field, by the server's names. */
  fields: ComputedRef<Record<string, string[] | undefined>>;
}

/** Do what the server may refuse, and keep the refusal, for the component to show. */
export function useAction<Arguments extends unknown[], Result>(
  act: (...given: Arguments) => Result | Promise<Result>,
): Action<Arguments, Result> {
  const pending = ref(false);
  const error = shallowRef<SessionAuthError | null>(null);
  const fields = computed(() => error.value?.fields ?? {});
  async function run(...given: Arguments) {
    if (pending.value) return; // a second click
    pending.value = true;
    error.value = null;
    try {
      return await act(...given);
    } catch (refusal: any) {
      if (refusal?.name !== "SessionAuthError") throw refusal;
      error.value = refusal;
    } finally {
      pending.value = false;
    }
  }
  return { run, pending, error, fields };
}

export interface StepUp<P = Credentials> {
  /** Whether a call waits for a proof: show the dialog. */
  asking: Readonly<Ref<boolean>>;
  /** The ways to prove it that would do: "password", "totp", "recovery", "passkey". */
  methods: Readonly<Ref<readonly string[]>>;
  /**
   * Prove who one is, and have the call sent again; what is refused is in `error`. Of several proofs,
   * each is needed: of a password and a code, say.
   */
  prove: (...proofs: [P, ...P[]]) => Promise<unknown>;
  /** Let the call have its refusal. */
  cancel: () => void;
  pending: Readonly<Ref<boolean>>;
  error: Readonly<Ref<SessionAuthError | null>>;
}

/**
 * The dialog that asks for a proof where a call needs a recent login. Use it once in the page. With
 * second factors, give it their `prove`: `useStepUp(factors.prove)`.
 */
export function useStepUp<P = Credentials>(proveBy?: (proof: P) => Promise<unknown>): StepUp<P> {
  const client = useSessionClient();
  const answer = shallowRef<((isProven: boolean) => void) | null>(null);
  const methods = shallowRef<readonly string[]>([]);
  const settle = (isProven: boolean) => {
    answer.value?.(isProven);
    answer.value = null;
    methods.value = [];
    error.value = null;
  };
  const cancel = () => settle(false);
  const { run, pending, error } = useAction(async (...proofs: [P, ...P[]]) => {
    for (const proof of proofs) await (proveBy ?? client.reauthenticate)(proof as any);
    settle(true);
  }) as Action<[P, ...P[]], void> & { error: Ref<SessionAuthError | null> };
  const stopAsking = client.onReauthenticationRequired(({ data }) => {
    methods.value = data?.methods ?? [];
    error.value = null; // of a proof that was under way when the last dialog was closed
    return new Promise<boolean>((resolve) => (answer.value = resolve));
  });
  onScopeDispose(() => {
    stopAsking();
    cancel(); // gone with the page: nobody can answer any more
  });
  return { asking: computed(() => !!answer.value), methods, prove: run, cancel, pending, error };
}

/** A ref to what the warning says, with `secondsLeft` counting down; null while there is no warning. */
export function useCountdown(): Readonly<Ref<Expiring | null>> {
  const { expiring } = useSession();
  const now = ref(Date.now());
  let timer: ReturnType<typeof setInterval> | undefined;
  const tick = () => (now.value = Date.now());
  watch(
    expiring,
    (warning) => {
      clearInterval(timer);
      if (!warning) return;
      tick();
      timer = setInterval(tick, 1000);
    },
    { immediate: true },
  );
  onScopeDispose(() => clearInterval(timer));
  return computed(() => {
    if (!expiring.value) return null;
    const left = Math.round((expiring.value.endsAt - now.value) / 1000);
    return { ...expiring.value, secondsLeft: Math.max(0, left) };
  });
}

/** Open a feed for each `path` while the scope is there; null is none. */
function useFeed<F extends Feed>(
  path: MaybeRefOrGetter<string | null | undefined>,
  open: (path: string, tell: (isOpen: boolean) => void) => F,
): { feed: () => F | undefined; isOpen: Readonly<Ref<boolean>> } {
  const isOpen = ref(false);
  let feed: F | undefined;
  watch(
    () => toValue(path),
    (now, _, onCleanup) => {
      if (now == null) return;
      const own = (feed = open(now, (next) => (isOpen.value = next)));
      onCleanup(() => {
        feed = undefined;
        own.close();
      });
    },
    { immediate: true },
  );
  return { feed: () => feed, isOpen };
}

/**
 * A stream of events of this site, open while the component is there and somebody is logged in; `live`
 * is made once, beside the client: `createLive(client)`. Returns a ref that tells whether it is open. A
 * `path` that is null opens none.
 */
export const useEvents = (
  live: Live,
  path: MaybeRefOrGetter<string | null | undefined>,
  listeners: EventListeners,
): Readonly<Ref<boolean>> =>
  useFeed(path, (now, tell) => live.events(now, listeners, tell)).isOpen;

/** A WebSocket of this site, as `useEvents()` is a stream, with `send()`. */
export function useSocket(
  live: Live,
  path: MaybeRefOrGetter<string | null | undefined>,
  listeners: SocketListeners,
  protocols?: string | string[],
): { isOpen: Readonly<Ref<boolean>>; send: LiveSocket["send"] } {
  const { feed, isOpen } = useFeed(path, (now, tell) => live.socket(now, listeners, protocols, tell));
  return { isOpen, send: (data) => !!feed()?.send(data) };
}
