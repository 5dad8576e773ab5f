// Logins, logouts and switches, in one tab.
import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { passTime, settle } from "../support/page.js";
import { ALICE, CREDENTIALS, LOOK, openPageForEach, site } from "../support/scene.js";
import { refuse } from "../support/site.js";
import { openTab } from "../support/tabs.js";

describe("a login", () => {
  openPageForEach();

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

  it("is refused where the answer names no user", async () => {
    const { client } = openTab();
    await settle();
    const { fetch } = site;
    globalThis.fetch = (request) => {
      document.cookie = "csrftoken=another"; // as after a login
      site.troubles = [Response.json({ articles: [] })];
      return fetch(request);
    };

    await assert.rejects(client.login(CREDENTIALS), { name: "SessionAuthError", code: "unknown" });

    assert.equal(client.getSnapshot().status, "anonymous");
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

    const clientWithoutCookies = async () => {
      document.cookie = "";
      const { client } = openTab();
      await settle();
      const hint = "CSRF check failed: the request carried no CSRF cookie.";
      const body = { error: "Reload the page.", code: "csrf_failed", hint };
      const csrfFailed = () => Response.json(body, { status: 403 });
      site.troubles = [undefined, csrfFailed(), undefined, csrfFailed()];
      return client;
    };

    it("says so where no cookie at all arrives", async () => {
      const client = await clientWithoutCookies();

      await assert.rejects(client.login(CREDENTIALS), refusal);
    });

    it("says so of any other call that needs one", async () => {
      const client = await clientWithoutCookies();

      await assert.rejects(client.requestPasswordReset({ email: "alice@example.com" }), refusal);
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

    it("believes the login where the server has not said it within five seconds", async () => {
      site.keepsCookies = false;
      const { client } = openTab();
      await settle();
      site.troubles = [undefined, new Promise(() => {})];
      let outcome = "it waits";
      client.login(CREDENTIALS).then((user) => (outcome = user));
      await settle();

      await passTime({ seconds: 6 });

      assert.deepEqual(outcome, ALICE);
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

  it("does not look for a wrong password", async () => {
    site.logIn("alice");
    const { client } = openTab();
    await settle();

    await assert.rejects(client.login({ username: "bob", password: "wrong" }), { status: 401 });
    await settle();

    assert.deepEqual(site.calls, [LOOK, "POST /api/auth/login/"]);
  });

  it("asks nobody again after a logout", async () => {
    site.logIn("alice");
    const { client } = openTab();
    await settle();
    site.calls.length = 0;

    await client.logout();

    assert.deepEqual(site.calls, ["POST /api/auth/logout/"]);
  });
});
