// What answers tell of who is logged in, and what becomes of the calls.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { createSessionClient } from "../../src/session_auth/static/session_auth/session-auth.js";
import { fire, passTime, settle } from "../support/page.js";
import { ALICE, CREDENTIALS, LOOK, openPageForEach, site } from "../support/scene.js";
import { openTab } from "../support/tabs.js";

describe("an answer", () => {
  openPageForEach();

  it("learns of the end of a session from any call that says so", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();
    site.end();

    await assert.rejects(client.json("/api/auth/vault/"), { status: 401, code: "session_ended" });

    assert.deepEqual(seen, [["ended", { reason: "ended" }]]);
    assert.equal(client.getSnapshot().status, "anonymous");
    assert.deepEqual(site.calls, [LOOK, "GET /api/auth/vault/", `${LOOK} passive`]);
  });

  it("has a call of a session that has ended refused without a look where nobody was logged in", async () => {
    const { client, seen } = openTab();
    await settle();

    await assert.rejects(client.json("/api/auth/vault/"), { code: "session_ended" });

    assert.deepEqual(seen, []);
    assert.deepEqual(site.calls, [LOOK, "GET /api/auth/vault/"]);
  });

  it("learns of the end from the proof of a password too", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();
    site.end();

    await assert.rejects(client.reauthenticate({ password: "right" }), { code: "session_ended" });
    await settle();

    assert.deepEqual(seen, [["ended", { reason: "ended" }]]);
  });

  for (const hasLocks of [true, false]) {
    const where = hasLocks ? "" : ", without locks too";
    it(`sends a call again that left with the old key while the session got a new one${where}`, async () => {
      if (!hasLocks) delete navigator.locks;
      site.logIn("alice");
      const { client, seen } = openTab();
      await settle();
      let arrive;
      site.troubles = [new Promise((resolve) => (arrive = resolve)), "session_ended"];
      const proof = client.reauthenticate({ password: "right" });
      await settle();
      const call = client.json("/api/auth/open/", { method: "POST", body: {} });
      await settle();
      assert.equal(site.calls.length, 3); // it waits for the new key before it asks who is logged in
      arrive();

      assert.deepEqual(await call, { by: "alice" });
      await proof;
      assert.deepEqual(seen, []);
    });
  }

  it("hands a refusal over when nobody can say whether the session is over", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();
    site.troubles = ["session_ended", new TypeError("offline"), "session_ended"];

    assert.equal((await client.fetch("/api/auth/open/")).status, 401);

    assert.deepEqual(seen, []);
    assert.equal(client.getSnapshot().status, "authenticated");
  });

  it("sends no call again for another user", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();
    site.logIn("bob");
    site.troubles = ["session_ended"];

    await assert.rejects(client.json("/api/auth/open/"), { code: "session_ended" });

    assert.deepEqual(seen, [["switched", { user: { id: 1, username: "bob" } }]]);
  });

  for (const refusal of ["not JSON", '{"detail": "Log in."}', '{"code": "token_not_valid"}']) {
    it(`looks after any 401: ${refusal}`, async () => {
      site.logIn("alice");
      const { client, seen } = openTab();
      await settle();
      site.end();
      site.troubles = [new Response(refusal, { status: 401 })];

      assert.equal((await client.fetch("/api/other/")).status, 401);

      assert.deepEqual(seen, [["ended", { reason: "ended" }]]);
    });
  }

  it("sends no call again that was refused for another reason than an old key", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();
    site.troubles = [new Response('{"detail": "Wrong PIN."}', { status: 401 })];

    assert.equal((await client.fetch("/api/auth/open/", { method: "POST" })).status, 401);

    assert.equal(site.calls.filter((call) => call === "POST /api/auth/open/").length, 1);
    assert.deepEqual(seen, []);
  });

  it("has switched before a read is refused that was to show another user's data", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();
    site.logIn("bob"); // in the admin, say, which tells nobody

    await assert.rejects(client.json("/api/auth/open/"), { status: 409, code: "user_changed" });

    assert.deepEqual(seen, [["switched", { user: { id: 1, username: "bob" } }]]);
    assert.deepEqual(await client.json("/api/auth/open/"), { by: "bob" });
  });

  it("knows that nobody is logged in any more before it hands over what is for everybody", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();
    site.end();

    assert.deepEqual(await client.json("/api/auth/open/"), { by: null });

    assert.deepEqual(seen, [["ended", { reason: "ended" }]]);
    assert.deepEqual(site.calls, [LOOK, "GET /api/auth/open/", `${LOOK} passive`]);
  });

  it("learns with the next read that somebody has logged in, and reads again as them", async () => {
    const { client, seen } = openTab();
    await settle();
    site.logIn("alice");

    assert.deepEqual(await client.json("/api/auth/open/"), { by: "alice" });

    assert.deepEqual(seen, [["login", { user: ALICE }]]);
  });

  it("writes nothing in the name of somebody whom it did not show", async () => {
    const { client, seen } = openTab();
    await settle();
    site.logIn("alice");

    const write = client.json("/api/auth/open/", { method: "POST", body: {} });

    await assert.rejects(write, { status: 409 });
    assert.deepEqual(seen, [["login", { user: ALICE }]]);
  });

  it("learns who is logged in from the answer of a login of another make", async () => {
    const { client, seen } = openTab();
    await settle();
    site.logIn("alice");
    site.troubles = [new Response("{}", { headers: { "Session-User": "ref-alice" } })];

    await client.fetch("/accounts/login/", { method: "POST" });

    assert.deepEqual(seen, [["login", { user: ALICE }]]);
  });

  it("says nothing of whom it shows where it does not know it, or the caller says it", async () => {
    const client = createSessionClient();
    await client.fetch("/api/auth/open/");
    assert.equal(site.lastRequest.headers.get("Session-User"), null);
    await client.user();

    await client.fetch("/api/auth/open/");
    assert.equal(site.lastRequest.headers.get("Session-User"), "none");

    await client.fetch("/api/auth/open/", { headers: { "Session-User": "mine" } });
    assert.equal(site.lastRequest.headers.get("Session-User"), "mine");
    assert.deepEqual(site.calls.filter((call) => call.startsWith(LOOK)), [LOOK]);
  });

  /** Have the answer to a look held up on its way, until what this returns is called. */
  async function holdLook() {
    await passTime({ minutes: 2 });
    let letGo;
    site.troubles = [new Promise((resolve) => (letGo = resolve))];
    fire("focus");
    await settle();
    return letGo;
  }

  for (const path of ["vault/", "open/"]) {
    it(`of ${path} is not explained by a look that asked before it`, async () => {
      site.logIn("alice");
      const { client, seen } = openTab();
      await settle();
      const letGo = await holdLook();
      site.end();

      const answer = client.fetch(`/api/auth/${path}`);
      await settle();
      letGo();
      await answer;

      assert.deepEqual(seen, [["ended", { reason: "ended" }]]);
    });
  }

  it("for another user has switched before the call rejects, whatever was asked before", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();
    const letGo = await holdLook();
    site.logIn("bob");

    const answer = client.json("/api/auth/open/");
    answer.catch(() => seen.push("rejected"));
    await settle();
    letGo();
    await assert.rejects(answer, { code: "user_changed" });

    assert.deepEqual(seen, [["switched", { user: { id: 1, username: "bob" } }], "rejected"]);
  });

  it("learns nothing from a call that was sent without the cookie on purpose", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();

    const response = await client.fetch("/api/auth/vault/", { credentials: "omit" });

    assert.equal(response.status, 401);

    assert.deepEqual(seen, []);
    assert.equal(client.getSnapshot().status, "authenticated");
  });

  it("takes a late refusal of before a login for what it is", async () => {
    const { client, seen } = openTab();
    await settle();
    let arrive;
    site.troubles = [new Promise((resolve) => (arrive = resolve))];
    const late = client.fetch("/api/auth/vault/");
    await passTime({ seconds: 1 });

    await client.login(CREDENTIALS);
    arrive();

    assert.equal((await late).status, 401);
    assert.deepEqual(seen, [["login", { user: ALICE }]]);
  });
});
