// The Vue binding of the npm package, with Vue itself.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";

import { createTestClient } from "django-session-auth/testing";
import { Window } from "happy-dom";

import { createStore } from "../support/store.js";

const ALICE = { id: 1, username: "alice" };

describe("the Vue binding", () => {
  let window, vue, binding, sessionPlugin, useSession, client;

  before(async () => {
    window = new Window();
    const { document, Element, Node, SVGElement } = window;
    Object.assign(globalThis, { window, document, Element, Node, SVGElement });
    vue = await import("vue"); // which looks for a document when it is loaded
    binding = await import("django-session-auth/vue");
    ({ sessionPlugin, useSession } = binding);
  });

  after(() => window.close());

  beforeEach(() => {
    client = createStore();
  });

  const page = () => ({
    setup() {
      const { status, user, session, expiring, client: given } = useSession();
      return () =>
        vue.h("p", [
          status.value,
          user.value?.username,
          session.value?.id,
          expiring.value?.kind,
          given === client,
        ].join(" "));
    },
  });

  it("renders anew when the session changes, and listens no longer than it is there", async () => {
    const container = window.document.createElement("div");
    const app = vue.createApp(page());
    app.use(sessionPlugin, client);
    app.mount(container);
    assert.equal(container.textContent, "loading    true");

    const expiring = { secondsLeft: 60, kind: "idle" };
    client.show({ status: "authenticated", user: ALICE, session: { id: "s" }, expiring });
    await vue.nextTick();
    assert.equal(container.textContent, "authenticated alice s idle true");

    app.unmount();
    assert.equal(client.listeners.size, 0);
  });

  /** Mount what `setup` gives, and return it. */
  function mount(setup) {
    let given;
    const app = vue.createApp({
      setup() {
        given = setup();
        return () => null;
      },
    });
    app.use(sessionPlugin, client);
    app.mount(window.document.createElement("div"));
    return { app, ...given };
  }

  it("leaves no listener and warns nobody outside a component, and is current there", () => {
    const warnings = [];
    const app = vue.createApp({ render: () => null });
    app.config.warnHandler = (text) => warnings.push(text);
    app.use(sessionPlugin, client);

    const { user } = app.runWithContext(() => binding.useSession());
    client.show({ status: "authenticated", user: ALICE, session: null, expiring: null, error: null });

    assert.equal(user.value, ALICE);
    assert.equal(client.listeners.size, 0);
    assert.deepEqual(warnings, []);
    assert.equal(binding.useSession(client).user.value, ALICE);
    assert.throws(() => binding.useSession(), { message: "Call app.use(sessionPlugin, client) first." });
  });

  it("sends away who is not logged in, and only them", async () => {
    client = createTestClient({ user: undefined });
    const seen = [];
    const { app, user } = mount(() => ({ user: binding.useRequireUser(() => seen.push("sent away")) }));
    client.show({ user: ALICE });
    await vue.nextTick();
    assert.deepEqual([seen, user.value], [[], ALICE]);

    client.show({ user: null });
    await vue.nextTick();

    assert.deepEqual(seen, ["sent away"]);
    app.unmount();
  });

  it("keeps what was refused, until the next try, and acts once at a time", async () => {
    client = createTestClient();
    const { app, run, pending, error, fields } = mount(() => binding.useAction(client.login));
    client.refuse("login", { code: "invalid_request", fields: { password: ["Too short."] } });

    await Promise.all([run({ password: "a" }), run({ password: "a" })]);
    assert.equal(client.calls.length, 1);
    assert.deepEqual([pending.value, error.value.code, fields.value.password], [
      false,
      "invalid_request",
      ["Too short."],
    ]);

    assert.deepEqual(await run({ username: "alice", password: "right" }), ALICE);
    assert.deepEqual([error.value, fields.value], [null, {}]);
    await assert.rejects(binding.useAction(() => { throw new RangeError("a bug"); }).run(), RangeError);
    app.unmount();
  });

  it("asks for the proof of a password, and lets the call have its refusal", async () => {
    client = createTestClient({ user: ALICE });
    const { app, asking, prove, cancel, error } = mount(() => binding.useStepUp());
    const endOthers = () => {
      client.refuse("sessions.endOthers", { code: "reauthentication_required" });
      return client.sessions.endOthers();
    };

    const first = endOthers();
    assert.equal(asking.value, true);
    client.refuse("reauthenticate", { code: "invalid_credentials" });
    await prove({ password: "wrong" });
    assert.equal(error.value.code, "invalid_credentials");
    await prove({ password: "right" });
    assert.equal(await first, 0);
    assert.deepEqual([asking.value, error.value], [false, null]);

    const second = endOthers();
    cancel();
    await assert.rejects(second, { code: "reauthentication_required" });
    const third = endOthers();
    app.unmount();
    await assert.rejects(third, { code: "reauthentication_required" });
  });

  it("says what would do as a proof, and takes as many as it is given", async () => {
    client = createTestClient({ user: ALICE });
    const given = [];
    const { app, methods, prove } = mount(() => binding.useStepUp(async (proof) => void given.push(proof)));
    const data = { methods: ["password", "totp"] };
    client.refuse("sessions.endOthers", { code: "reauthentication_required", data });
    const answer = client.sessions.endOthers();
    assert.deepEqual(methods.value, ["password", "totp"]);

    await prove({ password: "right" }, { method: "totp", code: "123456" });

    assert.equal(await answer, 0);
    assert.deepEqual(given, [{ password: "right" }, { method: "totp", code: "123456" }]);
    assert.deepEqual(methods.value, []);
    app.unmount();
  });

  it("counts down", async (test) => {
    test.mock.timers.enable({ apis: ["setInterval", "Date"] });
    client = createTestClient({ user: ALICE });
    const { app, expiring } = mount(() => ({ expiring: binding.useCountdown() }));
    assert.equal(expiring.value, null);
    client.show({ expiring: { secondsLeft: 60 } });
    await vue.nextTick();
    assert.equal(expiring.value.secondsLeft, 60);

    test.mock.timers.tick(1000);
    assert.equal(expiring.value.secondsLeft, 59);

    client.show({ expiring: null });
    assert.equal(expiring.value, null);
    app.unmount();
  });

  it("says what to do where the plugin is missing", () => {
    const app = vue.createApp(page());
    app.config.warnHandler = () => {};
    app.config.errorHandler = (error) => {
      throw error;
    };

    assert.throws(() => app.mount(window.document.createElement("div")), {
      message: "Call app.use(sessionPlugin, client) first.",
    });
  });
});
