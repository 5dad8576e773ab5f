// What TypeScript has against the snippets of the docs, which stand in a folder for each page.
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import ts from "typescript";

const JS = fileURLToPath(new URL("../", import.meta.url));
const GIVEN = [
  "support/docs.d.ts",
  "support/modules.d.ts",
  "node_modules/svelte/types/ambient.d.ts",
].map((name) => join(JS, name));
const STRICT = { noImplicitAny: true, strictNullChecks: true };
const OPTIONS = {
  allowJs: true,
  baseUrl: JS,
  checkJs: true,
  experimentalDecorators: true,
  jsx: ts.JsxEmit.ReactJSX,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
  module: ts.ModuleKind.ES2022,
  moduleDetection: ts.ModuleDetectionKind.Force,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  noEmit: true,
  paths: {
    "/static/session_auth/*": ["dist/*"],
    "django-session-auth": ["dist/session-auth.d.ts"],
    "django-session-auth/*": ["dist/*.d.ts"],
    react: ["node_modules/@types/react"],
    "react/jsx-runtime": ["node_modules/@types/react/jsx-runtime"],
    vue: ["node_modules/vue"],
  },
  skipLibCheck: true,
  strict: true,
  // Who copies a snippet writes JavaScript, without annotations.
  noImplicitAny: false,
  strictNullChecks: false,
  useUnknownInCatchVariables: false,
  target: ts.ScriptTarget.ES2022,
  types: [],
};

/**
 * Return the complaints about each page, as texts that begin with the name of the file.
 *
 * `pages` maps the name of a page to its files, by name. With `isStrict`, they are held to all that
 * who writes TypeScript is held to.
 */
export function complaints(pages, { isStrict = false } = {}) {
  const options = isStrict ? { ...OPTIONS, ...STRICT } : OPTIONS;
  const texts = new Map();
  for (const [page, files] of Object.entries(pages)) {
    for (const [name, code] of Object.entries(files)) texts.set(join(JS, page, name), code);
  }
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile, readFile } = host;
  host.directoryExists = () => true;
  host.fileExists = (path) => texts.has(path) || fileExists(path);
  host.readFile = (path) => texts.get(path) ?? readFile(path);
  // Nobody annotates what json() resolves to in JavaScript.
  const types = join(JS, "dist/session-auth.d.ts");
  texts.set(types, readFile(types).replace("json<T = unknown>", "json<T = any>"));
  host.getSourceFile = (path, ...more) =>
    texts.has(path)
      ? ts.createSourceFile(path, texts.get(path), ...more)
      : getSourceFile(path, ...more);
  const program = ts.createProgram([...texts.keys(), ...GIVEN], options, host);
  const found = Object.fromEntries(Object.keys(pages).map((page) => [page, []]));
  for (const { file, messageText } of ts.getPreEmitDiagnostics(program)) {
    const page = Object.keys(pages).find((name) => file?.fileName.startsWith(join(JS, name, "/")));
    const name = file?.fileName.slice(join(JS, page ?? "", "/").length);
    (found[page] ??= []).push(`${name}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
  }
  return found;
}
