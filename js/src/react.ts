/**
 * The session of django-session-auth in React: who is logged in, in every component that asks, and
 * what is tedious to write again: guards, actions that may be refused, the proof of a password, the
 * countdown. None of it has looks.
 *
 * @module react
 */
// By its namespace: React for server components lacks most of these names, and may import this too.
import * as React from "react";
import type { EventListeners, Feed, Live, LiveSocket, SocketListeners, Watch } from "./live.js";
import type {
  Credentials,
  Expiring,
  SessionAuthError,
  SessionClient,
  Snapshot,
  User,
} from "./session-auth.js";

const ClientContext = React.createContext?.<SessionClient<any> | null>(null);

/** For pages that a server renders, and for their first render in the browser. */
const LOADING: Snapshot<any> = {
  status: "loading",
  user: null,
  session: null,
  expiring: null,
  error: null,
};
const loading = () => LOADING;

/** Put this around all components that use the session. */
export function SessionProvider({
  client,
  children,
}: {
  client: SessionClient<any>;
  children?: React.ReactNode;
}): React.ReactElement {
  return React.createElement(ClientContext.Provider, { value: client }, children);
}

/** Return the client, to call its methods. */
export function useSessionClient<U = User>(): SessionClient<U> {
  const client = React.useContext(ClientContext);
  if (!client) throw new Error("Put <SessionProvider client={...}> around this component.");
  return client;
}

/** Return the snapshot: `status`, `user`, `session`, `expiring` and `error`. */
export function useSession<U = User>(): Snapshot<U> {
  const client = useSessionClient<U>();
  return React.useSyncExternalStore(client.subscribe, client.getSnapshot, loading);
}

/** Return the user, or null if nobody is logged in or that is not known yet; the same object for the
 * same user, however often the session is extended. */
export function useUser<U = User>(): U | null {
  const client = useSessionClient<U>();
  return React.useSyncExternalStore(
    client.subscribe,
    () => client.getSnapshot().user,
    () => null,
  );
}

/**
 * Return the user; where nobody is logged in, call `otherwise`, which typically goes to the page for
 * signing in, and return null.
 */
export function useRequireUser<U = User>(otherwise: () => void): U | null {
  const { status, user } = useSession<U>();
  const latest = React.useRef(otherwise);
  React.useEffect(() => {
    latest.current = otherwise;
  });
  React.useEffect(() => {
    if (status === "anonymous") latest.current();
  }, [status]);
  return user;
}

export interface Action<Arguments extends unknown[], Result> {
  /** Act, unless it is pending; resolves to undefined where it is refused. */
  run: (...given: Arguments) => Promise<Result | undefined>;
  pending: boolean;
  /** Why the last run was refused, until the next one. */
  error: SessionAuthError | null;
  /** The messages for each field, by the server's names. */
  fields: Record<string, string[] | undefined>;
}

const NO_FIELDS = {};

/** Do what the server may refuse, and keep the refusal, for the component to show. */
export function useAction<Arguments extends unknown[], Result>(
  act: (...given: Arguments) => Result | Promise<Result>,
): Action<Arguments, Result> {
  const [state, setState] = React.useState<{ pending: boolean; error: SessionAuthError | null }>({
    pending: false,
    error: null,
  });
  const latest = React.useRef(act);
  const isPending = React.useRef(false);
  React.useEffect(() => {
    latest.current = act;
  });
  const run = React.useCallback(async (...given: Arguments) => {
    if (isPending.current) return; // a second click
    isPending.current = true;
    setState({ pending: true, error: null });
    let error = null;
    try {
      return await latest.current(...given);
    } catch (refusal: any) {
      if (refusal?.name !== "SessionAuthError") throw refusal;
      error = refusal;
    } finally {
      isPending.current = false;
      setState({ pending: false, error });
    }
  }, []);
  return { run, ...state, fields: state.error?.fields ?? NO_FIELDS };
}

export interface StepUp<P = Credentials> {
  /** Whether a call waits for a proof: show the dialog. */
  asking: boolean;
  /** The ways to prove it that would do: "password", "totp", "recovery", "passkey". */
  methods: readonly string[];
  /**
   * Prove who one is, and have the call sent again; what is refused is in `error`. Of several proofs,
   * each is needed: of a password and a code, say.
   */
  prove: (...proofs: [P, ...P[]]) => Promise<unknown>;
  /** Let the call have its refusal. */
  cancel: () => void;
  pending: boolean;
  error: SessionAuthError | null;
}

const NONE: readonly string[] = [];

interface Question {
  methods: readonly string[];
  answer: (isProven: boolean) => void;
}

/**
 * The dialog that asks for a proof where a call needs a recent login. Use it once in the page. With
 * second factors, give it their `prove`: `useStepUp(factors.prove)`.
 */
export function useStepUp<P = Credentials>(proveBy?: (proof: P) => Promise<unknown>): StepUp<P> {
  const client = useSessionClient();
  const [question, setQuestion] = React.useState<Question | null>(null);
  const [tried, setTried] = React.useState<Question | null>(null);
  React.useEffect(
    () =>
      client.onReauthenticationRequired(
        ({ data }) =>
          new Promise<boolean>((answer) => setQuestion({ methods: data?.methods ?? NONE, answer })),
      ),
    [client],
  );
  // Cancelled, or gone with the page: nobody can answer any more.
  React.useEffect(() => () => question?.answer(false), [question]);
  const { run, pending, error } = useAction(async (...proofs: [P, ...P[]]) => {
    setTried(question);
    for (const proof of proofs) await (proveBy ?? client.reauthenticate)(proof as any);
    question?.answer(true);
    setQuestion(null);
  });
  const cancel = React.useCallback(() => setQuestion(null), []);
  return {
    asking: question !== null,
    methods: question?.methods ?? NONE,
    prove: run,
    cancel,
    pending,
    error: question && question === tried ? error : null, // not what an earlier one was refused for
  };
}

/**
 * Return what the warning says, with `secondsLeft` counting down; null while there is no warning.
 */
export function useCountdown(): Expiring | null {
  const { expiring } = useSession();
  const [, tick] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    if (!expiring) return;
    const timer = setInterval(tick, 1000);
    return () => clearInterval(timer);
  }, [expiring]);
  if (!expiring) return null;
  const secondsLeft = Math.max(0, Math.round((expiring.endsAt - Date.now()) / 1000));
  return { ...expiring, secondsLeft };
}

/** Open a feed while the component is there, and `path` is not null; `key` stands for what else it hangs on. */
function useFeed<F extends Feed>(
  live: Live,
  path: string | null | undefined,
  key: string,
  listeners: object,
  open: (path: string, listeners: any, watch: Watch) => F,
): { feed: React.RefObject<F | null>; isOpen: boolean } {
  const feed = React.useRef<F | null>(null);
  const latest = React.useRef<any>(listeners);
  const [isOpen, watch] = React.useState(false);
  const names = Object.keys(listeners).join("\n");
  React.useEffect(() => {
    latest.current = listeners;
  });
  React.useEffect(() => {
    if (path == null) return;
    const tell = (name: string) => [name, (event: unknown) => latest.current[name]?.(event)];
    const own = open(path, Object.fromEntries(names.split("\n").map(tell)), watch);
    feed.current = own;
    return () => {
      feed.current = null;
      own.close();
    };
  }, [live, path, key, names]);
  return { feed, isOpen };
}

/**
 * A stream of events of this site, open while the component is there and somebody is logged in; `live`
 * is made once, beside the client: `createLive(client)`. Returns whether it is open. A `path` that is
 * null opens none.
 */
export function useEvents(
  live: Live,
  path: string | null | undefined,
  listeners: EventListeners,
): boolean {
  return useFeed(live, path, "", listeners, live.events).isOpen;
}

/** A WebSocket of this site, as `useEvents()` is a stream; with `send()`, the same function always. */
export function useSocket(
  live: Live,
  path: string | null | undefined,
  listeners: SocketListeners,
  protocols: string | string[] = [],
): { isOpen: boolean; send: LiveSocket["send"] } {
  const { feed, isOpen } = useFeed(live, path, String(protocols), listeners, (path, given, watch) =>
    live.socket(path, given, protocols, watch),
  );
  const send = React.useCallback<LiveSocket["send"]>((data) => !!feed.current?.send(data), []);
  return { isOpen, send };
}
