// The messages of the client and its bindings that docs/pitfalls.md quotes are those that come.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { createSessionClient } from "django-session-auth";
import { useUser } from "django-session-auth/react";
import { useSession } from "django-session-auth/vue";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { createSSRApp } from "vue";
import { renderToString as renderVue } from "vue/server-renderer";

import { closePage, openPage } from "../support/page.js";
import { Site } from "../support/site.js";
import { read } from "../support/snippets.js";

const quotes = (heading) => {
  const [, text] = read("docs/pitfalls.md").split(`### ${heading}\n`);
  return [...text.split("\n##")[0].matchAll(/^> `(\w*Error: .*)`$/gm)].map(([, quote]) => quote);
};

describe("who walks into a pit reads what the page quotes", () => {
  let site;

  beforeEach(() => {
    site = new Site();
    openPage(site);
  });

  afterEach(closePage);

  const messageOf = (answer) => {
    globalThis.fetch = answer;
    return createSessionClient().json("https://elsewhere.example/api/articles/").catch(String);
  };
  const page = (status) => async () => new Response("<!doctype html>", { status });

  it("where the page is on another origin", async () => {
    const message = await messageOf(async () => {
      throw new TypeError("Failed to fetch"); // as Chromium has it, beside what the console tells
    });

    assert.deepEqual(quotes("The page is on another origin"), [message]);
  });

  it("where a proxy answers", async () => {
    assert.deepEqual(quotes("An answer of another server"), [await messageOf(page(502))]);
  });

  it("where a page of HTML answers", async () => {
    assert.deepEqual(quotes("A page of HTML where JSON should be"), [await messageOf(page(200))]);
  });

  it("where the browser keeps no cookie", async () => {
    site.keepsCookies = false;
    const refused = createSessionClient().login({ username: "alice", password: "right" });

    const heading = "The login succeeds, and nobody is logged in";
    assert.deepEqual(quotes(heading), [await refused.catch(String)]);
  });

  it("where the provider or the plugin is missing", async () => {
    const component = { setup: () => void useSession(), render: () => null };
    const seen = [];
    try {
      renderToString(createElement(() => useUser().username));
    } catch (error) {
      seen.push(String(error));
    }
    const app = createSSRApp(component);
    app.config.warnHandler = () => {};
    seen.push(await renderVue(app).catch(String));

    assert.deepEqual(quotes("A component finds no client"), seen);
  });
});
