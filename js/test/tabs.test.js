// Several tabs of one browser: what one learns, all know, and one asks for all of them.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { createSessionClient } from "../../src/session_auth/static/session_auth/session-auth.js";
import { START, closePage, fire, openPage, passTime, setClock, settle } from "../support/page.js";
import { ALICE, LOOK, openPageForEach, site } from "../support/scene.js";
import { openTab } from "../support/tabs.js";

const BOB = { id: 1, username: "bob" };
const CHANNEL = "session-auth https://site.example/api/auth/";

describe("tabs", () => {
  openPageForEach();

  async function openTabs(count, options) {
    const tabs = [];
    for (let number = 0; number < count; number++) {
      tabs.push(openTab(options));
      await passTime({ seconds: 1 });
    }
    site.calls.length = 0;
    return tabs;
  }

  it("all tell of a login, a logout and a switch, and only one asks the server", async () => {
    const [here, there, third] = await openTabs(3);

    await here.client.login({ username: "alice", password: "right" });
    await settle();
    await there.client.login({ username: "bob", password: "right" });
    await settle();
    await here.client.logout();
    await settle();

    const events = [["login", { user: ALICE }], ["switched", { user: BOB }], ["logout"]];
    for (const tab of [here, there, third]) {
      assert.deepEqual(tab.seen, events);
      assert.equal(tab.client.getSnapshot().status, "anonymous");
    }
    assert.deepEqual(site.calls, [
      "POST /api/auth/login/",
      "POST /api/auth/login/",
      "POST /api/auth/logout/",
    ]);
  });

  it("wait for the new key that another gets before they ask who is logged in", async () => {
    site.logIn("alice");
    const [here, there] = await openTabs(2);
    let arrive;
    site.troubles = [new Promise((resolve) => (arrive = resolve)), "session_ended"];
    const proof = here.client.reauthenticate({ password: "right" });
    await settle();
    const call = there.client.json("/api/auth/open/", { method: "POST", body: {} });
    await settle();
    assert.deepEqual(site.calls, ["POST /api/auth/reauthenticate/", "POST /api/auth/open/"]);
    arrive();

    assert.deepEqual(await call, { by: "alice" });
    await proof;
    assert.deepEqual(there.seen, []);
  });

  for (const where of ["another tab", "the same tab"]) {
    it(`wait no longer than a while for a proof that hangs in ${where}`, async () => {
      site.logIn("alice");
      const [here, there] = await openTabs(2);
      site.troubles = [new Promise(() => {})];
      here.client.reauthenticate({ password: "right" }).catch(() => {});
      await settle();
      site.end();
      const waiting = where === "the same tab" ? here : there;
      const call = waiting.client.fetch("/api/auth/vault/");

      await passTime({ seconds: 7 });

      assert.equal((await call).status, 401);
      assert.equal(waiting.client.getSnapshot().status, "anonymous");
    });
  }

  it("prove the password without the one in which a proof hangs, and may give it up before", async () => {
    site.logIn("alice");
    const [here, there] = await openTabs(2);
    const aborter = new AbortController();
    site.troubles = [new Promise(() => {})];
    here.client.reauthenticate({ password: "right" }).catch(() => {});
    await settle();
    const proof = there.client.reauthenticate({ password: "right" });
    const givenUp = there.client.reauthenticate({ password: "right" }, { signal: aborter.signal });
    await settle();

    aborter.abort();
    await assert.rejects(givenUp, { name: "AbortError" });
    await passTime({ seconds: 7 });

    assert.deepEqual(await proof, ALICE);
  });

  it("wait for that new key before they look by themselves, too", async () => {
    site.logIn("alice");
    const [here, there] = await openTabs(2);
    let arrive;
    site.troubles = [new Promise((resolve) => (arrive = resolve))];
    const proof = here.client.reauthenticate({ password: "right" });
    await settle();
    fire("pagehide");
    fire("pageshow", { persisted: true });
    const looked = there.client.user();
    await settle();
    assert.deepEqual(site.calls, ["POST /api/auth/reauthenticate/"]);
    arrive();

    await Promise.all([proof, looked]);
    assert.deepEqual(here.seen.concat(there.seen), []);
  });

  it("that show nobody wait for no login of another", async () => {
    const [here, there] = await openTabs(2);
    site.troubles = [new Promise(() => {})];
    here.client.login({ username: "alice", password: "right" });
    await settle();

    await there.client.user();

    assert.equal(site.calls.at(-1), LOOK);
  });

  it("hear of a login in a tab that nobody watches", async () => {
    const [here] = await openTabs(1);

    await createSessionClient().login({ username: "alice", password: "right" });
    await settle();

    assert.deepEqual(here.seen, [["login", { user: ALICE }]]);
  });

  it("all tell of an end that one of them runs into", async () => {
    site.logIn("alice");
    const [here, there] = await openTabs(2);
    site.end();

    await here.client.fetch("/api/auth/vault/");
    await settle();

    assert.deepEqual(there.seen, [["ended", { reason: "ended" }]]);
  });

  it("with another base URL are of another site", async () => {
    const [here] = await openTabs(1);
    const [other] = await openTabs(1, { baseUrl: "/other/" });

    await here.client.login({ username: "alice", password: "right" });
    await settle();

    assert.deepEqual(other.seen, []);
  });

  it("that show another user have their unsafe calls refused, and show the new one then", async () => {
    site.logIn("alice");
    const [here] = await openTabs(1);
    site.logIn("bob"); // by a page of the server, in another tab: nobody tells

    await assert.rejects(here.client.json("/api/auth/open/", { method: "POST" }), {
      status: 409,
      code: "user_changed",
    });
    await settle();

    assert.deepEqual(here.seen, [["switched", { user: BOB }]]);
    assert.deepEqual(site.calls, ["POST /api/auth/open/", `${LOOK} passive`]);
    assert.deepEqual(await here.client.json("/api/auth/open/", { method: "POST" }), { by: "bob" });
  });

  it("that show another user end no session of the new one, but may log in", async () => {
    site.logIn("alice");
    const [here] = await openTabs(1);
    site.logIn("bob");

    await assert.rejects(here.client.logout(), { code: "user_changed" });
    assert.equal(site.session.username, "bob");

    const [there] = await openTabs(1);
    site.logIn("alice");
    await there.client.login({ username: "bob", password: "right" });
    assert.equal(site.session.username, "bob");
  });

  it("tell the server whom they show on calls to this origin only", async () => {
    site.logIn("alice");
    const [here] = await openTabs(1);

    const shown = [];
    for (const [url, method] of [
      ["/api/auth/open/", "POST"],
      ["/api/auth/open/", "GET"],
      ["https://elsewhere.example/", "POST"],
    ]) {
      await here.client.fetch(url, { method });
      shown.push(site.lastRequest.headers.get("Session-User"));
    }

    assert.deepEqual(shown, ["ref-alice", "ref-alice", null]);
  });

  it("let one of them look for all when all come online", async () => {
    site.logIn("alice");
    const tabs = await openTabs(4);
    await passTime({ seconds: 61 });

    fire("online");
    await passTime({ seconds: 1 });

    assert.deepEqual(site.calls, [`${LOOK} passive`]);
    assert.equal(tabs[3].client.getSnapshot().status, "authenticated");
  });

  it("look for themselves if the one that looked was not answered", async () => {
    site.logIn("alice");
    await openTabs(2);
    await passTime({ seconds: 61 });
    site.troubles = [new TypeError("offline")];

    fire("online");
    await passTime({ seconds: 1 });

    assert.deepEqual(site.calls, [`${LOOK} passive`, `${LOOK} passive`]);
  });

  it("do well without locks, which pages without HTTPS have not", async (test) => {
    openPageAgain(test, undefined);
    site.logIn("alice");
    const tabs = await openTabs(3);
    await passTime({ seconds: 61 });

    fire("online");
    await passTime({ seconds: 1, steps: 20 });

    assert.deepEqual(site.calls, [`${LOOK} passive`]);
    assert.equal(tabs[2].client.getSnapshot().status, "authenticated");
  });

  /** The same page with other locks, and chance that is none: 0.1, 0.2, 0.3. */
  function openPageAgain(test, locks) {
    closePage();
    openPage(site, { locks });
    let calls = 0;
    test.mock.method(Math, "random", () => (++calls % 10) / 10);
  }

  it("do well with locks that the browser refuses, as where it keeps no cookies", async (test) => {
    const refused = new DOMException("The request was denied.", "SecurityError");
    openPageAgain(test, { request: () => Promise.reject(refused) });
    const [{ client, seen }] = await openTabs(1);

    await client.login({ username: "alice", password: "right" });
    await assert.rejects(client.reauthenticate({ password: "wrong" }), { code: "invalid_credentials" });
    await passTime({ seconds: 61 });
    fire("online");
    await passTime({ seconds: 1, steps: 20 });

    assert.deepEqual(seen, [["login", { user: ALICE }]]);
    const sent = ["POST /api/auth/login/", "POST /api/auth/reauthenticate/", `${LOOK} passive`];
    assert.deepEqual(site.calls, sent);
  });

  it("drop an answer that another tab's news has overtaken", async () => {
    site.logIn("alice");
    const [here, there] = await openTabs(2);
    let arrive;
    site.troubles = [new Promise((resolve) => (arrive = resolve))];
    const late = here.client.user();
    await settle();

    await passTime({ seconds: 1 });
    await there.client.logout();
    await settle();
    arrive();

    assert.equal(await late, null);
    assert.deepEqual(here.seen, [["logout"]]);
    assert.deepEqual(there.seen, [["logout"]]);
  });

  it("go on when the clock of the computer is put back", async () => {
    site.logIn("alice");
    const [here] = await openTabs(1);
    setClock(START - 3_600_000);
    const there = openTab(); // which knows the new time alone
    await settle();

    await there.client.logout();
    await settle();

    assert.deepEqual(here.seen, [["logout"]]);
  });

  it("take no notice of messages of another make", async () => {
    site.logIn("alice");
    const [here] = await openTabs(1);
    const known = here.client.getSnapshot();
    const stranger = new BroadcastChannel(CHANNEL);
    const asOf = Date.now() + 10;

    for (const message of [
      null,
      undefined,
      "logout",
      7,
      {},
      { user: null, session: null },
      { user: null, session: null, asOf: "now" },
      { user: "bob", session: null, asOf },
      { user: null, session: 1, asOf },
      { user: null, asOf },
      { user: BOB, session: {}, asOf, endsAt: "soon" },
      { user: BOB, session: {}, asOf, endsAt: -1 },
    ]) {
      stranger.postMessage(message);
    }
    await settle();
    stranger.close();

    assert.equal(here.client.getSnapshot(), known);
    assert.deepEqual(here.seen, []);
  });
});
