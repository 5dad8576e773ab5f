// The snippets find the token under the names of development and under those of production.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";

import { pages, snippets } from "../support/snippets.js";

const COOKIES = {
  "a=b; csrftoken=token; c=d": "token",
  "a=b; __Host-csrftoken=token": "token",
  "csrftoken=planted; __Host-csrftoken=token": "token",
  "__Host-csrftoken=token; csrftoken=planted": "token",
  "a=b": undefined,
};

/** Return the first snippet of a page with this text in it. */
function snippet(page, text) {
  return Object.values(snippets(page)).find((code) => code.includes(text));
}

describe("where the CSRF cookie has a prefix", () => {
  for (const [cookie, token] of Object.entries(COOKIES)) {
    it(`the page of the endpoints finds the token in "${cookie}"`, async () => {
      const sent = [];
      const fetch = async (url, { headers }) => sent.push(headers["X-CSRFToken"]);
      const code = `(async () => { ${snippet("docs/endpoints.md", "document.cookie")} })()`;

      await runInNewContext(code, { document: { cookie }, fetch });

      assert.deepEqual(sent, [token]);
    });

    it(`cookieToken() finds it in "${cookie}"`, () => {
      const code = `${snippet("docs/javascript.md", "function cookieToken")}; cookieToken()`;

      assert.equal(runInNewContext(code, { document: { cookie } }), token);
    });
  }

  for (const [protocol, name] of [["http:", "csrftoken"], ["https:", "__Host-csrftoken"]]) {
    it(`axios is told of ${name} over ${protocol}`, () => {
      const axios = { create: ({ xsrfCookieName }) => xsrfCookieName };
      const code = snippet("docs/javascript.md", 'from "axios"').replace(/^import.*$/m, "");

      const told = runInNewContext(`${code.replace("export const api =", "")}`, {
        axios,
        location: { protocol },
      });

      assert.equal(told, name);
    });
  }

  it("every page that reads the cookie is looked at here", () => {
    const readers = pages().filter((page) => snippet(page, "document.cookie"));

    assert.deepEqual(readers, ["docs/endpoints.md", "docs/javascript.md"]);
  });
});
