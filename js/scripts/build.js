// Builds the modules of src/: minified, with source maps, into the npm package (dist/) and into the
// static files that Django serves. With --check, only says whether the latter are what src/ gives.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { buildSync } from "esbuild";
import { minify } from "terser";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const DIST = path("../dist/");
const STATIC = path("../../src/session_auth/static/session_auth/");
const PUBLIC = ["session-auth", "factors", "live", "messages", "react", "vue", "svelte"];
const SERVED = [...PUBLIC, "second-factor"];
const MODULES = [...PUBLIC, "testing"];
export const TARGET = "es2022";

/** Return what the module gives: { code, map }, both texts. */
export async function built(name, { format = "esm" } = {}) {
  const { outputFiles } = buildSync({
    bundle: true,
    charset: "utf8",
    entryPoints: [path(`../src/${name}.ts`)],
    external: ["react", "vue", ...(name === "testing" ? ["./session-auth.js"] : [])],
    format,
    minifySyntax: true,
    outfile: `${DIST}${name}.js`,
    platform: "neutral",
    sourcemap: "external",
    target: TARGET,
    write: false,
  });
  const extension = format === "esm" ? "js" : "cjs";
  const [map, code] = outputFiles.map(({ text }) => text.replace('"./session-auth.js"', `"./session-auth.${extension}"`));
  const minified = await minify(
    { [`${name}.ts`]: code },
    {
      compress: { comparisons: false, passes: 3, pure_getters: true, unsafe: true, unsafe_arrows: true },
      ecma: 2022,
      // Names that begin with an underscore stay within one module: see src/core.ts.
      mangle: { properties: { regex: /^_[a-z]/ } },
      module: true,
      sourceMap: { content: map, url: `${name}.${extension}.map`, includeSources: true },
    },
  );
  // Next to a server component, this says that the module is for the browser.
  const prologue = name === "react" ? '"use client";' : "";
  return { code: prologue + minified.code + "\n", map: minified.map + "\n" };
}

/** Return the static files, by name. */
export async function served() {
  const files = {};
  for (const name of SERVED) {
    const { code, map } = await built(name);
    files[`${name}.js`] = code;
    files[`${name}.js.map`] = map;
  }
  return files;
}

/** Return the names of files in the folder that are not what src/ gives. */
export async function stale(folder = STATIC) {
  const files = await served();
  const names = new Set([...Object.keys(files), ...readdirSync(folder)]);
  const text = (name) => existsSync(folder + name) && readFileSync(folder + name, "utf8");
  return [...names].filter((name) => text(name) !== files[name]);
}

async function build() {
  for (const [name, text] of Object.entries(await served())) writeFileSync(STATIC + name, text);
  rmSync(DIST, { recursive: true, force: true });
  mkdirSync(DIST);
  for (const name of MODULES) {
    for (const [format, extension] of [["esm", "js"], ["cjs", "cjs"]]) {
      const { code, map } = await built(name, { format });
      writeFileSync(`${DIST}${name}.${extension}`, code);
      writeFileSync(`${DIST}${name}.${extension}.map`, map);
    }
  }
  copyFileSync(path("../../LICENSE"), `${DIST}LICENSE`);
  writeTypes();
  describeEndpoints();
}

/** The types of what the endpoints take and answer, from the document of scripts/write_openapi.py. */
function describeEndpoints() {
  const options = [path("../openapi.json"), "--output", `${DIST}types.d.ts`];
  execFileSync(path("../node_modules/.bin/openapi-typescript"), options, { stdio: "ignore" });
}

/** The types of the public modules, and of the class that they share; for require(), too. */
function writeTypes() {
  const types = ["--noEmit", "false", "--emitDeclarationOnly", "--outDir", DIST];
  execFileSync(path("../node_modules/.bin/tsc"), ["--project", path("../tsconfig.json"), ...types], {
    stdio: "inherit",
  });
  const wanted = [...MODULES, "errors"];
  for (const file of readdirSync(DIST).filter((each) => each.endsWith(".d.ts"))) {
    const name = file.replace(".d.ts", "");
    if (!wanted.includes(name)) rmSync(DIST + file);
    else {
      const text = readFileSync(DIST + file, "utf8").replace(/("\.\/[\w-]+)\.js"/g, '$1.cjs"');
      writeFileSync(`${DIST}${name}.d.cts`, text);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes("--check")) await build();
  else {
    const names = await stale();
    if (names.length) {
      console.error(`Not what js/src gives: ${names.join(", ")}. Run \`make client\`, and commit them.`);
      process.exitCode = 1;
    }
  }
}
