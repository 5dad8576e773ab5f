/**
 * The session of django-session-auth in Svelte: stores, as `$session` in a component reads them. They
 * follow the contract of stores, so that they work with any version, with RxJS, and without Svelte.
 *
 * @module svelte
 */
import type {
  Credentials,
  Expiring,
  SessionAuthError,
  SessionClient,
  Snapshot,
  User,
} from "./session-auth.js";

export interface Readable<T> {
  /** Call `run` with the value, now and whenever it changes; returns what undoes it. */
  subscribe(run: (value: T) => void): () => void;
}

/** A store whose value `read` tells, for as long as `start` keeps telling of changes. */
const storeOf = <T>(read: () => T, start: (changed: () => void) => () => void): Readable<T> => ({
  subscribe(run) {
    let last: T;
    const tell = () => {
      const value = read();
      if (value !== last) run((last = value));
    };
    const stop = start(tell);
    run((last = read()));
    return stop;
  },
});

/** A store that is written to. */
function state<T>(value: T) {
  const listeners = new Set<() => void>();
  const store = storeOf(
    () => value,
    (changed) => {
      const listener = () => changed();
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  );
  const set = (next: T) => {
    value = next;
    listeners.forEach((listener) => listener());
  };
  return { ...store, set, get: () => value };
}

/** The snapshot: `status`, `user`, `session`, `expiring` and `error`. */
export const sessionStore = <U = User>(client: SessionClient<U>): Readable<Snapshot<U>> =>
  storeOf(client.getSnapshot, client.subscribe);

/** The user or null; the same object for the same user, however often the session is extended. */
export const userStore = <U = User>(client: SessionClient<U>): Readable<U | null> =>
  storeOf(() => client.getSnapshot().user, client.subscribe);

/** What the warning says, with `secondsLeft` counting down; null while there is no warning. */
export const countdown = (client: SessionClient<any>): Readable<Expiring | null> => ({
  subscribe(run) {
    let timer: ReturnType<typeof setInterval> | undefined;
    let last: Expiring | null | undefined;
    const tell = () => {
      const { expiring } = client.getSnapshot();
      const left = expiring && Math.round((expiring.endsAt - Date.now()) / 1000);
      run(expiring && { ...expiring, secondsLeft: Math.max(0, left!) });
    };
    const look = () => {
      const { expiring } = client.getSnapshot();
      if (expiring === last) return;
      last = expiring;
      clearInterval(timer);
      if (expiring) timer = setInterval(tell, 1000);
      tell();
    };
    const stop = client.subscribe(look);
    look();
    return () => {
      stop();
      clearInterval(timer);
    };
  },
});

export interface ActionState {
  pending: boolean;
  /** Why the last run was refused, until the next one. */
  error: SessionAuthError | null;
  /** The messages for each field, by the server's names. */
  fields: Record<string, string[] | undefined>;
}

const IDLE: ActionState = { pending: false, error: null, fields: {} };

/** A store of what becomes of `run()`, which does what the server may refuse. */
export function action<Arguments extends unknown[], Result>(
  act: (...given: Arguments) => Result | Promise<Result>,
): Readable<ActionState> & { run: (...given: Arguments) => Promise<Result | undefined> } {
  const { subscribe, set, get } = state(IDLE);
  return {
    subscribe,
    async run(...given) {
      if (get().pending) return; // a second click
      set({ ...IDLE, pending: true });
      let next = IDLE;
      try {
        return await act(...given);
      } catch (error: any) {
        if (error?.name !== "SessionAuthError") throw error;
        next = { pending: false, error, fields: error.fields ?? {} };
      } finally {
        set(next);
      }
    },
  };
}

export interface StepUpState {
  /** Whether a call waits for a proof: show the dialog. */
  asking: boolean;
  /** The ways to prove it that would do: "password", "totp", "recovery", "passkey". */
  methods: readonly string[];
  pending: boolean;
  error: SessionAuthError | null;
}

/**
 * A store for the dialog that asks for a proof where a call needs a recent login. It asks as long as
 * somebody subscribes to it. With second factors, give it their `prove`: `stepUp(client, factors.prove)`.
 */
export function stepUp<P = Credentials>(
  client: SessionClient<any>,
  proveBy: (proof: P) => Promise<unknown> = client.reauthenticate as any,
): Readable<StepUpState> & {
  /**
   * Prove who one is, and have the call sent again; what is refused is in `error`. Of several proofs,
   * each is needed: of a password and a code, say.
   */
  prove: (...proofs: [P, ...P[]]) => Promise<unknown>;
  /** Let the call have its refusal. */
  cancel: () => void;
} {
  let answer: ((isProven: boolean) => void) | null = null;
  const quiet: StepUpState = { asking: false, methods: [], pending: false, error: null };
  let asked = quiet;
  let subscribers = 0;
  let stopAsking: () => void;
  const shown = state(quiet);
  const settle = (isProven: boolean) => {
    answer?.(isProven);
    answer = null;
    shown.set(quiet);
  };
  const proof = action(async (...proofs: [P, ...P[]]) => {
    for (const each of proofs) await proveBy(each);
    settle(true);
  });
  const ask = ({ data }: SessionAuthError) =>
    new Promise<boolean>((resolve) => {
      answer = resolve;
      asked = { ...quiet, asking: true, methods: data?.methods ?? [] };
      shown.set(asked);
    });
  return {
    subscribe(run) {
      if (!subscribers++) stopAsking = client.onReauthenticationRequired(ask);
      const stopProof = proof.subscribe(({ pending, error }) => {
        if (answer) shown.set({ ...asked, pending, error });
      });
      const stop = shown.subscribe(run);
      return () => {
        stop();
        stopProof();
        if (--subscribers) return;
        stopAsking();
        settle(false); // gone with the page: nobody can answer any more
      };
    },
    prove: proof.run,
    cancel: () => settle(false),
  };
}
