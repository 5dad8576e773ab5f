// The snippets of the docs: each is code, and calls what exists as it is to be called.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { compile } from "svelte/compiler";
import { compileScript, parse } from "vue/compiler-sfc";

import { pages, snippets } from "../support/snippets.js";
import { complaints } from "../support/types.js";

const WRONG = {
  "a.js": 'client.logIn({ username: "alice", password: "..." });',
  "b.js": 'client.login({ username: "alice" });',
  "c.jsx": 'import { useSesion } from "django-session-auth/react";\nuseSesion();',
  "d.js": "const {",
};

/** Return the script of a component of Svelte, of which its compiler must have nothing to say. */
function scriptOfSvelte(name, code) {
  assert.deepEqual(compile(code, { filename: name }).warnings, []);
  return `${code.match(/<script>(.*?)<\/script>/s)[1]}\nexport default /** @type {import("svelte").Component} */ (null);`;
}

/** Return the script of a component; its template must be valid, and take no name from nowhere. */
function scriptOf(name, code) {
  const { descriptor, errors } = parse(code, { filename: name });
  assert.deepEqual(errors, []);
  const { content } = compileScript(descriptor, { id: name, inlineTemplate: true });
  assert.doesNotMatch(content, /_ctx\.(?!\$)/, `the template of ${name} takes a name from nowhere`);
  return `${descriptor.scriptSetup.content}\nexport default {};`;
}

describe("the snippets of the docs", () => {
  let found;

  before(() => {
    const written = Object.fromEntries(pages().map((page) => [page, snippets(page)]));
    for (const files of Object.values(written)) {
      for (const [name, code] of Object.entries(files)) {
        const script = { vue: scriptOf, svelte: scriptOfSvelte }[name.split(".").at(-1)];
        if (!script) continue;
        delete files[name];
        files[`${name}.js`] = script(name, code);
      }
    }
    found = complaints({ ...written, wrong: WRONG });
  });

  for (const page of pages()) {
    it(`of ${page} call what exists`, () => assert.deepEqual(found[page], []));
  }

  it("in TypeScript hold under strict", () => {
    const { "src/ProofForm.tsx": form } = snippets("docs/react.md");
    const wrong = form.replace("}: Props", "}");
    assert.notEqual(wrong, form);

    const { strict, loose } = complaints({ strict: { "a.tsx": form }, loose: { "b.tsx": wrong } }, { isStrict: true });

    assert.deepEqual([strict.length, loose.length], [0, 3]);
  });

  it("are found wrong if a name or an argument is", () => {
    assert.deepEqual(found.wrong.map((complaint) => complaint[0]).toSorted(), ["a", "b", "c", "d"]);
    assert.throws(() => scriptOf("A.vue", "<script setup>const a = 1;</script><template>{{ b }}</template>"), {
      message: "the template of A.vue takes a name from nowhere",
    });
    assert.throws(() => scriptOfSvelte("A.svelte", "<script></script><img src={a}>"));
  });
});
