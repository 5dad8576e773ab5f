// What another user does, or the network leaves hanging, while a call is under way.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { get } from "svelte/store";

import { stepUp } from "../../src/session_auth/static/session_auth/svelte.js";
import { closePage, openPage, passTime, settle } from "../support/page.js";
import { Site } from "../support/site.js";
import { closeTabs, openTab } from "../support/tabs.js";

const VAULT = "/api/auth/vault/";

/** Return what an answer waits for, and how to let it go on. */
function held() {
  let letGo;
  return [new Promise((resolve) => (letGo = resolve)), () => letGo()];
}

describe("a call that waits", () => {
  let site;

  beforeEach(() => {
    site = new Site();
    openPage(site);
    site.logIn("alice");
  });

  afterEach(() => {
    closeTabs();
    closePage();
  });

  async function become(name) {
    site.logIn(name);
    await openTab().client.user();
    await settle();
  }

  async function leave() {
    site.end();
    await openTab().client.user();
    await settle();
  }

  it("for a proof is not sent for another user, who has proven theirs", async () => {
    const { client } = openTab();
    await passTime({ minutes: 20 }); // the proof is too old by now
    const [asked, letGo] = held();
    client.onReauthenticationRequired(() => asked.then(() => true));
    const refused = assert.rejects(client.json(VAULT, { method: "POST", body: { secret: "of alice" } }), {
      code: "reauthentication_required",
    });
    await settle();

    await become("bob");
    await client.reauthenticate({ password: "right" });
    letGo();

    await refused;
    assert.equal(site.calls.filter((call) => call.endsWith(VAULT)).length, 1);
  });

  it("for a token is refused where another user has logged in meanwhile", async () => {
    document.cookie = "";
    const { client } = openTab();
    await passTime({ seconds: 5 });
    const [waiting, letGo] = held();
    site.troubles.push(waiting);
    const refused = assert.rejects(client.json(VAULT, { method: "POST", body: {} }), { code: "user_changed" });
    await settle();

    await become("bob");
    letGo();

    await refused;
  });

  it("to learn who is logged in brings nobody back who has logged out", async () => {
    const [here, there] = [openTab(), openTab()];
    await settle();
    const [waiting, letGo] = held();
    site.troubles.push(waiting);
    here.client.user().catch(() => {});
    await settle();
    await passTime({ seconds: 50 });

    await there.client.logout();
    letGo();
    await settle();

    const states = [here, there].map(({ client }) => client.getSnapshot().status);
    assert.deepEqual(states, ["anonymous", "anonymous"]);
  });

  it("for ever is given up, and asked again", async () => {
    site.troubles.push(new Promise(() => {}));
    const { client } = openTab();
    const refused = assert.rejects(client.ready(), { code: "network_error" });
    await settle();

    await passTime({ minutes: 2 });

    await refused;
    assert.equal((await client.retry()).status, "authenticated");
  });

  it("for a token that never comes is given up, and the next one asks anew", async () => {
    document.cookie = "";
    const { client } = openTab();
    await settle();
    site.troubles.push(new Promise(() => {}));
    const write = () => client.json("/api/auth/open/", { method: "POST", body: {} });
    let outcome = "it waits";
    write().catch(({ code }) => (outcome = code));
    await settle();

    await passTime({ minutes: 1 });

    assert.equal(outcome, "network_error");
    assert.deepEqual(await write(), { by: "alice" });
  });

  for (const [who, change] of [["another user", () => become("bob")], ["nobody", () => leave()]]) {
    it(`for an answer is refused where the page shows ${who} by then`, async () => {
      const { client } = openTab();
      await passTime({ seconds: 5 });
      const [waiting, letGo] = held();
      site.troubles.push(waiting, waiting);
      const refused = assert.rejects(client.json("/api/auth/open/"), {
        status: 409,
        code: "user_changed",
        message: "This is for another user.",
      });
      const fetched = assert.rejects(client.fetch("/api/auth/open/"), { code: "user_changed" });
      await settle();

      await change();
      letGo();

      await refused;
      await fetched;
    });
  }

  it("for the rest of a long answer is refused where the page shows another user by then", async () => {
    const { client } = openTab();
    await passTime({ seconds: 5 });
    const [waiting, letGo] = held();
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(new TextEncoder().encode('{"by": '));
        await waiting;
        controller.enqueue(new TextEncoder().encode('"alice"}'));
        controller.close();
      },
    });
    site.troubles.push(new Response(body));
    const refused = assert.rejects(client.json("/api/auth/open/"), { code: "user_changed" });
    await settle();

    await become("bob");
    letGo();

    await refused;
  });

  it("for the rest of an answer that never ends has its head", async () => {
    const { client } = openTab();
    await settle();
    site.troubles.push(new Response(new ReadableStream({})));

    assert.equal((await client.fetch("/api/auth/open/")).status, 200);
  });

  it("for its turn does not wait for a look that waits for it", async () => {
    const { client } = openTab();
    await settle();
    const look = client.user();
    let proven;
    client.reauthenticate({ password: "right" }).then(({ username }) => (proven = username));

    await settle();

    assert.equal(proven, "alice");
    await look;
  });

  it("for the answer of a call that has logged somebody in gets it", async () => {
    const { client } = openTab();
    await passTime({ seconds: 5 });
    const [waiting, letGo] = held();
    const { fetch } = site;
    globalThis.fetch = async (request) => {
      if (!request.url.endsWith("/mine/")) return fetch(request);
      site.logIn("bob");
      await waiting;
      return new Response('{"welcome": "bob"}', { headers: { "Session-User": "ref-bob" } });
    };
    const answer = client.json("/mine/", { method: "POST" });
    await settle();

    await openTab().client.user(); // which tells this one
    letGo();

    assert.deepEqual(await answer, { welcome: "bob" });
  });

  it("for a dialog of Svelte waits on while somebody subscribes", async () => {
    const { client } = openTab();
    await passTime({ minutes: 20 });
    const proof = stepUp(client);
    const unsubscribe = proof.subscribe(() => {});
    const call = client.json(VAULT);
    await settle();

    assert.equal(get(proof).asking, true); // which subscribes, and leaves at once
    assert.equal(get(proof).asking, true);
    await proof.prove({ password: "right" });

    await call;
    unsubscribe();
  });
});
