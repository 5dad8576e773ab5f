// The npm package: what is in it, and that it is what Django serves.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, it } from "node:test";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MODULES = ["session-auth", "react", "vue"];
const read = (path) => readFileSync(ROOT + path, "utf8");

describe("the npm package", () => {
  it("holds the modules with their types, and no more", () => {
    const options = ["pack", "--dry-run", "--json", "--ignore-scripts"];
    const [{ files }] = JSON.parse(execFileSync("npm", options, { cwd: `${ROOT}js`, encoding: "utf8" }));

    const modules = MODULES.flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`]);
    assert.deepEqual(
      files.map(({ path }) => path).sort(),
      ["README.md", "dist/LICENSE", "package.json", ...modules].sort(),
    );
  });

  it("holds the files that Django serves", () => {
    for (const name of MODULES) {
      assert.equal(read(`js/dist/${name}.js`), read(`src/session_auth/static/session_auth/${name}.js`));
    }
  });

  it("has the version of the Python package", () => {
    const [, version] = read("pyproject.toml").match(/^version = "(.*)"$/m);

    assert.equal(JSON.parse(read("js/package.json")).version, version);
  });

  it("imports nothing but the frameworks", () => {
    const imports = MODULES.map((name) =>
      [...read(`js/dist/${name}.js`).matchAll(/^import .* from "(.*)";$/gm)].map(([, from]) => from),
    );

    assert.deepEqual(imports, [[], ["react"], ["vue"]]);
  });

  it("can be imported by its name", async () => {
    const { createSessionClient } = await import("django-session-auth");

    assert.equal(createSessionClient().getSnapshot().status, "loading");
  });
});
