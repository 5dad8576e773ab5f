// The npm package: what is in it, and that it is what Django serves.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";

import { parse } from "acorn";

import { stale } from "../scripts/build.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SERVED = ["session-auth", "factors", "live", "messages", "react", "vue", "svelte"];
const MODULES = [...SERVED, "testing"];
const read = (path) => readFileSync(ROOT + path, "utf8");

describe("the npm package", () => {
  it("holds the modules with their types, and no more", () => {
    const options = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const [{ files }] = JSON.parse(execFileSync("npm", options, { cwd: `${ROOT}js`, encoding: "utf8" }));

    const endings = ["d.ts", "d.cts", "js", "js.map", "cjs", "cjs.map"];
    const modules = MODULES.flatMap((name) => endings.map((ending) => `dist/${name}.${ending}`));
    modules.push("dist/errors.d.ts", "dist/errors.d.cts"); // the class that they share
    modules.push("dist/types.d.ts"); // of the endpoints
    assert.deepEqual(
      files.map(({ path }) => path).sort(),
      ["README.md", "dist/LICENSE", "package.json", ...modules].sort(),
    );
  });

  it("holds the files that Django serves", () => {
    for (const name of SERVED.flatMap((each) => [`${each}.js`, `${each}.js.map`])) {
      assert.equal(read(`js/dist/${name}`), read(`src/session_auth/static/session_auth/${name}`));
    }
  });

  it("is noticed if it is not what the source gives", async (test) => {
    assert.deepEqual(await stale(), []);
    const folder = `${mkdtempSync(join(tmpdir(), "static-"))}/`;
    test.after(() => rmSync(folder, { recursive: true }));
    cpSync(`${ROOT}src/session_auth/static/session_auth/`, folder, { recursive: true });
    writeFileSync(`${folder}extra.js`, "");
    writeFileSync(`${folder}vue.js`, "changed by hand");

    assert.deepEqual(await stale(folder), ["vue.js", "extra.js"]);
  });

  it("has the version of the Python package", () => {
    const [, version] = read("src/session_auth/__init__.py").match(/^__version__ = "(.*)"$/m);

    assert.equal(JSON.parse(read("js/package.json")).version, version);
  });

  it("imports nothing but the frameworks", () => {
    const imports = MODULES.map((name) =>
      [...read(`js/dist/${name}.js`).matchAll(/\bfrom ?"(.*?)"/g)].map(([, from]) => from),
    );

    assert.deepEqual(imports, [[], [], [], [], ["react"], ["vue"], [], ["./session-auth.js"]]);
  });

  it("is written in the syntax of ES2022, which the supported browsers know", () => {
    for (const name of SERVED) parse(read(`js/dist/${name}.js`), { ecmaVersion: 2022, sourceType: "module" });

    assert.throws(() => parse("using a = 1", { ecmaVersion: 2022, sourceType: "module" }), SyntaxError);
  });

  it("knows each code of the contract", () => {
    const codes = [...read("src/session_auth/exceptions.py").matchAll(/^    code = "(\w+)"$/gm)];
    const [, known] = read("js/src/session-auth.ts").match(/export interface ErrorCodes \{(.*?)\}/s);

    assert.ok(codes.length > 10);
    assert.deepEqual(codes.map(([, code]) => code).filter((code) => !known.includes(`${code}: true`)), []);
  });

  it("can be imported by its name", async () => {
    const { createSessionClient } = await import("django-session-auth");

    assert.equal(createSessionClient().getSnapshot().status, "loading");
  });

  it("can be required, as Jest does it, with one class of errors", async () => {
    const require = createRequire(import.meta.url);
    const { SessionAuthError } = require("django-session-auth");
    const client = require("django-session-auth/testing").createTestClient();
    client.refuse("login", { code: "throttled" });

    await assert.rejects(client.login({ password: "..." }), SessionAuthError);
  });

  for (const name of MODULES) {
    it(`can be imported by a React Server Component, and in a process without a page: ${name}`, () => {
      const load = `await import("django-session-auth/${name}".replace("/session-auth", "")); console.log("loaded")`;
      const options = ["--conditions=react-server", "--input-type=module", "--eval", load];

      assert.equal(execFileSync("node", options, { cwd: `${ROOT}js`, encoding: "utf8" }), "loaded\n");
    });
  }

  it("names no internal type", () => {
    const types = read("js/dist/session-auth.d.ts");

    assert.doesNotMatch(types, /\b(Core|State|Trait)\b/);
  });
});
