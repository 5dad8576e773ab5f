// The React binding of the npm package, with React itself.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";

import { SessionProvider, useSession, useSessionClient, useUser } from "django-session-auth/react";
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
