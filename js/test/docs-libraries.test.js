// What docs/javascript.md says of axios and htmx: with these lines they send the token of the moment.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";

import axios from "axios";
import { createTestClient } from "django-session-auth/testing";
import { Window } from "happy-dom";

import { snippets } from "../support/snippets.js";

const installed = (path) => readFileSync(new URL(`../node_modules/${path}`, import.meta.url), "utf8");
// By which htmx looks for hx-on attributes, of which there are none.
class XPathEvaluator {
  createExpression = () => ({ evaluate: () => ({ iterateNext: () => null }) });
}

const code = Object.values(snippets("docs/javascript.md"));
const snippet = (text) => code.find((each) => each.includes(text));

describe("a library beside the client", () => {
  let server, window, seen, status;

  before(async () => {
    server = createServer((request, response) => {
      if (request.method === "POST") seen.push(request.headers["x-csrftoken"]);
      response.writeHead(status, { "Content-Type": "text/html" }).end("<p>Done</p>");
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  });

  after(() => server.close());

  beforeEach(() => {
    seen = [];
    status = 200;
    window = new Window({
      url: `http://127.0.0.1:${server.address().port}/articles/`,
      settings: { enableJavaScriptEvaluation: true, suppressInsecureJavaScriptEnvironmentWarning: true },
    });
    window.document.body.innerHTML = '<form hx-post="/articles/"><input name="title"></form>';
    window.document.cookie = "csrftoken=first";
  });

  afterEach(() => window.happyDOM.close());

  /** Send the form, and wait until the page has seen the answer, of which `done` tells. */
  async function send(done) {
    const answered = new Promise((resolve) => {
      window.document.body.addEventListener(done, resolve, { once: true });
    });
    window.document.querySelector("form").requestSubmit();
    await answered;
    await new Promise((resolve) => setTimeout(resolve, 50)); // for what it puts into the page
  }

  for (const [library, event, done] of [
    ["htmx.org", "htmx:config:request", "htmx:after:request"],
    ["htmx2", "htmx:configRequest", "htmx:afterRequest"],
  ]) {
    it(`${library} does`, { timeout: 30_000 }, async () => {
      window.XPathEvaluator = XPathEvaluator;
      window.eval(installed(`${library}/dist/htmx.js`));
      window.eval(snippet("function cookieToken"));
      window.eval(snippet(event));
      window.htmx.process(window.document.body);

      await send(done);
      window.document.cookie = "csrftoken=second";
      await send(done);
      status = 401;
      await send(done);

      assert.deepEqual(seen, ["first", "second", "second"]);
      while (window.location.pathname !== "/app/") await new Promise((resolve) => setTimeout(resolve, 5));
    });
  }

  it("axios does for an upload, whose progress it tells", async () => {
    const source = snippet("onUploadProgress").replace(/^import.*$/m, "").replaceAll("export ", "");
    const { upload, api } = new Function("axios", "client", `${source}; return { upload, api };`)(axios, {
      csrfHeaders: async () => ({ "X-CSRFToken": "of the client" }),
      retry: async () => looks++,
    });
    let looks = 0;
    const progress = [];
    api.defaults.baseURL = `http://127.0.0.1:${server.address().port}`;

    await upload(new Blob(["x".repeat(300_000)]), (part) => progress.push(part));
    assert.deepEqual([seen, progress.at(-1)], [["of the client"], 1]);

    status = 409;
    await assert.rejects(upload(new Blob(["x"]), () => {}), { status: 409 });
    assert.equal(looks, 1);
  });

  it("an EventSource is closed when the user changes, and one for the next is opened", async () => {
    const client = createTestClient({ user: { id: 1, username: "alice" } });
    const log = [];
    class EventSource {
      constructor() {
        this.by = client.getSnapshot().user.username;
        log.push(`open ${this.by}`);
      }
      close = () => log.push(`close ${this.by}`);
    }
    new Function("client", "EventSource", snippet("new EventSource"))(client, EventSource);
    await Promise.resolve();

    client.show({ user: { id: 2, username: "bob" } });
    client.show({ user: null });

    assert.deepEqual(log, ["open alice", "close alice", "open bob", "close bob"]);
  });

  it("what is kept for a user goes with them", async () => {
    const client = createTestClient({ user: { id: 1, username: "alice" } });
    const log = [];
    const run = (text, values) => {
      const source = snippet(text).replace(/^import.*$/m, "").replaceAll("export ", "");
      return new Function("client", ...Object.keys(values), `${source}; return typeof loader === "undefined" || { loader, follow };`)(client, ...Object.values(values));
    };
    run("new QueryClient", { QueryClient: class { clear = () => log.push("query"); } });
    run('from "swr"', { mutate: (keys) => log.push(`swr ${keys("/api/any/")}`) });
    const { loader, follow } = run("react-router", { redirect: (address) => new Error(address) });
    follow({ revalidate: () => log.push("loaders") });
    client.answer("/api/articles/", []);
    assert.deepEqual(await loader(), []);

    client.show({ user: null });

    assert.deepEqual(log, ["query", "swr true", "loaders"]);
    await assert.rejects(loader(), { message: "/sign-in/" });
  });

  it("axios does", async () => {
    window.eval(installed("axios/dist/axios.js"));
    window.eval(snippet('from "axios"').replace(/^import.*$/m, "").replace("export const", "var"));

    await window.api.post("/api/articles/", { title: "Hello" });
    window.document.cookie = "csrftoken=second";
    await window.api.post("/api/articles/", { title: "Hello" });

    assert.deepEqual(seen, ["first", "second"]);
  });
});
