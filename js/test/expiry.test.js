// Before a session ends by itself: the warning, by the clock of the server, and "stay logged in".
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";

import { closePage, fire, openPage, passTime, settle, sleep } from "../support/page.js";
import { Site } from "../support/site.js";
import { closeTabs, openTab } from "../support/tabs.js";

const LOOK = "GET /api/auth/user/";

describe("expiry", () => {
  let site;

  beforeEach(() => {
    site = new Site(); // idle after 30 minutes, over after a day
    openPage(site);
    site.logIn("alice");
  });

  afterEach(() => {
    closeTabs();
    closePage();
  });

  /** Open a tab that knows its session. */
  async function openReadyTab(options) {
    const tab = openTab(options);
    await settle();
    return tab;
  }

  it("is told a minute ahead, after a look that does not count as activity", async () => {
    const { client, seen } = await openReadyTab();
    await passTime({ minutes: 28, seconds: 59 });
    assert.deepEqual(site.calls, [LOOK]);

    await passTime({ seconds: 1 });

    assert.deepEqual(seen, [["expiring", { secondsLeft: 60, kind: "idle" }]]);
    assert.deepEqual(client.getSnapshot().expiring, {
      secondsLeft: 60,
      endsAt: Date.now() + 60_000,
      kind: "idle",
    });
    assert.deepEqual(site.calls, [LOOK, `${LOOK} passive`]);
  });

  it("comes, and has its reason", async () => {
    const { client, seen } = await openReadyTab();

    await passTime({ minutes: 31, steps: 62 });

    assert.deepEqual(seen.slice(1), [["ended", { reason: "idle" }]]);
    assert.deepEqual(client.getSnapshot(), {
      status: "anonymous",
      user: null,
      session: null,
      expiring: null,
      error: null,
    });
  });

  it("can be the absolute one, which extend() does not move", async () => {
    site.absoluteSeconds = 600;
    const { client, seen } = await openReadyTab();
    await passTime({ minutes: 9, steps: 18 });
    assert.deepEqual(seen, [["expiring", { secondsLeft: 60, kind: "absolute" }]]);

    await client.extend();
    assert.equal(client.getSnapshot().expiring.kind, "absolute");
    await passTime({ minutes: 2, steps: 12 });

    assert.deepEqual(seen.slice(1), [["ended", { reason: "absolute" }]]);
  });

  it("is put off by extend(), and told again when it is near again", async () => {
    const { client, seen } = await openReadyTab();
    await passTime({ minutes: 29, steps: 29 });
    assert.equal(seen.length, 1);

    await client.extend();
    assert.equal(client.getSnapshot().expiring, null);
    await passTime({ minutes: 28, steps: 28 });
    assert.equal(seen.length, 1);
    await passTime({ minutes: 1 });

    assert.equal(seen.length, 2);
    assert.equal(client.getSnapshot().status, "authenticated");
  });

  it("is put off in every tab, with one look of one of them", async () => {
    const tabs = [await openReadyTab(), await openReadyTab(), await openReadyTab()];
    await passTime({ minutes: 29, steps: 58 });
    const looks = () => site.calls.filter((call) => call === `${LOOK} passive`).length;
    assert.equal(looks(), 1);
    for (const { seen } of tabs) assert.equal(seen.length, 1);

    await tabs[1].client.extend();
    await settle();

    for (const { client } of tabs) assert.equal(client.getSnapshot().expiring, null);
  });

  it("is not told when another tab has been active meanwhile", async () => {
    const { seen } = await openReadyTab();
    await passTime({ minutes: 20 });
    site.session.seenAt = site.now();

    await passTime({ minutes: 20, steps: 40 });

    assert.deepEqual(seen, []);
  });

  it("goes by the clock of the server, however wrong the browser's is", async () => {
    for (const hours of [-5, 5]) {
      site.clockAhead = hours * 3_600_000;
      site.logIn("alice");
      const { client, seen } = await openReadyTab();

      await passTime({ minutes: 29, steps: 58 });

      assert.deepEqual(seen, [["expiring", { secondsLeft: 60, kind: "idle" }]]);
      client.close();
    }
  });

  it("is told as long ahead as the page wants, and 20 seconds at least", async () => {
    const early = await openReadyTab({ warningSeconds: 300 });
    const late = await openReadyTab({ warningSeconds: 1 });

    await passTime({ minutes: 25 });
    assert.deepEqual(early.seen, [["expiring", { secondsLeft: 300, kind: "idle" }]]);
    assert.deepEqual(late.seen, []);
    await passTime({ seconds: 281, steps: 281 });

    const [[, { secondsLeft }]] = late.seen;
    assert.ok(secondsLeft >= 19 && secondsLeft <= 20, String(secondsLeft));
  });

  it("is told at once in a page that opens when it is near", async () => {
    site.idleSeconds = 45;

    const { seen } = await openReadyTab();

    assert.deepEqual(seen, [["expiring", { secondsLeft: 45, kind: "idle" }]]);
  });

  it("is told by what was known when the server cannot be asked", async () => {
    const { client, seen } = await openReadyTab();
    await passTime({ minutes: 28 });
    site.troubles = [new TypeError("offline"), ...Array(9).fill(503)];

    await passTime({ minutes: 1 });
    assert.deepEqual(seen, [["expiring", { secondsLeft: 60, kind: "idle" }]]);
    await passTime({ minutes: 2, steps: 60 });
    assert.equal(client.getSnapshot().status, "authenticated");
    await passTime({ minutes: 3, steps: 60 });

    assert.deepEqual(seen.slice(1), [["ended", { reason: "idle" }]]);
  });

  for (const [zone, hours] of [["Tokyo", 9], ["Kolkata", 5.5], ["New York", -5]]) {
    it(`is reckoned right from times without an offset, of a server in ${zone}`, async () => {
      site.timeOf = (time) => new Date(time + hours * 3_600_000).toISOString().replace("Z", "");
      const { seen } = await openReadyTab();

      await passTime({ minutes: 28, seconds: 59 });
      assert.deepEqual(seen, []);
      await passTime({ seconds: 1 });

      assert.deepEqual(seen, [["expiring", { secondsLeft: 60, kind: "idle" }]]);
    });
  }

  it("is never told too early, from times without an offset and an old login", async () => {
    site.timeOf = (time) => new Date(time + 9 * 3_600_000).toISOString().replace("Z", "");
    site.session.createdAt -= 20 * 60_000;

    const { seen } = await openReadyTab();
    await passTime({ minutes: 30 });

    assert.deepEqual(seen, []);
  });

  it("is noticed after a long sleep of the computer, when it is too late to warn", async () => {
    const { seen } = await openReadyTab();

    sleep({ hours: 9 });
    fire("focus");
    await settle();

    assert.deepEqual(seen, [["ended", { reason: "idle" }]]);
  });

  it("is noticed by itself soon after the computer wakes up", async () => {
    const { seen } = await openReadyTab();

    sleep({ hours: 15 * 24 });
    await passTime({ seconds: 5 });

    assert.deepEqual(seen, [["ended", { reason: "idle" }]]);
  });

  it("is told in time where the clock of the computer was put back", async (test) => {
    const { seen } = await openReadyTab();
    const { now } = Date;
    test.mock.method(Date, "now", () => now() - 3_600_000); // timers go on
    site.clockAhead = 3_600_000;

    await passTime({ minutes: 29, seconds: 10, steps: 175 });

    assert.deepEqual(seen, [["expiring", { secondsLeft: 60, kind: "idle" }]]);
  });

  it("is noticed on focus where the clock of the computer was put back", async (test) => {
    await openReadyTab();
    const { now } = Date;
    test.mock.method(Date, "now", () => now() - 3_600_000);

    fire("focus");
    await settle();

    assert.deepEqual(site.calls, [LOOK, `${LOOK} passive`]);
  });

  it("a month away is no reason to ask at once", async () => {
    site.idleSeconds = site.absoluteSeconds = 30 * 86400;
    await openReadyTab();
    await passTime({ hours: 29 * 24 + 23, steps: 100 });

    assert.deepEqual(site.calls, [LOOK]);
  });

  it("asks nothing more once nobody is logged in", async () => {
    const { client } = await openReadyTab();
    await client.logout();
    site.calls.length = 0;

    await passTime({ hours: 24 * 60, steps: 50 });

    assert.deepEqual(site.calls, []);
  });
});
