// Second factors and passkeys: what is asked of the server, and what of the browser.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { createFactors } from "../../src/session_auth/static/session_auth/factors.js";
import { closePage, openPage, passTime, settle } from "../support/page.js";
import { refuse, Site } from "../support/site.js";
import { closeTabs, openTab } from "../support/tabs.js";

const ALICE = { id: 1, username: "alice" };
const STAGE = {
  error: "Prove that it is you.",
  code: "second_factor_required",
  methods: ["passkey", "totp"],
  expires_at: "2026-11-25T12:10:00Z",
};
const CREDENTIALS = { username: "alice", password: "right" };
const OPTIONS = { challenge: "-_8", rpId: "site.example", allowCredentials: [{ id: "AQ", type: "public-key" }] };
const RP = { id: "site.example", name: "Example" };
const NEW = { challenge: "AQ", rp: RP };
const buffer = (...values) => Uint8Array.from(values).buffer;

const json = (status, data) => Response.json(data, { status });
const due = () => json(401, STAGE);

/** A browser of today, whose user takes the passkey `taken`, or an error; or never does. */
class Browser {
  taken = {
    id: "cred-1",
    type: "public-key",
    response: { clientDataJSON: buffer(251, 255), signature: buffer(1), userHandle: null },
  };
  asked = [];
  told = [];

  constructor() {
    const ask = (kind) => (options) => {
      this.asked.push([kind, options]);
      return new Promise((resolve, reject) => {
        options.signal.addEventListener("abort", () => reject(options.signal.reason));
        if (this.taken instanceof Error) reject(this.taken);
        else if (this.taken) resolve(this.taken);
      });
    };
    navigator.credentials = { get: ask("get"), create: ask("create") };
    const tell = (name) => async (news) => void this.told.push([name, news]);
    globalThis.PublicKeyCredential = {
      isConditionalMediationAvailable: async () => true,
      parseCreationOptionsFromJSON: (options) => ({ parsed: options }),
      parseRequestOptionsFromJSON: (options) => ({ parsed: options }),
      signalAllAcceptedCredentials: tell("all"),
      signalUnknownCredential: tell("unknown"),
    };
  }
}

describe("second factors", () => {
  let site, client, seen, factors, browser;

  beforeEach(async () => {
    site = new Site();
    openPage(site);
    browser = new Browser();
    ({ client, seen } = openTab());
    factors = createFactors(client);
    await settle();
    site.calls.length = 0;
  });

  afterEach(() => {
    closeTabs();
    closePage();
    delete globalThis.PublicKeyCredential;
  });

  const paths = () => site.calls.map((call) => call.replace("/api/auth/", ""));
  const body = () => site.bodies.at(-1);
  /** What the next requests are answered with; undefined leaves it to the site. */
  const answers = (...given) => (site.troubles = given);

  describe("a login in stages", () => {
    it("resolves to the user where no stage is due", async () => {
      assert.deepEqual(await factors.login(CREDENTIALS), { user: ALICE, stage: null });
    });

    it("resolves to the stage that is due, and nobody is logged in", async () => {
      answers(due());

      assert.deepEqual(await factors.login(CREDENTIALS), { user: null, stage: STAGE });
      assert.equal(client.getSnapshot().status, "anonymous");
      assert.deepEqual(seen, []);
    });

    it("is an error of the client itself, which has all that the server has said", async () => {
      answers(due());

      await assert.rejects(client.login(CREDENTIALS), { code: STAGE.code, data: STAGE });
    });

    it("rejects what is refused", async () => {
      await assert.rejects(factors.login({ ...CREDENTIALS, password: "wrong" }), {
        code: "invalid_credentials",
      });
    });

    it("goes on by a code, and tells all of the login", async () => {
      const { user } = await factors.pass({ method: "totp", code: "123456", trust: true });

      assert.deepEqual(user, ALICE);
      assert.deepEqual(body(), { method: "totp", code: "123456", trust: true });
      assert.deepEqual(seen, [["login", { user: ALICE }]]);
    });

    it("goes on to the next stage", async () => {
      answers(due());

      assert.deepEqual((await factors.pass({ method: "terms", accept: true })).stage, STAGE);
    });

    it("goes on by a passkey, which the browser is asked for", async () => {
      const { user } = await factors.pass({ method: "passkey" });

      assert.deepEqual(user, ALICE);
      assert.deepEqual(paths().slice(0, 2), ["POST passkeys/options/", "POST login/second-factor/"]);
      assert.deepEqual(site.bodies[0], { purpose: "stage" });
      assert.deepEqual(body().credential.id, "cred-1");
    });

    it("goes on by a key that needs a password beside it", async () => {
      const publicKey = { challenge: "c", userVerification: "discouraged" };

      await factors.pass({ method: "security_key", publicKey });

      assert.deepEqual(paths()[0], "POST login/second-factor/");
      assert.deepEqual(Object.keys(body()), ["method", "credential"]);
      const [[kind, options]] = browser.asked;
      assert.deepEqual([kind, options.publicKey], ["get", { parsed: publicKey }]);
    });

    it("goes on by the first passkey of a user who must have one", async () => {
      await factors.pass({ method: "passkey_setup", publicKey: NEW, name: "Laptop" });

      assert.deepEqual(Object.keys(body()), ["method", "name", "credential"]);
      const [[kind, options]] = browser.asked;
      assert.deepEqual([kind, options.publicKey], ["create", { parsed: NEW }]);
    });
  });

  describe("a login by a passkey", () => {
    it("asks for no name", async () => {
      assert.deepEqual(await factors.passkeys.login({ remember: true }), { user: ALICE, stage: null });

      assert.deepEqual(body(), {
        remember: true,
        credential: {
          id: "cred-1",
          rawId: "cred-1",
          type: "public-key",
          response: { clientDataJSON: "-_8", signature: "AQ" },
        },
      });
      assert.deepEqual(seen, [["login", { user: ALICE }]]);
    });

    it("may have a stage of the project after it", async () => {
      answers(undefined, due());

      assert.deepEqual((await factors.passkeys.login()).stage, STAGE);
    });

    it("tells the browser of a passkey that the site does not know", async () => {
      answers(undefined, "unknown_passkey");

      await assert.rejects(factors.passkeys.login(), { code: "unknown_passkey" });

      assert.deepEqual(browser.told, [["unknown", { rpId: "site.example", credentialId: "cred-1" }]]);
    });

    it("tells of no passkey that has proven nothing", async () => {
      answers(undefined, "invalid_credentials");

      await assert.rejects(factors.passkeys.login(), { code: "invalid_credentials" });

      assert.deepEqual(browser.told, []);
    });

    it("is refused as all else is where the user takes none", async () => {
      browser.taken = new DOMException("...", "NotAllowedError");

      const refusal = { name: "SessionAuthError", code: "passkey_failed", cause: browser.taken };
      await assert.rejects(factors.passkeys.login(), refusal);
    });

    it("can be aborted while the browser asks", async () => {
      browser.taken = null;
      const aborter = new AbortController();
      const login = factors.passkeys.login({ signal: aborter.signal });
      await settle();

      aborter.abort();

      await assert.rejects(login, { name: "AbortError" });
    });
  });

  describe("autofill", () => {
    it("logs in when the user takes a passkey", async () => {
      assert.deepEqual(await factors.passkeys.autofill(), { user: ALICE, stage: null });
      assert.equal(browser.asked[0][1].mediation, "conditional");
    });

    it("asks nothing of a browser that has none", async () => {
      delete PublicKeyCredential.isConditionalMediationAvailable;
      assert.equal(await factors.passkeys.autofill(), null);
      delete globalThis.PublicKeyCredential;
      assert.equal(await factors.passkeys.autofill(), null);

      assert.equal(factors.passkeys.isSupported(), false);
      assert.deepEqual(site.calls, []);
    });

    it("gives way to the button", async () => {
      browser.taken = null;
      const login = factors.passkeys.autofill();
      await settle();
      browser.taken = { id: "cred-2", response: {} };

      assert.deepEqual((await factors.passkeys.login()).user, ALICE);
      assert.equal(await login, null);
    });

    it("does not disturb the button while that is asking", async () => {
      browser.taken = null;
      const aborter = new AbortController();
      const button = factors.passkeys.login({ signal: aborter.signal });
      await settle();

      assert.equal(await factors.passkeys.autofill(), null);

      assert.equal(browser.asked.length, 1);
      aborter.abort();
      await assert.rejects(button, { name: "AbortError" });
    });

    it("gets other options before those are too old", async () => {
      browser.taken = null;
      const aborter = new AbortController();
      const login = factors.passkeys.autofill({ signal: aborter.signal });
      await settle();

      await passTime({ minutes: 9 });

      assert.equal(browser.asked.length, 3);
      aborter.abort();
      await assert.rejects(login, { name: "AbortError" });
    });
  });

  describe("the page of a user", () => {
    beforeEach(async () => {
      await client.login(CREDENTIALS);
      seen.length = site.calls.length = site.bodies.length = 0;
    });

    it("lists what there is", async () => {
      const list = { passkeys: [], totp: null, recovery_codes_left: 0, available: ["totp"] };
      answers(json(200, list));

      assert.deepEqual(await factors.list(), list);
    });

    it("adds a passkey, and goes on under a new key", async () => {
      answers(json(200, { publicKey: NEW }));
      browser.taken.response.getTransports = () => ["internal"];

      await factors.passkeys.add({ name: "Laptop" });

      assert.deepEqual(paths(), ["POST factors/passkeys/options/", "POST factors/passkeys/"]);
      assert.equal(body().name, "Laptop");
      assert.deepEqual(body().credential.response.transports, ["internal"]);
      assert.equal(client.getSnapshot().session.id, "session-2");
      assert.deepEqual(seen, []);
    });

    it("says so where the browser has one already", async () => {
      answers(json(200, { publicKey: NEW }));
      browser.taken = new DOMException("...", "InvalidStateError");

      await assert.rejects(factors.passkeys.add(), { message: /already/, code: "passkey_exists" });
    });

    it("renames and removes passkeys, and tells the browser which are left", async () => {
      const signals = { rpId: "site.example", userId: "u", allAcceptedCredentialIds: [] };
      answers(json(200, { name: "Phone" }), json(200, { signals }));

      await factors.passkeys.rename("a/b", "Phone");
      await factors.passkeys.remove("a/b");

      const path = "factors/passkeys/a%2Fb/";
      assert.deepEqual(paths(), [`PATCH ${path}`, `DELETE ${path}`]);
      assert.deepEqual(browser.told, [["all", signals]]);
    });

    it("removes passkeys in a browser that knows none", async () => {
      delete globalThis.PublicKeyCredential;
      answers(json(200, { signals: {} }));

      assert.equal(await factors.passkeys.remove("a"), undefined);
    });

    it("sets up an app by its first code, and removes it", async () => {
      const app = { secret: "ABC", uri: "otpauth://", qr_code: "<svg/>" };
      answers(json(200, app));

      assert.deepEqual(await factors.totp.begin(), app);
      await factors.totp.confirm("123456");
      await factors.totp.remove();

      assert.deepEqual(paths(), ["POST factors/totp/", "POST factors/totp/confirm/", "DELETE factors/totp/"]);
      assert.deepEqual(body(), { code: "123456" });
      assert.equal(client.getSnapshot().session.id, "session-2");
    });

    it("makes recovery codes, and removes them", async () => {
      answers(json(201, { recovery_codes: ["a", "b"] }));

      assert.deepEqual(await factors.recoveryCodes.renew(), ["a", "b"]);
      assert.equal(await factors.recoveryCodes.remove(), undefined);

      assert.deepEqual(paths(), ["POST factors/recovery-codes/", "DELETE factors/recovery-codes/"]);
    });

    it("proves again who it is, by password, code or passkey", async () => {
      await factors.prove({ password: "right" });
      assert.deepEqual(body(), { password: "right" });
      await factors.prove({ method: "totp", code: "123456" });
      assert.deepEqual(body(), { method: "totp", code: "123456" });
      await factors.prove({ method: "passkey" });
      assert.equal(body().credential.id, "cred-1");

      assert.equal(client.getSnapshot().session.id, "session-4");
    });

    it("is asked for a proof first, where the last is too long ago", async () => {
      client.onReauthenticationRequired(() => factors.prove({ method: "passkey" }));
      answers(refuse(403, "reauthentication_required"), undefined, undefined, json(200, { publicKey: NEW }));

      await factors.passkeys.add();

      assert.deepEqual(browser.asked.map(([kind]) => kind), ["get", "create"]);
    });
  });

  it("reads the options itself in browsers that cannot", async () => {
    delete PublicKeyCredential.parseRequestOptionsFromJSON;
    delete PublicKeyCredential.parseCreationOptionsFromJSON;
    const user = { id: "AQ", name: "alice", displayName: "alice" };
    answers(json(200, { publicKey: OPTIONS }));

    await factors.passkeys.login();
    await factors.pass({
      method: "passkey_setup",
      publicKey: { ...NEW, user, excludeCredentials: [{ id: "Ag", type: "public-key" }] },
    });

    const [[, used], [, made]] = browser.asked;
    assert.deepEqual(used.publicKey, {
      ...OPTIONS,
      challenge: Uint8Array.of(251, 255),
      allowCredentials: [{ id: Uint8Array.of(1), type: "public-key" }],
    });
    assert.deepEqual(made.publicKey.rp, RP);
    assert.deepEqual(made.publicKey.user, { ...user, id: Uint8Array.of(1) });
    assert.deepEqual(made.publicKey.excludeCredentials[0].id, Uint8Array.of(2));
  });
});
