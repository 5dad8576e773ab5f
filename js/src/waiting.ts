// Promises that are shared, that wait, and that somebody may stop waiting for.

export const ignore = () => {};

export const pause = (milliseconds: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** Return a function like `call` that, while a call of it is under way, returns the same promise. */
export const shared = <T, Given = void>(
  call: (given: Given) => Promise<T>,
): ((given: Given) => Promise<T>) => {
  let promise: Promise<T> | undefined;
  return (given) => (promise ??= call(given).finally(() => (promise = undefined)));
};

/**
 * Call `start` and wait for its promise, until `signal` aborts the wait. What was started goes on:
 * other requests may wait for it, too.
 */
export const unlessAborted = async <T>(
  signal: AbortSignal | null | undefined,
  start: () => Promise<T>,
): Promise<T> => {
  signal?.throwIfAborted();
  const done = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), done);
  });
  return Promise.race([start(), aborted]).finally(() => done.abort());
};
