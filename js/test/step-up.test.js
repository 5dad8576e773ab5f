// Calls that need a recent login: they wait for a proof of the password, and are sent once more.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { closePage, openPage, passTime, settle } from "../support/page.js";
import { Site, refuse } from "../support/site.js";
import { closeTabs, openTab } from "../support/tabs.js";

const VAULT = "/api/auth/vault/";

describe("step-up", () => {
  let site, client;

  beforeEach(async () => {
    site = new Site();
    openPage(site);
    site.logIn("alice");
    ({ client } = openTab());
    await passTime({ minutes: 20 }); // the proof is too old by now
    site.calls.length = 0;
  });

  afterEach(() => {
    closeTabs();
    closePage();
  });

  const sent = (path = VAULT) => site.calls.filter((call) => call.endsWith(path)).length;

  it("hands the refusal over where nobody asks the user", async () => {
    const off = client.onReauthenticationRequired(() => assert.fail());
    off();

    await assert.rejects(client.json(VAULT), { status: 403, code: "reauthentication_required" });

    assert.equal(sent(), 1);
  });

  it("tells the handler what was refused, and so what would do", async () => {
    const asked = [];
    site.recentMethods = ["totp"];
    client.onReauthenticationRequired(({ code, data }) => asked.push(code, data.methods) && false);

    await client.fetch(VAULT);

    assert.deepEqual(asked, ["reauthentication_required", ["totp"]]);
  });

  it("asks by the first handler again when the second has gone", async () => {
    const asked = [];
    client.onReauthenticationRequired(() => asked.push("first") && false);
    const off = client.onReauthenticationRequired(() => asked.push("second") && false);

    await client.fetch(VAULT);
    off();
    await client.fetch(VAULT);

    assert.deepEqual(asked, ["second", "first"]);
  });

  it("asks by a function that was given twice until both are undone", async () => {
    let asked = 0;
    const ask = () => ++asked && false;
    const undo = [client.onReauthenticationRequired(ask), client.onReauthenticationRequired(ask)];

    undo[0]();
    undo[0]();
    await client.fetch(VAULT);
    assert.equal(asked, 1);
    undo[1]();
    await client.fetch(VAULT);
    assert.equal(asked, 1);
  });

  it("asks the user once for all calls, and sends each once more with its body", async () => {
    let asked = 0;
    client.onReauthenticationRequired(async () => {
      asked += 1;
      await client.reauthenticate({ password: "right" });
    });

    const calls = [1, 2, 3].map((number) =>
      client.fetch(VAULT, { method: "PUT", body: JSON.stringify({ number }) }),
    );
    const answers = await Promise.all(calls);

    assert.deepEqual(answers.map(({ status }) => status), [204, 204, 204]);
    assert.equal(asked, 1);
    assert.equal(sent(), 6);
    const numbers = site.bodies.map(({ number }) => number).filter(Boolean);
    assert.deepEqual(numbers, [1, 2, 3, 1, 2, 3]);
  });

  it("may be asked for by what renews the session itself", async () => {
    client.onReauthenticationRequired(() => client.reauthenticate({ password: "right" }));
    site.troubles = [refuse(403, "reauthentication_required")];

    await client.changePassword({ oldPassword: "right", newPassword: "new" });

    assert.equal(sent("/password/change/"), 2);
  });

  it("is for reads too", async () => {
    client.onReauthenticationRequired(() => client.reauthenticate({ password: "right" }));

    assert.equal((await client.fetch(VAULT)).status, 204);
  });

  it("gives the calls their refusal when the user cancels", async () => {
    client.onReauthenticationRequired(async () => false);

    await assert.rejects(client.sessions.endOthers(), { code: "reauthentication_required" });

    assert.equal(sent("/api/auth/sessions/"), 1);
  });

  for (const Bug of [RangeError, TypeError]) {
    it(`lets a ${Bug.name} of the dialog through, and asks again the next time`, async () => {
      const answers = [new Bug("a bug of the page"), undefined];
      client.onReauthenticationRequired(async () => {
        const error = answers.shift();
        if (error) throw error;
        await client.reauthenticate({ password: "right" });
      });

      await assert.rejects(client.json(VAULT), { name: Bug.name, message: "a bug of the page" });
      assert.equal((await client.fetch(VAULT)).status, 204);
    });
  }

  it("sends a call a second time only, whatever the server says then", async () => {
    let asked = 0;
    client.onReauthenticationRequired(() => {
      asked += 1; // and proves nothing
    });

    await assert.rejects(client.json(VAULT), { code: "reauthentication_required" });

    assert.equal(asked, 1);
    assert.equal(sent(), 2);
  });

  it("asks nobody again for a call that was on its way during the proof", async () => {
    let arrive, asked = 0;
    client.onReauthenticationRequired(() => {
      asked += 1;
      return client.reauthenticate({ password: "right" });
    });
    site.troubles = [new Promise((resolve) => (arrive = resolve))];
    const late = client.fetch(VAULT);
    await settle();
    await client.fetch(VAULT);
    arrive();

    assert.equal((await late).status, 204);
    assert.equal(asked, 1);
  });

  it("waits no longer for the dialog than the call is wanted", async () => {
    const aborter = new AbortController();
    client.onReauthenticationRequired(() => new Promise(() => {}));
    const call = client.fetch(VAULT, { signal: aborter.signal });
    await settle();

    aborter.abort();

    await assert.rejects(call, { name: "AbortError" });
    assert.equal(sent(), 1);
  });

  it("has wrong passwords refused without the session's being over", async () => {
    await assert.rejects(client.reauthenticate({ password: "wrong" }), {
      status: 401,
      code: "invalid_credentials",
    });

    assert.equal(client.getSnapshot().status, "authenticated");
  });
});
