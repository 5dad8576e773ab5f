/** A store as the client has it, whose state the test sets. */
export function createStore() {
  let snapshot = { status: "loading", user: null, session: null, expiring: null, error: null };
  const listeners = new Set();
  return {
    listeners,
    getSnapshot: () => snapshot,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    show(next) {
      snapshot = next;
      listeners.forEach((listener) => listener());
    },
  };
}
