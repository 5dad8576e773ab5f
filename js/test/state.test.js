// Who is logged in, as far as is known: the store and its events, in one tab.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { Window } from "happy-dom";

import { createSessionClient } from "../../src/session_auth/static/session_auth/session-auth.js";
import { closePage, fire, openPage, passTime, settle } from "../support/page.js";
import { Site, refuse } from "../support/site.js";
import { closeTabs, openTab } from "../support/tabs.js";

const ALICE = { id: 1, username: "alice" };
const CREDENTIALS = { username: "alice", password: "right" };
const LOOK = "GET /api/auth/user/";

describe("the state of a client", () => {
  let site;

  beforeEach(() => {
    site = new Site();
    openPage(site);
  });

  afterEach(() => {
    closeTabs();
    closePage();
  });

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

  it("tells of a login and of a logout, with the snapshot already new", async () => {
    const { client, seen } = openTab();
    await settle();
    const users = [];
    client.on("login", () => users.push(client.getSnapshot().user));
    client.on("logout", () => users.push(client.getSnapshot().user));

    assert.deepEqual(await client.login(CREDENTIALS), ALICE);
    assert.equal(client.getSnapshot().session.id, "session-1");
    await client.logout();

    assert.deepEqual(users, [ALICE, null]);
    assert.deepEqual(seen, [["login", { user: ALICE }], ["logout"]]);
    assert.equal(client.getSnapshot().status, "anonymous");
  });

  it("tells of a login before the first answer too", async () => {
    let arrive;
    site.troubles = [new Promise((resolve) => (arrive = resolve))];
    const { client, seen } = openTab();

    await client.login(CREDENTIALS);
    arrive(); // the answer of before the login
    await settle();

    assert.deepEqual(seen, [["login", { user: ALICE }]]);
    assert.deepEqual(client.getSnapshot().user, ALICE);
  });

  it("is logged in with the answer, without asking who is", async () => {
    const { client } = openTab();
    await settle();
    site.calls.length = 0;

    assert.deepEqual(await client.login(CREDENTIALS), ALICE);

    assert.equal(client.getSnapshot().session.id, "session-1");
    assert.deepEqual(site.calls, ["POST /api/auth/login/"]);
  });

  describe("where the browser does not keep the cookie", () => {
    const refusal = { name: "SessionAuthError", code: "cookie_not_kept" };

    it("says so, and what to do", async () => {
      site.keepsCookies = false;
      const { client, seen } = openTab();
      await settle();

      await assert.rejects(client.login(CREDENTIALS), { ...refusal, message: /keep cookies/, hint: /https/ });

      assert.deepEqual(seen, []);
      assert.equal(client.getSnapshot().status, "anonymous");
    });

    it("asks the server where a page is not served by HTTPS, too", async () => {
      location = new URL("http://localhost/");
      const { client } = openTab();
      await settle();
      const { fetch } = site;
      globalThis.fetch = async (request) => {
        const answer = await fetch(request);
        if (request.url.endsWith("login/")) site.end(); // its cookie is Secure, say
        return answer;
      };

      await assert.rejects(client.login(CREDENTIALS), refusal);
    });

    it("says so where no cookie at all arrives", async () => {
      document.cookie = "";
      const { client } = openTab();
      await settle();
      const hint = "CSRF check failed: the request carried no CSRF cookie.";
      const body = { error: "Reload the page.", code: "csrf_failed", hint };
      const csrfFailed = () => Response.json(body, { status: 403 });
      site.troubles = [undefined, csrfFailed(), undefined, csrfFailed()];

      await assert.rejects(client.login(CREDENTIALS), refusal);
    });

    it("takes no other refusal of a CSRF check for it", async () => {
      const { client } = openTab();
      await settle();
      site.troubles = [refuse(403, "csrf_failed"), undefined, refuse(403, "csrf_failed")];

      await assert.rejects(client.login(CREDENTIALS), { code: "csrf_failed" });
    });

    it("believes the login where the server cannot say it", async () => {
      site.keepsCookies = false;
      const { client } = openTab();
      await settle();
      site.troubles = [undefined, new TypeError("offline")];

      assert.deepEqual(await client.login(CREDENTIALS), ALICE);
    });
  });

  it("tells of a switch when somebody else logs in over a session", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();

    await client.login({ username: "bob", password: "right" });

    assert.deepEqual(seen, [["switched", { user: { id: 1, username: "bob" } }]]);
  });

  it("takes a new key of the same user for no switch", async () => {
    site.logIn("alice");
    const { client, seen } = openTab();
    await settle();

    await client.reauthenticate({ password: "right" });
    await client.login(CREDENTIALS);

    assert.deepEqual(seen, []);
    assert.equal(client.getSnapshot().session.id, "session-3");
  });

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

  it("does not look for a wrong password", async () => {
    site.logIn("alice");
    const { client } = openTab();
    await settle();

    await assert.rejects(client.login({ username: "bob", password: "wrong" }), { status: 401 });
    await settle();

    assert.deepEqual(site.calls, [LOOK, "POST /api/auth/login/"]);
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

  it("asks nobody again after a logout", async () => {
    site.logIn("alice");
    const { client } = openTab();
    await settle();
    site.calls.length = 0;

    await client.logout();

    assert.deepEqual(site.calls, ["POST /api/auth/logout/"]);
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
      assert.equal(message, "The server answered 404 without JSON.");
      assert.equal(hint, "Is baseUrl right? https://site.example/wrong/user/");
    });

    it("is cured by retry() at once", async () => {
      site.troubles = [503, 503];
      const { client } = openTab();
      await settle();

      assert.equal((await client.retry()).error.status, 503);
      assert.equal((await client.retry()).status, "anonymous");
    });
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
