// The Vue binding of the npm package, with Vue itself.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";

import { Window } from "happy-dom";

import { createStore } from "../support/store.js";

const ALICE = { id: 1, username: "alice" };

describe("the Vue binding", () => {
  let window, vue, sessionPlugin, useSession, client;

  before(async () => {
    window = new Window();
    const { document, Element, Node, SVGElement } = window;
    Object.assign(globalThis, { window, document, Element, Node, SVGElement });
    vue = await import("vue"); // which looks for a document when it is loaded
    ({ sessionPlugin, useSession } = await import("django-session-auth/vue"));
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
