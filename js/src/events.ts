// Telling listeners.
import type { Core } from "./core.js";

export const emit = (core: Core, name: string, detail?: unknown) =>
  core._events.dispatchEvent(new CustomEvent(name, { detail }));
