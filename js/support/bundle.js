// The app that a page of the docs builds up, bundled as Vite would.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { build } from "esbuild";
import { compile } from "svelte/compiler";
import { compileScript, parse } from "vue/compiler-sfc";

import { snippets } from "./snippets.js";

const JS = fileURLToPath(new URL("../", import.meta.url));
const STATIC = fileURLToPath(new URL("../../src/session_auth/static/session_auth/", import.meta.url));

/** Return the JavaScript of a component of Vue or Svelte; anything else as it is. */
function compiled(name, code) {
  if (name.endsWith(".svelte")) return compile(code, { filename: name }).js.code;
  if (!name.endsWith(".vue")) return code;
  const { descriptor } = parse(code, { filename: name });
  return compileScript(descriptor, { id: name, inlineTemplate: true }).content;
}

/** Return the address of a module that starts the app of `page`. */
export async function bundle(page) {
  const files = snippets(page);
  const inDocs = {
    name: "docs",
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^\.\// }, ({ path, namespace }) =>
        namespace === "docs" ? { namespace: "docs", path: path.replace("./", "src/") } : undefined,
      );
      onLoad({ filter: /./, namespace: "docs" }, ({ path }) => ({
        contents: compiled(path, files[path]),
        loader: path.endsWith(".jsx") ? "jsx" : "js",
        resolveDir: JS,
      }));
      onResolve({ filter: /^docs$/ }, () => ({
        namespace: "docs",
        path: Object.keys(files).find((name) => name.includes("/main.")),
      }));
    },
  };
  const outfile = join(mkdtempSync(join(tmpdir(), "docs-")), "app.mjs");
  await build({
    alias: {
      "django-session-auth": `${STATIC}session-auth.js`,
      "django-session-auth/react": `${STATIC}react.js`,
      "django-session-auth/svelte": `${STATIC}svelte.js`,
      "django-session-auth/vue": `${STATIC}vue.js`,
    },
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    bundle: true,
    conditions: ["browser"],
    define: { "process.env.NODE_ENV": '"production"' },
    entryPoints: ["docs"],
    format: "esm",
    jsx: "automatic",
    logLevel: "error",
    nodePaths: [join(JS, "node_modules")],
    outfile,
    plugins: [inDocs],
  });
  return pathToFileURL(outfile).href;
}
