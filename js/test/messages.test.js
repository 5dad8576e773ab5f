// The sentences of the client in other languages.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";

import { createFactors } from "../../src/session_auth/static/session_auth/factors.js";
import * as catalogues from "../../src/session_auth/static/session_auth/messages.js";
import {
  SessionAuthError,
  createSessionClient,
} from "../../src/session_auth/static/session_auth/session-auth.js";
import { closePage, openPage } from "../support/page.js";
import { Site } from "../support/site.js";

const { de, messagesFor } = catalogues;
const FOLDERS = { de: "de", es: "es", fr: "fr", ja: "ja", pt: "pt", ptBR: "pt_BR", zh: "zh_Hans" };
/** What the server says, too, by the codes. */
const SHARED = {
  passkey_failed: "No passkey was used.",
  user_changed: "Somebody else has logged in, perhaps in another tab. Reload before you go on.",
};

describe("messages", () => {
  let site;

  beforeEach(() => {
    site = new Site();
    openPage(site);
  });

  afterEach(() => {
    SessionAuthError.messages = {};
    closePage();
  });

  it("stand in the place of what the client says, and of the server's where the code is the same", async () => {
    SessionAuthError.messages = { ...de, throttled: "Nicht so schnell." };
    site.troubles = [
      new TypeError("offline"),
      new Response("<h1>Bad gateway</h1>", { status: 502 }),
      Response.json({ error: "Slow down.", code: "throttled" }, { status: 429 }),
      Response.json({ error: "Not yours.", code: "permission_denied" }, { status: 403 }),
    ];
    const call = () => createSessionClient().json("/api/x/").catch(({ message }) => message);

    assert.equal(await call(), "Der Server ist nicht erreichbar.");
    assert.equal(await call(), "Der Server hat nicht so geantwortet wie erwartet.");
    assert.equal(await call(), "Nicht so schnell.");
    assert.equal(await call(), "Not yours.");
  });

  it("are those of passkeys, too", async () => {
    SessionAuthError.messages = de;
    site.logIn("alice");
    navigator.credentials = { get: () => Promise.reject(new DOMException("", "NotAllowedError")) };

    await assert.rejects(createFactors(createSessionClient()).passkeys.login(), { message: de.passkey_failed });
  });

  it("are found by the tag of a language", () => {
    assert.equal(messagesFor("de"), de);
    assert.equal(messagesFor("pt-BR"), catalogues.ptBR);
    assert.equal(messagesFor("pt-AO"), catalogues.pt);
    assert.equal(messagesFor("ZH-hans-CN"), catalogues.zh);
    assert.deepEqual(messagesFor("en-GB"), {});
    assert.deepEqual(messagesFor("constructor"), {});
    assert.deepEqual(messagesFor(""), {});
  });

  for (const [language, folder] of Object.entries(FOLDERS)) {
    it(`are complete, and the server's where it says the same: ${language}`, () => {
      const path = `../../src/session_auth/locale/${folder}/LC_MESSAGES/django.po`;
      const catalogue = readFileSync(new URL(path, import.meta.url), "utf8").replaceAll('"\n"', "");

      assert.deepEqual(Object.keys(catalogues[language]), Object.keys(de));
      for (const [code, sentence] of Object.entries(SHARED)) {
        const [, theirs] = catalogue.split(`msgid "${sentence}"\nmsgstr "`);
        assert.equal(catalogues[language][code], theirs.split('"\n')[0]);
      }
    });
  }
});
