import assert from "node:assert/strict";

import { createSessionClient } from "../../src/session_auth/static/session_auth/session-auth.js";

const EVENTS = ["login", "logout", "ended", "switched", "expiring"];
const open = new Set();

/** The end is a time; when the warning comes, it says the same as `secondsLeft`. */
function withoutEnd({ endsAt, ...detail }) {
  if (endsAt) assert.equal(Math.max(0, Math.round((endsAt - Date.now()) / 1000)), detail.secondsLeft);
  return detail;
}

/** Open the client of one tab; `seen` lists its events as they come. */
export function openTab(options) {
  const client = createSessionClient(options);
  const seen = [];
  for (const name of EVENTS) {
    client.on(name, (detail) => seen.push(detail ? [name, withoutEnd(detail)] : [name]));
  }
  open.add(client);
  return { client, seen };
}

export function closeTabs() {
  for (const client of open) client.close();
  open.clear();
}
