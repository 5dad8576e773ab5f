// What the apps that docs/react.md, docs/vue.md and docs/svelte.md build up have to do: the same.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Window } from "happy-dom";

import { bundle } from "./bundle.js";
import { closePage, fire, openPage, passTime, settle } from "./page.js";
import { Site } from "./site.js";

// What React, Vue and Svelte look for, beside window and document.
const NAMES = [
  "Comment",
  "Document",
  "Element",
  "HTMLElement",
  "HTMLIFrameElement",
  "HTMLMediaElement",
  "MathMLElement",
  "Node",
  "ShadowRoot",
  "SVGElement",
  "Text",
];

/** A channel that does not keep the process: no page closes the client of the app. */
class LooseChannel extends BroadcastChannel {
  constructor(name) {
    super(name);
    this.unref();
  }
}

class SiteWithArticles extends Site {
  articles = [{ id: 1, title: "The first" }];

  constructor() {
    super();
    const { fetch } = this;
    this.fetch = async (request) => {
      if (new URL(request.url).pathname !== "/api/articles/") return fetch(request);
      if (request.method === "GET") return Response.json({ articles: this.articles });
      assert.match(request.headers.get("X-CSRFToken"), /^token/);
      return Response.json({ id: 2, ...(await request.json()) });
    };
  }
}

/** Test the app of `page`, which starts in the element with this `id`. */
export const testApp = (page, id) => describe(`the app of ${page}`, () => {
  let window, document, site;

  const shown = () => document.body.textContent.replace(/\s+/g, " ");
  const button = (text) =>
    [...document.querySelectorAll("button")].find((each) => each.textContent === text);

  async function click(text) {
    button(text).click();
    await settle();
  }

  async function fill(selector, text) {
    const field = document.querySelector(selector);
    field.value = text;
    field.dispatchEvent(new window.Event("input", { bubbles: true }));
    await settle();
  }

  before(async () => {
    site = new SiteWithArticles();
    openPage(site);
    window = new Window({ url: location.href });
    ({ document } = window);
    document.cookie = "csrftoken=token";
    document.body.innerHTML = `<div id="${id}"></div>`;
    Object.assign(globalThis, { window, document, BroadcastChannel: LooseChannel });
    for (const name of NAMES) globalThis[name] = window[name];
    await import(await bundle(page));
    await settle();
  });

  after(async () => {
    closePage();
    await window.happyDOM.close();
  });

  it("shows a visitor the form, and why a password is refused", async () => {
    assert.doesNotMatch(shown(), /Signed in|The first/);
    await fill('[autocomplete="username"]', "alice");
    await fill('[type="password"]', "wrong");

    await click("Sign in");

    assert.equal(document.querySelector("[role=alert]").textContent, "A sentence.");
  });

  it("shows a user what was behind the guard", async () => {
    await fill('[type="password"]', "right");

    await click("Sign in");

    assert.match(shown(), /Signed in as alice/);
    assert.match(shown(), /The first/);
    assert.equal(button("Sign in"), undefined);
  });

  it("writes", async () => {
    await fill('[name="title"]', "The second");
    await fill('[name="body"]', "Text");

    await click("Publish");

    assert.match(shown(), /The second.*The first/);
    assert.equal(document.querySelector('[name="title"]').value, "");
  });

  it("warns before the session ends, and lets the user stay", async () => {
    await passTime({ minutes: 29, seconds: 10 });
    assert.match(shown(), /You will soon be signed out: in 50 seconds/);

    await click("Stay signed in");

    assert.doesNotMatch(shown(), /You will soon be signed out/);
  });

  it("tells of a refusal that the user does not cure", async () => {
    await click("Sign out elsewhere");
    assert.ok(document.querySelector("dialog").open);

    await click("Cancel");

    assert.equal(document.querySelector("dialog"), null);
    assert.match(shown(), /Sign out elsewhere ?A sentence\./);
  });

  it("asks for the password until it is right, and then does what was asked for", async () => {
    await click("Sign out elsewhere");
    await fill('dialog [type="password"]', "wrong");
    await click("Confirm");
    assert.equal(document.querySelector("dialog [role=alert]").textContent, "A sentence.");
    await fill('dialog [type="password"]', "right");
    site.calls.length = 0;

    await click("Confirm");

    assert.equal(document.querySelector("dialog"), null);
    assert.equal(site.calls.at(-1), "DELETE /api/auth/sessions/");
    assert.doesNotMatch(shown(), /A sentence/);
  });

  it("lets a proof of the password move the absolute end", async () => {
    site.idleSeconds = 2 * site.absoluteSeconds;
    await passTime({ minutes: 2 });
    fire("focus"); // the client looks
    await passTime({ hours: 23, minutes: 57, seconds: 10 });
    assert.match(shown(), /You will soon be signed out: in 50 seconds/);
    await fill('[type="password"]', "right");

    await click("Stay signed in");

    assert.doesNotMatch(shown(), /You will soon be signed out/);
  });

  it("shows nothing of the user after the sign-out", async () => {
    await click("Sign out");

    assert.doesNotMatch(shown(), /alice|The first/);
    assert.ok(button("Sign in"));
  });
});
