// The store: whom it tells, and of what, in one tab.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { createSessionClient } from "../../src/session_auth/static/session_auth/session-auth.js";
import { fire, passTime, settle } from "../support/page.js";
import { ALICE, CREDENTIALS, LOOK, openPageForEach, site } from "../support/scene.js";
import { openTab } from "../support/tabs.js";

describe("the state of a client", () => {
  openPageForEach();

  it("asks nothing until somebody listens, then once for all listeners", async () => {
    const client = createSessionClient();
    await settle();
    assert.deepEqual(site.calls, []);
    assert.deepEqual(client.getSnapshot(), {
      status: "loading",
      user: null,
      session: null,
      expiring: null,
      error: null,
    });

    client.subscribe(() => {});
    client.on("login", () => {});
    fire("pageshow");
    fire("focus");
    await Promise.all([client.user(), client.user(), settle()]);

    assert.deepEqual(site.calls, [LOOK]);
    assert.equal(client.getSnapshot().status, "anonymous");
    client.close();
  });

  it("knows an existing session without an event: nobody has logged in", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();

    const { status, user, session, expiring } = client.getSnapshot();

    assert.deepEqual([status, user, session.id, expiring], ["authenticated", ALICE, "session-1", null]);
    assert.deepEqual(seen, []);
  });

  it("keeps the identity of the snapshot until something changes, and tells listeners then", async () => {
    site.logIn("alice");
    const { client } = openTab();
    await settle();
    const first = client.getSnapshot();
    let changes = 0;
    const off = client.subscribe(() => changes++);

    await client.user();
    assert.equal(client.getSnapshot(), first);
    assert.equal(changes, 0);

    await passTime({ minutes: 1 });
    await client.user();
    assert.notEqual(client.getSnapshot(), first);
    assert.equal(changes, 1);

    off();
    await client.logout();
    assert.equal(changes, 1);
  });

  it("keeps the identity of the user while it is the same one, however often the session changes", async () => {
    site.logIn("alice");
    const { client } = openTab();
    await settle();
    const { user } = client.getSnapshot();

    for (let minute = 0; minute < 5; minute++) {
      await passTime({ minutes: 1 });
      await client.extend();
    }

    assert.equal(client.getSnapshot().user, user);
  });

  it("has one event for another user, whatever has happened", async () => {
    const { client } = openTab();
    await settle();
    const seen = [];
    client.on("user", ({ user }) => seen.push(user?.username));

    await client.login(CREDENTIALS);
    await client.extend();
    await client.login({ username: "bob", password: "right" });
    site.end();
    await client.user();
    await client.login(CREDENTIALS);
    await client.logout();

    assert.deepEqual(seen, ["alice", "bob", undefined, "alice", undefined]);
  });

  it("tells of a switch where sessions have no pseudonyms, by the id", async () => {
    const answer = (id) => Response.json({ user: { id, username: "a" }, session: null });
    site.troubles = [answer(1), answer(1), answer(2)];
    const { client, seen } = openTab();

    for (let look = 0; look < 3; look++) await client.user();

    assert.deepEqual(seen, [["switched", { user: { id: 2, username: "a" } }]]);
  });

  it("is asked for in a page without BroadcastChannel, in a frame made of srcdoc, in a worker", async (test) => {
    const { BroadcastChannel } = globalThis;
    test.after(() => Object.assign(globalThis, { BroadcastChannel }));
    delete globalThis.BroadcastChannel;
    assert.equal((await createSessionClient().ready()).status, "anonymous");

    test.after(() => delete globalThis.origin);
    globalThis.origin = "https://site.example";
    globalThis.location = { href: "about:srcdoc", origin: "null" };
    delete globalThis.document;
    site.logIn("alice");
    assert.deepEqual((await createSessionClient().ready()).user, ALICE);
  });

  it("keeps what it knows when the server fails or cannot be reached", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();
    const known = client.getSnapshot();

    for (const trouble of [500, 503, 404, new TypeError("offline")]) {
      site.troubles = [trouble];
      await assert.rejects(client.user(), { name: "SessionAuthError" });
    }

    assert.equal(client.getSnapshot(), known);
    assert.deepEqual(seen, []);
  });

  it("looks again on focus, when visible and online again, at most once a minute", async () => {
    const { client } = openTab();
    await settle();
    const names = ["focus", "online", "visibilitychange"];
    names.forEach((name) => fire(name));
    await settle();
    assert.deepEqual(site.calls, [LOOK]);

    for (const name of names) {
      await passTime({ seconds: 61 });
      site.calls.length = 0;
      document.hidden = true;
      fire(name);
      await settle();
      assert.deepEqual(site.calls, [], `${name} while hidden`);
      document.hidden = false;
      fire(name);
      fire(name);
      await settle();
      assert.deepEqual(site.calls, [`${LOOK} passive`], name);
    }
    assert.equal(client.getSnapshot().status, "anonymous");
  });

  it("looks at once when the browser brings a page back, which may show who has logged out", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();
    fire("pagehide");
    site.end();

    fire("pageshow", { persisted: true });
    await settle();

    assert.deepEqual(seen, [["ended", { reason: "ended" }]]);
    assert.equal(client.getSnapshot().user, null);
  });

  it("takes no answer for current that has waited for the page to come back", async () => {
    site.logIn("alice");
    let letGo;
    site.troubles = [new Promise((resolve) => (letGo = resolve))];
    const { client } = openTab();
    await settle();
    fire("pagehide", { persisted: true });
    await passTime({ seconds: 10 });
    site.end();

    fire("pageshow", { persisted: true });
    const user = client.user(); // as docs/javascript.md has it
    letGo();

    assert.equal(await user, null);
    assert.equal(client.getSnapshot().status, "anonymous");
  });

  it("stops all of it when it is closed", async () => {
    site.logIn("alice");
    const { client } = openTab();
    await settle();
    client.close();
    site.calls.length = 0;

    fire("focus");
    fire("pageshow", { persisted: true });
    await passTime({ hours: 2 });

    assert.deepEqual(site.calls, []);
  });

  it("listens without a signal: under Jest, jsdom takes none of those that are Node's", () => {
    const listened = [];
    globalThis.addEventListener = (name, listener, ...options) => listened.push(options.length);
    const { client } = openTab();

    client.on("login", () => {});

    assert.deepEqual(new Set(listened), new Set([0]));
  });

  it("does nothing on a server that renders pages", () => {
    delete globalThis.document;
    delete globalThis.addEventListener;
    delete globalThis.location;
    const client = createSessionClient();

    const off = client.subscribe(() => assert.fail());
    client.on("login", () => assert.fail());

    assert.equal(client.getSnapshot().status, "loading");
    off();
    assert.deepEqual(site.calls, []);
  });
});
