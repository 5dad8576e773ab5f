// What a user does with their sessions and passwords.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { closePage, openPage, settle } from "../support/page.js";
import { Site } from "../support/site.js";
import { closeTabs, openTab } from "../support/tabs.js";

const ALICE = { id: 1, username: "alice" };

describe("the account", () => {
  let site, client, seen;

  beforeEach(async () => {
    site = new Site();
    openPage(site);
    site.logIn("alice");
    ({ client, seen } = openTab());
    await settle();
    site.calls.length = 0;
  });

  afterEach(() => {
    closeTabs();
    closePage();
  });

  const body = () => site.bodies.at(-1);

  it("lists its sessions, ends one, and ends all others", async () => {
    assert.deepEqual(await client.sessions.list(), [{ id: "session-1", current: true }]);
    assert.equal(await client.sessions.end("another/../one"), undefined);
    assert.equal(await client.sessions.endOthers(), 2);

    assert.deepEqual(site.calls, [
      "GET /api/auth/sessions/",
      "DELETE /api/auth/sessions/another%2F..%2Fone/",
      "DELETE /api/auth/sessions/",
    ]);
    assert.deepEqual(seen, []);
  });

  it("ends the current session as a logout", async () => {
    await client.sessions.end(client.getSnapshot().session.id);

    assert.deepEqual(seen, [["logout"]]);
    assert.equal(client.getSnapshot().user, null);
  });

  it("changes its password, and goes on under a new key", async () => {
    const passwords = { oldPassword: "right", newPassword: "better" };

    assert.deepEqual(await client.changePassword(passwords), ALICE);

    assert.deepEqual(body(), { old_password: "right", new_password: "better" });
    assert.equal(client.getSnapshot().session.id, "session-2");
    assert.deepEqual(seen, []);
  });

  it("has a link sent, whoever is logged in", async () => {
    site.logIn("bob");

    const sentence = await client.requestPasswordReset({ email: "alice@example.org" });

    assert.equal(sentence, "A link is on its way.");
    assert.deepEqual(body(), { email: "alice@example.org" });
  });

  it("learns whether a link is still good, whoever is logged in", async () => {
    site.logIn("bob");

    assert.equal(await client.checkPasswordReset({ uid: "u", token: "t" }), undefined);

    assert.deepEqual(body(), { uid: "u", token: "t" });
    const refusal = { status: 400, code: "invalid_request" };
    await assert.rejects(client.checkPasswordReset({ uid: "u", token: "old" }), refusal);
  });

  it("has a new password by a link, and notices that its sessions have ended", async () => {
    await client.confirmPasswordReset({ uid: "u", token: "t", newPassword: "better" });

    assert.deepEqual(site.bodies[0], { uid: "u", token: "t", new_password: "better" });
    assert.deepEqual(seen, [["ended", { reason: "ended" }]]);
  });

  it("asks nothing more after a new password where nobody was logged in", async () => {
    await client.logout();
    site.calls.length = 0;

    await client.confirmPasswordReset({ uid: "u", token: "t", newPassword: "better" });

    assert.deepEqual(site.calls, ["POST /api/auth/password/reset/confirm/"]);
  });

  for (const [name, call] of Object.entries({
    login: (options) => client.login({ username: "bob", password: "right" }, options),
    logout: (options) => client.logout(options),
    user: (options) => client.user(options),
    extend: (options) => client.extend(options),
    reauthenticate: (options) => client.reauthenticate({ password: "right" }, options),
    changePassword: (options) =>
      client.changePassword({ oldPassword: "right", newPassword: "new" }, options),
    requestPasswordReset: (options) => client.requestPasswordReset({ email: "a@b.c" }, options),
    checkPasswordReset: (options) => client.checkPasswordReset({ uid: "u", token: "t" }, options),
    confirmPasswordReset: (options) =>
      client.confirmPasswordReset({ uid: "u", token: "t", newPassword: "new" }, options),
    "sessions.list": (options) => client.sessions.list(options),
    "sessions.end": (options) => client.sessions.end("id", options),
    "sessions.endOthers": (options) => client.sessions.endOthers(options),
  })) {
    it(`lets ${name}() be aborted`, async () => {
      site.troubles = [new Promise(() => {})];
      const aborter = new AbortController();
      const answer = call({ signal: aborter.signal });
      await settle();

      aborter.abort();

      await assert.rejects(answer, { name: "AbortError" });
    });
  }
});
