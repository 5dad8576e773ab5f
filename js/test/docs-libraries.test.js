// What docs/javascript.md says of axios and htmx: with these lines they send the token of the moment.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";

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

  /** Wait until the server has answered, and the page has seen it. */
  async function send() {
    const before = seen.length;
    window.document.querySelector("form").requestSubmit();
    while (seen.length === before) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  for (const [library, event] of [["htmx.org", "htmx:config:request"], ["htmx2", "htmx:configRequest"]]) {
    it(`${library} does`, async () => {
      window.XPathEvaluator = XPathEvaluator;
      window.eval(installed(`${library}/dist/htmx.js`));
      window.eval(snippet("function cookieToken"));
      window.eval(snippet(event));
      window.htmx.process(window.document.body);

      await send();
      window.document.cookie = "csrftoken=second";
      await send();
      status = 401;
      await send();

      assert.deepEqual(seen, ["first", "second", "second"]);
      assert.equal(window.location.pathname, "/app/");
    });
  }

  it("axios does", async () => {
    window.eval(installed("axios/dist/axios.js"));
    window.eval(snippet('from "axios"').replace(/^import.*$/m, "").replace("export const", "var"));

    await window.api.post("/api/articles/", { title: "Hello" });
    window.document.cookie = "csrftoken=second";
    await window.api.post("/api/articles/", { title: "Hello" });

    assert.deepEqual(seen, ["first", "second"]);
  });
});
