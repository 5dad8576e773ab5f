// How it becomes known who is logged in: by asking, or by what the page says.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Window } from "happy-dom";

import { createSessionClient } from "../../src/session_auth/static/session_auth/session-auth.js";
import { passTime, settle } from "../support/page.js";
import { ALICE, CREDENTIALS, LOOK, openPageForEach, site } from "../support/scene.js";
import { openTab } from "../support/tabs.js";

describe("who is logged in", () => {
  openPageForEach();

  describe("while nobody can say who is logged in", () => {
    it("says why, and is cured by itself, soon at first", async () => {
      site.logIn("alice");
      site.troubles = [503, new TypeError("offline"), 503];
      const { client } = openTab();
      let changes = 0;
      client.subscribe(() => changes++);
      await settle();
      const { status, error } = client.getSnapshot();
      assert.deepEqual([status, error.name, error.status], ["loading", "SessionAuthError", 503]);

      await passTime({ seconds: 14 });

      assert.equal(client.getSnapshot().status, "authenticated");
      assert.equal(client.getSnapshot().error, null);
      assert.equal(site.calls.length, 4);
      assert.equal(changes, 4); // a cause each, and the cure
    });

    it("asks no sooner than the server says", async () => {
      const busy = { status: 503, headers: { "Retry-After": "20" } };
      site.troubles = [new Response("{}", busy)];
      openTab();
      await settle();

      await passTime({ seconds: 19 });
      assert.equal(site.calls.length, 1);
      await passTime({ seconds: 2 });
      assert.equal(site.calls.length, 2);
    });

    it("asks less and less often", async () => {
      site.troubles = Array(100).fill(503);
      openTab();

      await passTime({ minutes: 5, steps: 300 });

      assert.ok(site.calls.length > 8 && site.calls.length < 16, `${site.calls.length} calls`);
    });

    it("names the address, which may be a wrong baseUrl", async () => {
      site.troubles = [new Response("<h1>Not found</h1>", { status: 404 })];
      const { client } = openTab({ baseUrl: "/wrong/" });
      await settle();

      const { message, hint } = client.getSnapshot().error;
      assert.equal(message, "The server answered 404.");
      assert.equal(hint, "Is baseUrl right? https://site.example/wrong/user/");
    });

    for (const [answer, status] of [
      ['{"articles": "/api/articles/"}', 200],
      ["[]", 200],
      ["7", 200],
      ["", 200],
      ["<!doctype html>", 200],
      ['{"error": "Not found.", "code": "not_found"}', 404],
    ]) {
      it(`takes no answer of another address for it: ${status} ${answer}`, async () => {
        site.troubles = [new Response(answer, { status })];
        const { client } = openTab({ baseUrl: "/api/" });
        await settle();

        const { status: known, error } = client.getSnapshot();
        assert.deepEqual([known, error?.name], ["loading", "SessionAuthError"]);
        assert.equal(error.hint, "Is baseUrl right? https://site.example/api/user/");
      });
    }

    it("is cured by retry() at once", async () => {
      site.troubles = [503, 503];
      const { client } = openTab();
      await settle();

      assert.equal((await client.retry()).error.status, 503);
      assert.equal((await client.retry()).status, "anonymous");
    });
  });

  describe("given with the page", () => {
    const known = () => {
      site.logIn("alice");
      return { ...site.describe(), now: new Date().toISOString() };
    };

    it("is the state at once, without a request or an event", async () => {
      const { client, seen } = openTab({ initial: known() });

      assert.equal(client.getSnapshot().status, "authenticated");
      assert.deepEqual(client.getSnapshot().user, ALICE);
      await passTime({ seconds: 10 });
      assert.deepEqual(site.calls, []);
      assert.deepEqual(seen, []);
    });

    it("says that nobody is logged in, too", () => {
      const client = createSessionClient({ initial: { user: null } });

      assert.equal(client.getSnapshot().status, "anonymous");
    });

    it("is asked for where the page says something else", async () => {
      const { client } = openTab({ initial: { error: "Not found." } });
      await settle();

      assert.equal(client.getSnapshot().status, "anonymous");
      assert.deepEqual(site.calls, [LOOK]);
    });

    it("is reckoned with by the clock of the server", async () => {
      site.clockAhead = 50_000;
      const initial = { ...known(), now: new Date(site.now()).toISOString() };
      const { client } = openTab({ initial });

      await passTime({ minutes: 28, seconds: 50 });
      assert.equal(client.getSnapshot().expiring, null);
      await passTime({ seconds: 20 });
      assert.notEqual(client.getSnapshot().expiring, null);
    });

    it("is not trusted in a page that the browser has kept", async () => {
      const initial = known();
      site.end();
      await passTime({ seconds: 61 });
      const { client } = openTab({ initial });
      assert.equal(client.getSnapshot().status, "loading");
      await settle();

      assert.equal(client.getSnapshot().status, "anonymous");
      assert.deepEqual(site.calls, [LOOK]);
    });

    it("is not trusted in a page that the user has gone back to", (test) => {
      test.mock.method(performance, "getEntriesByType", () => [{ type: "back_forward" }]);

      const client = createSessionClient({ initial: known() });

      assert.equal(client.getSnapshot().status, "loading");
    });

    it("tells other tabs, which a login by a form does not", async () => {
      const there = openTab();
      await passTime({ seconds: 1 });

      openTab({ initial: known() });
      await settle();

      assert.deepEqual(there.seen, [["login", { user: ALICE }]]);
    });

    it("is taken from the page once, whatever its markup calls itself", async () => {
      const window = new Window();
      const { document } = window;
      document.body.innerHTML =
        '<p id="session-auth">{}</p><img name="querySelector">' +
        '<script id="session-auth" type="application/json">{"user": {"id": 1, "username": "alice"}}</script>';
      Object.assign(globalThis, { document, Document: window.Document });
      try {
        assert.deepEqual(createSessionClient().getSnapshot().user, ALICE);
        assert.equal(createSessionClient().getSnapshot().status, "loading");
      } finally {
        delete globalThis.Document;
        await window.happyDOM.close();
      }
    });
  });

  describe("for routers and loaders", () => {
    it("is ready after one request that counts as no activity", async () => {
      site.logIn("alice");
      const client = createSessionClient();

      const [first, second] = await Promise.all([client.ready(), client.ready()]);
      const third = await client.ready();

      assert.equal(first.status, "authenticated");
      assert.equal(second, first);
      assert.equal(third, first);
      assert.deepEqual(site.calls, [`${LOOK} passive`]);
      client.close();
    });

    it("waits for the look that is under way", async () => {
      site.logIn("alice");
      const { client } = openTab();

      assert.equal((await client.ready()).status, "authenticated");

      assert.deepEqual(site.calls, [LOOK]);
    });

    it("rejects while nobody can say who is logged in, and asks anew the next time", async () => {
      site.troubles = [503];
      const client = createSessionClient();

      await assert.rejects(client.ready(), { status: 503 });

      assert.equal((await client.ready()).status, "anonymous");
      client.close();
    });

    it("stays current, as with a listener", async () => {
      const client = createSessionClient();
      await client.ready();
      const there = openTab();
      await settle();

      await there.client.login(CREDENTIALS);
      await settle();

      assert.equal((await client.ready()).user.username, "alice");
      client.close();
    });

    it("knows nothing on a server that renders pages, and asks nobody", async () => {
      delete globalThis.document;
      delete globalThis.location;

      assert.equal((await createSessionClient().ready()).status, "loading");

      assert.deepEqual(site.calls, []);
    });
  });
});
