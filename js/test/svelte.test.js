// The stores for Svelte follow the contract of stores, as Svelte's own get() and readable() do.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { action, countdown, sessionStore, stepUp, userStore } from "django-session-auth/svelte";
import { createTestClient } from "django-session-auth/testing";
import { derived, get } from "svelte/store";

const ALICE = { id: 1, username: "alice" };

describe("the stores for Svelte", () => {
  it("tell their value at once, and whenever it changes", () => {
    const client = createTestClient();
    const seen = [];
    const stop = sessionStore(client).subscribe(({ status }) => seen.push(status));

    client.show({ user: ALICE });
    stop();
    client.show({ user: null });

    assert.deepEqual(seen, ["anonymous", "authenticated"]);
  });

  it("are stores to Svelte", () => {
    const client = createTestClient({ user: ALICE });

    assert.equal(get(derived(userStore(client), (user) => user.username)), "alice");
  });

  it("tell nothing of the user where only the session has changed", () => {
    const client = createTestClient({ user: ALICE });
    const seen = [];
    userStore(client).subscribe((user) => seen.push(user));

    client.show({ expiring: { secondsLeft: 60 } });

    assert.deepEqual(seen, [ALICE]);
  });

  it("count down", (test) => {
    test.mock.timers.enable({ apis: ["setInterval", "Date"] });
    const client = createTestClient({ user: ALICE });
    const seen = [];
    const stop = countdown(client).subscribe((expiring) => seen.push(expiring?.secondsLeft ?? null));

    client.show({ expiring: { secondsLeft: 60 } });
    test.mock.timers.tick(1000);
    test.mock.timers.tick(1000);
    client.show({ expiring: null });
    test.mock.timers.tick(2000);
    stop();

    assert.deepEqual(seen, [null, 60, 59, 58, null]);
  });

  it("keep what was refused, until the next try", async () => {
    const client = createTestClient();
    const signIn = action(client.login);
    const states = [];
    signIn.subscribe(({ pending, error, fields }) => states.push([pending, error?.code, fields.password]));
    client.refuse("login", { code: "invalid_request", fields: { password: ["Too short."] } });

    await Promise.all([signIn.run({ password: "a" }), signIn.run({ password: "a second click" })]);
    await signIn.run({ username: "alice", password: "right" });

    const idle = [false, undefined, undefined];
    const busy = [true, undefined, undefined];
    assert.deepEqual(states, [idle, busy, [false, "invalid_request", ["Too short."]], busy, idle]);
    assert.equal(client.calls.length, 2);
    await assert.rejects(action(() => { throw new RangeError("a bug"); }).run(), RangeError);
  });

  it("ask for the proof of a password, as long as somebody looks", async () => {
    const client = createTestClient({ user: ALICE });
    const dialog = stepUp(client);
    const endOthers = () => {
      client.refuse("sessions.endOthers", { code: "reauthentication_required" });
      return client.sessions.endOthers();
    };
    let state;
    const stop = dialog.subscribe((value) => (state = value));

    const first = endOthers();
    await Promise.resolve();
    assert.equal(state.asking, true);
    client.refuse("reauthenticate", { code: "invalid_credentials" });
    await dialog.prove({ password: "wrong" });
    assert.equal(state.error.code, "invalid_credentials");
    await dialog.prove({ password: "right" });
    assert.equal(await first, 0);
    assert.deepEqual(state, { asking: false, methods: [], pending: false, error: null });

    const second = endOthers();
    await Promise.resolve();
    dialog.cancel();
    await assert.rejects(second, { code: "reauthentication_required" });
    stop();
    await assert.rejects(endOthers(), { code: "reauthentication_required" });
  });

  it("say what would do as a proof, and take as many as they are given", async () => {
    const client = createTestClient({ user: ALICE });
    const given = [];
    const dialog = stepUp(client, async (proof) => void given.push(proof));
    let state;
    dialog.subscribe((value) => (state = value));
    const data = { methods: ["password", "totp"] };
    client.refuse("sessions.endOthers", { code: "reauthentication_required", data });
    const answer = client.sessions.endOthers();
    await Promise.resolve();
    assert.deepEqual(state.methods, ["password", "totp"]);

    await dialog.prove({ password: "right" }, { method: "totp", code: "123456" });

    assert.equal(await answer, 0);
    assert.deepEqual(given, [{ password: "right" }, { method: "totp", code: "123456" }]);
    assert.deepEqual(state.methods, []);
  });
});
