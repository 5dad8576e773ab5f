// Makes the npm package of the files that Django serves: the modules as they are, and their types.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const dist = path("../dist/");

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
for (const name of ["session-auth.js", "react.js", "vue.js"]) {
  copyFileSync(path(`../../src/session_auth/static/session_auth/${name}`), dist + name);
}
copyFileSync(path("../../LICENSE"), `${dist}LICENSE`);
const types = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", dist];
execFileSync(path("../node_modules/.bin/tsc"), ["--project", path("../tsconfig.json"), ...types], {
  stdio: "inherit",
});
