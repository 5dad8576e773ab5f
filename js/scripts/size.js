// Holds the modules to their budgets: the files that Django serves, and what a bundler makes of the
// npm package.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { buildSync } from "esbuild";

const BYTES_AT_MOST = { "session-auth.js": 4096, "factors.js": 1536, "live.js": 1024, "messages.js": 1536, "react.js": 1536, "vue.js": 1536, "svelte.js": 1536 };

const path = (name) => fileURLToPath(new URL(`../../src/session_auth/static/session_auth/${name}`, import.meta.url));
const sizeOf = (contents) => gzipSync(contents, { level: 9 }).length;

for (const [name, limit] of Object.entries(BYTES_AT_MOST)) {
  const { outputFiles } = buildSync({
    bundle: true,
    entryPoints: [path(name)],
    external: ["react", "vue"],
    format: "esm",
    minify: true,
    target: "es2022",
    write: false,
  });
  const sizes = [readFileSync(path(name)), outputFiles[0].contents].map(sizeOf);
  console.log(`${name}: ${sizes[0]} bytes as served, ${sizes[1]} bundled (gzip), ${limit} at most`);
  if (Math.max(...sizes) > limit) process.exitCode = 1;
}
