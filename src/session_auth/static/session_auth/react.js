/**
 * The session of django-session-auth in React: who is logged in, in every component that asks.
 *
 * @module react
 */

import { createContext, createElement, useContext, useSyncExternalStore } from "react";

/**
 * @typedef {import("./session-auth.js").SessionClient} SessionClient
 * @typedef {import("./session-auth.js").Snapshot} Snapshot
 */

const ClientContext = createContext(/** @type {SessionClient | null} */ (null));

/** @type {Snapshot} For pages that a server renders, and for their first render in the browser. */
const LOADING = { status: "loading", user: null, session: null, expiring: null, error: null };

/**
 * Put this around all components that use the session.
 *
 * @param {{ client: SessionClient, children?: import("react").ReactNode }} props
 */
export function SessionProvider({ client, children }) {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** Return the client, to call its methods. */
export function useSessionClient() {
  const client = useContext(ClientContext);
  if (!client) throw new Error("Put <SessionProvider client={...}> around this component.");
  return client;
}

/** Return the snapshot: `status`, `user`, `session`, `expiring` and `error`. */
export function useSession() {
  const client = useSessionClient();
  return useSyncExternalStore(client.subscribe, client.getSnapshot, () => LOADING);
}

/** Return the user, or null if nobody is logged in or that is not known yet. */
export function useUser() {
  return useSession().user;
}
