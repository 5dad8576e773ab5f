// The React binding of the npm package, with React itself.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";

import {
  SessionProvider,
  useAction,
  useCountdown,
  useRequireUser,
  useSession,
  useSessionClient,
  useStepUp,
  useUser,
} from "django-session-auth/react";
import { createTestClient } from "django-session-auth/testing";
import { Window } from "happy-dom";
import { Component, StrictMode, act, createElement } from "react";
import { createRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";

import { createStore } from "../support/store.js";

const ALICE = { id: 1, username: "alice" };

describe("the React binding", () => {
  let window, client, root;

  before(() => {
    window = new Window();
    Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true, window, document: window.document });
  });

  after(() => window.close());

  beforeEach(() => {
    client = createStore();
    root = createRoot(window.document.createElement("div"));
  });

  afterEach(() => act(() => root.unmount()));

  const tree = (component) =>
    createElement(
      StrictMode,
      null,
      createElement(SessionProvider, { client }, createElement(component)),
    );

  it("renders anew when the session changes, and listens no longer than it is there", async () => {
    const seen = [];
    function Page() {
      const { status, session } = useSession();
      seen.push([status, useUser()?.username, session?.id, useSessionClient() === client]);
      return null;
    }

    await act(() => root.render(tree(Page)));
    await act(() => client.show({ status: "authenticated", user: ALICE, session: { id: "s" } }));
    assert.deepEqual(seen.at(0), ["loading", undefined, undefined, true]);
    assert.deepEqual(seen.at(-1), ["authenticated", "alice", "s", true]);

    await act(() => root.render(null));
    assert.equal(client.listeners.size, 0);
  });

  it("renders on a server what is known there: nothing yet", () => {
    client.show({ status: "authenticated", user: ALICE, session: null, expiring: null, error: null });
    const Page = () => useSession().status;

    assert.equal(renderToString(tree(Page)), "loading");
    assert.equal(client.listeners.size, 0);
  });

  it("renders a component that shows the user once, however often the session is extended", async () => {
    client = createTestClient({ user: ALICE });
    let renders = 0;
    function Page() {
      renders++;
      return useUser().username;
    }
    await act(() => root.render(tree(Page)));
    const before = renders;

    for (const id of ["a", "b", "c"]) await act(() => client.show({ session: { id } }));

    assert.equal(renders, before);
  });

  it("sends away who is not logged in, and only them", async () => {
    client = createTestClient({ user: undefined });
    const seen = [];
    const Page = () => useRequireUser(() => seen.push("sent away"))?.username ?? "nobody";
    await act(() => root.render(tree(Page)));
    await act(() => client.show({ user: ALICE }));
    assert.deepEqual(seen, []);

    await act(() => client.show({ user: null }));

    assert.deepEqual(seen, ["sent away"]);
  });

  it("keeps what was refused, until the next try, and acts once at a time", async () => {
    client = createTestClient();
    let action;
    function Page() {
      action = useAction(client.login);
      return null;
    }
    await act(() => root.render(tree(Page)));
    client.refuse("login", { code: "invalid_request", fields: { password: ["Too short."] } });

    await act(() => Promise.all([action.run({ password: "a" }), action.run({ password: "a" })]));
    assert.equal(client.calls.length, 1);
    assert.deepEqual([action.pending, action.error.code, action.fields.password], [
      false,
      "invalid_request",
      ["Too short."],
    ]);

    let user;
    await act(async () => (user = await action.run({ username: "alice", password: "right" })));
    assert.deepEqual([user, action.error, action.fields], [ALICE, null, {}]);
  });

  it("lets a bug in an action be one", async () => {
    let action;
    function Page() {
      action = useAction(() => { throw new RangeError("a bug"); });
      return null;
    }
    await act(() => root.render(tree(Page)));

    await act(() => assert.rejects(action.run(), RangeError));

    assert.equal(action.pending, false);
  });

  it("asks for the proof of a password, and lets the call have its refusal", async () => {
    client = createTestClient({ user: ALICE });
    let dialog;
    function Page() {
      dialog = useStepUp();
      return null;
    }
    await act(() => root.render(tree(Page)));
    const endOthers = async () => {
      let answer;
      client.refuse("sessions.endOthers", { code: "reauthentication_required" });
      await act(async () => void (answer = client.sessions.endOthers()));
      return { answer };
    };

    const first = await endOthers();
    assert.equal(dialog.asking, true);
    client.refuse("reauthenticate", { code: "invalid_credentials" });
    await act(() => dialog.prove({ password: "wrong" }));
    assert.deepEqual([dialog.asking, dialog.error.code], [true, "invalid_credentials"]);
    await act(() => dialog.prove({ password: "right" }));
    assert.equal(await first.answer, 0);
    assert.equal(dialog.asking, false);

    const second = await endOthers();
    assert.deepEqual([dialog.error, dialog.methods], [null, []]);
    const refused = assert.rejects(second.answer, { code: "reauthentication_required" });
    await act(() => dialog.cancel());
    await refused;

    const third = await endOthers();
    const gone = assert.rejects(third.answer, { code: "reauthentication_required" });
    await act(() => root.render(null));
    await gone;
  });

  it("says what would do as a proof, and takes as many as it is given", async () => {
    client = createTestClient({ user: ALICE });
    const given = [];
    let dialog;
    function Page() {
      dialog = useStepUp(async (proof) => void given.push(proof));
      return null;
    }
    await act(() => root.render(tree(Page)));
    const data = { methods: ["password", "totp"] };
    client.refuse("sessions.endOthers", { code: "reauthentication_required", data });
    let answer;
    await act(async () => void (answer = client.sessions.endOthers()));
    assert.deepEqual(dialog.methods, ["password", "totp"]);

    await act(() => dialog.prove({ password: "right" }, { method: "totp", code: "123456" }));

    assert.equal(await answer, 0);
    assert.deepEqual(given, [{ password: "right" }, { method: "totp", code: "123456" }]);
    assert.deepEqual(dialog.methods, []);
  });

  it("counts down", async (test) => {
    test.mock.timers.enable({ apis: ["setInterval", "Date"] });
    client = createTestClient({ user: ALICE });
    const seen = [];
    function Page() {
      seen.push(useCountdown()?.secondsLeft ?? null);
      return null;
    }
    await act(() => root.render(createElement(SessionProvider, { client }, createElement(Page))));

    await act(() => client.show({ expiring: { secondsLeft: 60 } }));
    await act(() => test.mock.timers.tick(1000));
    await act(() => client.show({ expiring: null }));
    await act(() => test.mock.timers.tick(1000));

    assert.deepEqual(seen, [null, 60, 59, null]);
  });

  it("says what to do where the provider is missing", async () => {
    class Boundary extends Component {
      state = {};
      static getDerivedStateFromError = ({ message }) => ({ message });
      render = () => this.state.message ?? this.props.children;
    }
    const Page = () => useUser()?.username;
    const container = window.document.createElement("div");
    const lost = createRoot(container, { onCaughtError() {} });

    await act(() => lost.render(createElement(Boundary, null, createElement(Page))));

    assert.equal(container.textContent, "Put <SessionProvider client={...}> around this component.");
    await act(() => lost.unmount());
  });
});
