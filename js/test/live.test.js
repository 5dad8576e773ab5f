// WebSockets and streams of events: open while somebody is logged in.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { createTestClient } from "django-session-auth/testing";

import { createLive } from "../../src/session_auth/static/session_auth/live.js";
import { installFeeds, opened } from "../support/feeds.js";
import { closePage, openPage, passTime, settle } from "../support/page.js";
import { Site } from "../support/site.js";
import { closeTabs, openTab } from "../support/tabs.js";

const KINDS = {
  socket: { path: "/ws/chat/", url: "wss://site.example/ws/chat/", end: (it) => it.cut(4401) },
  events: {
    path: "/api/stream/",
    url: "https://site.example/api/stream/",
    end(it) {
      it.tell("session_ended", "{}");
      it.cut();
    },
  },
};

for (const [kind, { path, url, end }] of Object.entries(KINDS)) {
  describe(`live.${kind}()`, () => {
    let site, client, live;
    const urls = () => opened.map((each) => each.url);
    const last = () => opened.at(-1);
    const say = (data) => (kind === "socket" ? last().onmessage?.({ data }) : last().tell("message", data));
    /** Bob is logged in; the page learns it from the first opening, and opens its own of his. */
    const openForBob = async () => {
      for (const data of ["for bob", "for bob, too"]) {
        last().accept();
        say(data);
        await settle();
      }
    };

    beforeEach(async () => {
      site = new Site();
      openPage(site);
      installFeeds();
      site.logIn("alice");
      ({ client } = openTab());
      await client.ready();
      live = createLive(client);
    });
    afterEach(() => {
      closeTabs();
      closePage();
    });

    it("delivers nothing of somebody else who has logged in unseen", async () => {
      const told = [];
      site.logIn("bob"); // in the admin, say
      live[kind](path, { message: ({ data }) => told.push([client.getSnapshot().user.username, data]) });

      await openForBob();

      assert.deepEqual(told, [["bob", "for bob, too"]]);
      assert.equal(opened.length, 2);
    });

    it("is open while somebody is logged in, and tells what comes", async () => {
      const told = [];
      live[kind](path, { open: () => told.push("open"), message: ({ data }) => told.push(data) });

      assert.deepEqual(urls(), [url]);
      last().accept();
      say("hello");
      await settle();
      assert.deepEqual(told, ["open", "hello"]);
    });

    it("comes back after trouble in the network, less and less often", async () => {
      live[kind](path, {});
      last().accept();
      site.calls = [];

      last().cut();
      await passTime({ seconds: 1.1 });
      assert.equal(opened.length, 2);
      assert.deepEqual(site.calls, []); // it was open: that was the network
      for (let n = 0; n < 9; n++) {
        last().cut();
        await settle();
        await passTime({ seconds: 31 });
      }
      assert.equal(opened.length, 11);
      last().cut();
      await settle();
      await passTime({ seconds: 14 });
      assert.equal(opened.length, 11);
      await passTime({ seconds: 17 });
      assert.equal(opened.length, 12);
      last().accept();
      await passTime({ seconds: 31 });
      last().cut();
      await passTime({ seconds: 1.1 });
      assert.equal(opened.length, 13);
    });

    it("comes back less and less often where it is closed as soon as it is open", async () => {
      live[kind](path, {});
      for (let n = 0; n < 9; n++) {
        last().accept();
        last().cut();
        await passTime({ seconds: 31 });
      }
      last().accept();
      last().cut();

      await passTime({ seconds: 14 });

      assert.equal(opened.length, 10);
    });

    it("tells whether it is open", async () => {
      const told = [];
      const watch = (isOpen) => told.push(isOpen);
      const feed = kind === "socket" ? live.socket(path, {}, [], watch) : live.events(path, {}, watch);
      assert.deepEqual(told, []);

      last().accept();
      last().cut();
      assert.deepEqual(told, [true, false]);
      await passTime({ seconds: 1.1 });
      last().accept();
      await client.login({ username: "bob", password: "right" });
      assert.deepEqual(told, [true, false, true, false]);
      last().accept();
      feed.close();

      assert.deepEqual(told, [true, false, true, false, true, false]);
    });

    it("opens nothing on a server that renders pages", () => {
      const { location } = globalThis;
      delete globalThis.location;

      createLive(createTestClient({ user: { id: 1, username: "alice" } }))[kind](path, {});

      globalThis.location = location;
      assert.deepEqual(opened, []);
    });

    it("never comes back after the end of the session, and tells the store", async () => {
      const ends = [];
      client.on("ended", () => ends.push("ended"));
      live[kind](path, {});
      last().accept();
      site.calls = [];
      site.end();

      end(last());
      await settle();

      assert.equal(client.getSnapshot().status, "anonymous");
      assert.deepEqual(ends, ["ended"]);
      assert.ok(site.calls.every((call) => call.endsWith("/user/ passive")), site.calls.join());
      await passTime({ hours: 1 });
      assert.equal(opened.length, 1);
    });

    it("comes back after a new login", async () => {
      live[kind](path, {});
      last().accept();
      site.end();
      end(last());
      await settle();

      await client.login({ username: "alice", password: "right" });

      assert.deepEqual(urls(), [url, url]);
    });

    it("comes back where the same user has logged in anew meanwhile", async () => {
      live[kind](path, {});
      last().accept();
      site.logIn("alice");

      end(last());
      await settle();
      await passTime({ seconds: 1.1 });

      assert.deepEqual(urls(), [url, url]);
    });

    it("is another one for another user", async () => {
      live[kind](path, {});
      last().accept();

      await client.login({ username: "bob", password: "right" });

      assert.equal(opened.length, 2);
      assert.ok(opened[0].isClosed);
    });

    it("that comes back delivers nothing of somebody else who has logged in meanwhile", async () => {
      const told = [];
      const listener = ({ data }) => told.push([client.getSnapshot().user.username, data]);
      live[kind](path, { message: listener });
      last().accept();
      await settle();
      last().cut();
      site.logIn("bob");
      await passTime({ seconds: 1.1 });

      await openForBob();

      assert.deepEqual(told, [["bob", "for bob, too"]]);
      assert.equal(opened.length, 3);
    });

    it("that comes back for the same user delivers all in its order", async () => {
      const told = [];
      live[kind](path, { open: () => told.push("open"), message: ({ data }) => told.push(data) });
      last().accept();
      await settle();
      last().cut();
      await passTime({ seconds: 1.1 });

      last().accept();
      say("1");
      say("2");
      await settle();
      say("3");
      await settle();

      assert.deepEqual(told, ["open", "open", "1", "2", "3"]);
      assert.equal(opened.length, 2);
    });

    it("asks who is logged in where nothing was opened", async () => {
      live[kind](path, {});
      site.end();

      last().cut();
      await settle();

      assert.equal(client.getSnapshot().status, "anonymous");
    });

    it("is opened for nobody before they log in, and closed when they log out", async () => {
      await client.logout();
      live[kind](path, {});
      assert.deepEqual(urls(), []);

      await client.login({ username: "alice", password: "right" });
      assert.deepEqual(urls(), [url]);
      await client.logout();

      assert.ok(last().isClosed);
      await passTime({ minutes: 5 });
      assert.equal(opened.length, 1);
    });

    it("stays closed once it is closed", async () => {
      const feed = live[kind](path, {});
      last().accept();
      last().cut();

      feed.close();

      await passTime({ minutes: 5 });
      assert.equal(opened.length, 1);
    });
  });
}

describe("what one kind has", () => {
  let site, client, live;

  beforeEach(async () => {
    site = new Site();
    openPage(site);
    installFeeds();
    site.logIn("alice");
    ({ client } = openTab());
    await client.ready();
    live = createLive(client);
  });
  afterEach(() => {
    closeTabs();
    closePage();
  });

  it("sends over an open socket alone", () => {
    const chat = live.socket("/ws/chat/", {}, ["v1"]);
    const [socket] = opened;

    assert.equal(chat.send("early"), false);
    socket.accept();
    assert.equal(chat.send("hello"), true);
    assert.deepEqual([socket.sent, socket.protocols], [["hello"], ["v1"]]);
  });

  it("leaves a stream to the browser, which comes back by itself and says what it has seen", async () => {
    const told = [];
    live.events("/api/stream/", {}, (isOpen) => told.push(isOpen));
    opened[0].accept();

    opened[0].cut(0);
    assert.deepEqual(told, [true, false]);
    opened[0].accept();

    await passTime({ minutes: 5 });
    assert.equal(opened.length, 1);
    assert.deepEqual(told, [true, false, true]);
  });

  it("tells events by their names", async () => {
    const told = [];
    live.events("/api/stream/", { price: ({ data }) => told.push(data) });
    opened[0].accept();

    opened[0].tell("price", "42");
    opened[0].tell("other", "1");
    await settle();

    assert.deepEqual(told, ["42"]);
  });
});
