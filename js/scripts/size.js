// Holds the modules to their budgets, as a page that bundles them would load them.
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { buildSync } from "esbuild";

const BYTES_AT_MOST = { "session-auth.js": 4 * 1024, "react.js": 1024, "vue.js": 1024 };

for (const [name, limit] of Object.entries(BYTES_AT_MOST)) {
  const { outputFiles } = buildSync({
    bundle: true,
    entryPoints: [fileURLToPath(new URL(`../../src/session_auth/static/session_auth/${name}`, import.meta.url))],
    external: ["react", "vue"],
    format: "esm",
    minify: true,
    target: "es2022",
    write: false,
  });
  const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  console.log(`${name}: ${size} bytes (minified, gzip), ${limit} at most`);
  if (size > limit) process.exitCode = 1;
}
