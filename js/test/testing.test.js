// The client for tests of projects: it tells its listeners what the real one would tell.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { SessionAuthError } from "django-session-auth";
import { createTestClient } from "django-session-auth/testing";

const ALICE = { id: 1, username: "alice" };
const BOB = { id: 2, username: "bob" };
const EVENTS = ["login", "logout", "ended", "switched", "user", "expiring"];

function open(state) {
  const client = createTestClient(state);
  const seen = [];
  for (const name of EVENTS) client.on(name, () => seen.push(name));
  return { client, seen };
}

describe("the client for tests", () => {
  it("is in any state from the start", () => {
    const statusOf = (state) => createTestClient(state).getSnapshot().status;

    assert.equal(statusOf(), "anonymous");
    assert.equal(statusOf({ user: ALICE }), "authenticated");
    assert.equal(statusOf({ user: undefined }), "loading");
    assert.equal(createTestClient({ error: { code: "network_error" } }).getSnapshot().error.code, "network_error");
    assert.equal(createTestClient({ user: ALICE, expiring: { secondsLeft: 60 } }).getSnapshot().expiring.kind, "idle");
  });

  it("goes from state to state, with the events of the real one", () => {
    const { client, seen } = open({ user: undefined });

    client.show({ user: null });
    client.show({ user: ALICE });
    client.show({ expiring: { secondsLeft: 60 } });
    client.show({ user: BOB });
    client.show({ user: null, reason: "idle" });

    assert.deepEqual(seen, ["login", "user", "expiring", "switched", "user", "ended", "user"]);
  });

  it("logs in and out, and keeps what was called", async () => {
    const { client, seen } = open();

    await client.login({ username: "alice", password: "right" });
    await client.logout();

    assert.deepEqual(client.calls, [["login", { username: "alice", password: "right" }], ["logout"]]);
    assert.deepEqual(seen, ["login", "user", "logout", "user"]);
  });

  it("answers", async () => {
    const client = createTestClient({ user: ALICE });
    client.answer("/api/articles/", { articles: [] });
    client.answer("/api/echo/", ({ body }) => body);

    assert.deepEqual(await client.json("/api/articles/?page=2"), { articles: [] });
    assert.deepEqual(await (await client.fetch("/api/articles/")).json(), { articles: [] });
    assert.equal(await client.json("/api/echo/", { method: "POST", body: 7 }), 7);
  });

  it("says which answer is missing", async () => {
    const client = createTestClient();
    client.answer("/api/nothing/", undefined);
    const refusal = { name: "Error", message: 'No answer for /api/typo/: give one by client.answer("/api/typo/", ...).' };

    await assert.rejects(client.json("/api/typo/?page=2"), refusal);
    await assert.rejects(client.fetch("/api/typo/"), refusal);
    assert.equal(await client.json("/api/nothing/"), undefined);
  });

  it("tells nobody of a state that is the same", () => {
    const { client, seen } = open({ user: ALICE });
    const before = client.getSnapshot();
    let changes = 0;
    client.subscribe(() => changes++);

    client.show({ user: ALICE });
    client.show({ user: { ...ALICE } });
    client.show({ expiring: null });
    assert.deepEqual([changes, seen, client.getSnapshot() === before], [0, [], true]);

    client.show({ user: BOB });
    assert.equal(changes, 1);
  });

  it("asks by a function that was given twice until both are undone", async () => {
    const client = createTestClient({ user: ALICE });
    let asked = 0;
    const ask = () => ++asked && false;
    const undo = [client.onReauthenticationRequired(ask), client.onReauthenticationRequired(ask)];
    const call = () => {
      client.refuse("sessions.endOthers", { code: "reauthentication_required" });
      return assert.rejects(client.sessions.endOthers());
    };

    undo[0]();
    await call();
    undo[1]();
    await call();

    assert.equal(asked, 1);
  });

  it("refuses once, by the class of the real one", async () => {
    const client = createTestClient();
    client.refuse("login", { code: "throttled", status: 429, retryAfter: 7 });
    const login = () => client.login({ username: "alice", password: "right" });

    await assert.rejects(login(), (error) => error instanceof SessionAuthError && error.retryAfter === 7);
    assert.deepEqual(await login(), ALICE);
  });

  it("asks for a proof where a call needs one", async () => {
    const client = createTestClient({ user: ALICE });
    let proven = true;
    client.onReauthenticationRequired(() => proven);
    const refuse = () => client.refuse("sessions.endOthers", { code: "reauthentication_required" });

    refuse();
    assert.equal(await client.sessions.endOthers(), 0);
    proven = false;
    refuse();
    await assert.rejects(client.sessions.endOthers(), { code: "reauthentication_required" });
  });

  it("has every call of the real one", async () => {
    const { createSessionClient } = await import("django-session-auth");
    const real = createSessionClient();
    const double = createTestClient({ user: ALICE });
    double.listed = [{ id: "a", current: true }, { id: "b", current: false }];

    assert.deepEqual(Object.keys(real).filter((name) => !(name in double)), []);
    assert.equal((await double.ready()).user, ALICE);
    assert.equal((await double.retry()).user, ALICE);
    assert.equal(await double.user(), ALICE);
    assert.equal(await double.extend(), ALICE);
    assert.equal(await double.reauthenticate({ password: "right" }), ALICE);
    assert.equal(await double.changePassword({ oldPassword: "a", newPassword: "b" }), ALICE);
    assert.equal((await double.sessions.list()).length, 2);
    assert.equal(await double.sessions.endOthers(), 1);
    assert.match(await double.requestPasswordReset({ email: "a@b.c" }), /link/);
    await double.confirmPasswordReset({ uid: "u", token: "t", newPassword: "new" });
    assert.equal(double.getSnapshot().status, "anonymous");
  });
});
