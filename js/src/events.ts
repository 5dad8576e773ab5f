// Telling listeners.
import type { Core } from "./core.js";
import { pageOrigin } from "./page.js";

export const emit = (core: Core, name: string, detail?: unknown) =>
  core._events.dispatchEvent(new CustomEvent(name, { detail }));

/** Call `listener` at each such event; returns what undoes it. On a server, nothing ever happens. */
export const on = (core: Core, name: string, listener: (detail: any) => void): () => void => {
  const call = (event: Event) => listener((event as CustomEvent).detail);
  if (pageOrigin()) core._events.addEventListener(name, call);
  return () => core._events.removeEventListener(name, call);
};
