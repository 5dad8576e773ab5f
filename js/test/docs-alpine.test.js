// The page of docs/alpine.md: it runs, and does what it says.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Window } from "happy-dom";

import { bundle } from "../support/bundle.js";
import { closePage, openPage, settle } from "../support/page.js";
import { Site } from "../support/site.js";
import { read } from "../support/snippets.js";

const NAMES = ["Element", "HTMLElement", "MutationObserver", "Node", "ShadowRoot"];

describe("the page of docs/alpine.md", () => {
  let window, document;

  const shown = () => document.body.textContent.replace(/\s+/g, " ");
  const button = (text) => [...document.querySelectorAll("button")].find((each) => each.textContent === text);

  async function click(text) {
    button(text).click();
    await settle();
  }

  function fill(selector, text) {
    const field = document.querySelector(selector);
    field.value = text;
    field.dispatchEvent(new window.Event("input", { bubbles: true }));
  }

  before(async () => {
    openPage(new Site());
    window = new Window({ url: location.href });
    ({ document } = window);
    document.cookie = "csrftoken=token";
    const [, body] = read("docs/alpine.md").match(/<body x-data>(.*?)<\/body>/s);
    document.body.setAttribute("x-data", "");
    document.body.innerHTML = body;
    // Alpine sends its events to the document of happy-dom, the client to an EventTarget of Node.
    const { CustomEvent } = globalThis;
    globalThis.CustomEvent = function (name, options) {
      return new (name.startsWith("alpine:") ? window.CustomEvent : CustomEvent)(name, options);
    };
    // In a page, the client keeps its channel to the other tabs open, and so would Node.
    Object.assign(globalThis, { window, document, BroadcastChannel: undefined });
    for (const name of NAMES) globalThis[name] = window[name];
    await import(await bundle("docs/alpine.md"));
    await settle();
  });

  after(async () => {
    closePage();
    await window.happyDOM.close();
  });

  it("shows a visitor the form, and why a password is refused", async () => {
    fill('[autocomplete="username"]', "alice");
    fill('[type="password"]', "wrong");

    await click("Sign in");

    assert.equal(document.querySelector("[role=alert]").textContent, "A sentence.");
  });

  it("shows a user who they are, and signs them out", async () => {
    fill('[type="password"]', "right");
    await click("Sign in");
    assert.match(shown(), /Signed in as alice/);
    assert.equal(button("Sign in"), undefined);

    await click("Sign out");

    assert.ok(button("Sign in"));
    assert.doesNotMatch(shown(), /alice/);
  });
});
