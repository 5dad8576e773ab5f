// WebSockets and streams of events in components of React and of Vue.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";

import { createLive } from "django-session-auth/live";
import * as forReact from "django-session-auth/react";
import { Window } from "happy-dom";
import { StrictMode, act, createElement } from "react";
import { createRoot } from "react-dom/client";

import { installFeeds, opened } from "../support/feeds.js";
import { closePage, openPage, settle } from "../support/page.js";
import { Site } from "../support/site.js";
import { closeTabs, openTab } from "../support/tabs.js";

const OPEN = 1;
const last = () => opened.at(-1);
const openOnes = () => opened.filter(({ isClosed }) => !isClosed).map(({ url }) => new URL(url).pathname);

/** What each framework does: show a component with these properties, or another one in its place. */
const FRAMEWORKS = {
  React(window) {
    const root = createRoot(window.document.createElement("div"));
    const shown = {};
    function Page({ live, path, listeners, kind }) {
      if (kind === "socket") Object.assign(shown, forReact.useSocket(live, path, listeners, ["v1"]));
      else shown.isOpen = forReact.useEvents(live, path, listeners);
      return null;
    }
    return {
      shown: () => shown,
      act,
      show: (given) => act(() => root.render(createElement(StrictMode, null, createElement(Page, given)))),
      leave: () => act(() => root.unmount()),
    };
  },

  async Vue(window) {
    const vue = await import("vue");
    const forVue = await import("django-session-auth/vue");
    let app, feed;
    const path = vue.ref();
    let told;
    return {
      shown: () => ({ isOpen: feed.isOpen.value, send: feed.send }),
      act: async (change) => (await change(), vue.nextTick()),
      async show(given) {
        path.value = given.path;
        told = given.listeners;
        if (app) return vue.nextTick();
        // In Vue, setup() runs once: it is for the listeners to be current.
        const listeners = { open: () => told.open?.(), message: (event) => told.message(event) };
        app = vue.createApp({
          setup() {
            if (given.kind === "socket") feed = forVue.useSocket(given.live, path, listeners, ["v1"]);
            else feed = { isOpen: forVue.useEvents(given.live, () => path.value, listeners) };
            return () => null;
          },
        });
        app.mount(window.document.createElement("div"));
      },
      leave: async () => app.unmount(),
    };
  },
};

for (const [framework, start] of Object.entries(FRAMEWORKS)) {
  for (const kind of ["socket", "events"]) {
    describe(`${kind} in ${framework}`, () => {
      let window, client, live, page;

      const tell = async (data) => {
        await page.act(() => (kind === "socket" ? last().onmessage({ data }) : last().tell("message", data)));
        await settle(); // it is delivered once it is known who is logged in
      };

      before(() => {
        window = new Window();
        const { document, Element, SVGElement } = window;
        Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true, Element, SVGElement, document, window });
      });
      after(() => window.close());

      beforeEach(async () => {
        const site = new Site();
        openPage(site);
        site.logIn("alice");
        globalThis.document = window.document;
        installFeeds();
        ({ client } = openTab());
        await client.ready();
        live = createLive(client);
        page = await start(window);
      });
      afterEach(() => {
        closeTabs();
        closePage();
      });

      it("is open while the component is there", async () => {
        await page.show({ kind, live, path: "/live/", listeners: { message() {} } });
        assert.deepEqual([openOnes(), page.shown().isOpen], [["/live/"], false]);

        await page.act(() => last().accept());
        assert.equal(page.shown().isOpen, true);
        await page.leave();

        assert.deepEqual(openOnes(), []);
      });

      it("hands what comes to the listeners of now, without opening it anew", async () => {
        const told = [];
        const listeners = (who) => ({ message: ({ data }) => told.push([who, data]) });
        await page.show({ kind, live, path: "/live/", listeners: listeners("first") });
        await page.act(() => last().accept());
        const { length } = opened;
        await tell("a");

        await page.show({ kind, live, path: "/live/", listeners: listeners("second") });
        await tell("b");

        assert.deepEqual(told, [["first", "a"], ["second", "b"]]);
        assert.equal(opened.length, length);
        await page.leave();
      });

      it("is another one for another path, and none for null", async () => {
        const listeners = { message() {} };
        await page.show({ kind, live, path: null, listeners });
        assert.deepEqual(openOnes(), []);

        await page.show({ kind, live, path: "/one/", listeners });
        assert.deepEqual(openOnes(), ["/one/"]);
        await page.act(() => last().accept());
        await page.show({ kind, live, path: "/two/", listeners });
        assert.deepEqual([openOnes(), page.shown().isOpen], [["/two/"], false]);
        await page.show({ kind, live, path: null, listeners });

        assert.deepEqual(openOnes(), []);
        await page.leave();
      });

      it("is closed with the session", async () => {
        await page.show({ kind, live, path: "/live/", listeners: { message() {} } });
        await page.act(() => last().accept());

        await page.act(async () => {
          await client.logout();
          await settle();
        });

        assert.deepEqual([openOnes(), page.shown().isOpen], [[], false]);
        await page.leave();
      });

      if (kind === "events") return;

      it("sends over an open socket alone, by one function", async () => {
        await page.show({ kind, live, path: "/live/", listeners: { message() {} } });
        const { send } = page.shown();
        assert.equal(send("early"), false);

        await page.act(() => last().accept());
        assert.equal(send("hello"), true);
        assert.equal(page.shown().send, send);
        assert.deepEqual([last().readyState, last().sent, last().protocols], [OPEN, ["hello"], ["v1"]]);
        await page.leave();

        assert.equal(send("late"), false);
      });
    });
  }
}
