/**
 * The session of django-session-auth in Vue: who is logged in, in every component that asks.
 *
 * @module vue
 */

import { computed, inject, onScopeDispose, shallowRef } from "vue";

/** @typedef {import("./session-auth.js").SessionClient} SessionClient */

/** @type {import("vue").InjectionKey<SessionClient>} */
const CLIENT = Symbol("session-auth");

/** `app.use(sessionPlugin, client)` */
export const sessionPlugin = {
  /** @param {import("vue").App} app @param {SessionClient} client */
  install(app, client) {
    app.provide(CLIENT, client);
  },
};

/** Return the client, and refs to the snapshot: `status`, `user`, `session`, `expiring`, `error`. */
export function useSession() {
  const client = inject(CLIENT);
  if (!client) throw new Error("Call app.use(sessionPlugin, client) first.");
  const snapshot = shallowRef(client.getSnapshot());
  onScopeDispose(client.subscribe(() => (snapshot.value = client.getSnapshot())));
  return {
    client,
    status: computed(() => snapshot.value.status),
    user: computed(() => snapshot.value.user),
    session: computed(() => snapshot.value.session),
    expiring: computed(() => snapshot.value.expiring),
    error: computed(() => snapshot.value.error),
  };
}
