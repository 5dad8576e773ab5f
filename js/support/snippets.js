// The snippets of the docs, as files: each under the name in its first line, or one of its own.
import { readFileSync, readdirSync } from "node:fs";

const ROOT = new URL("../../", import.meta.url);
const FENCE = /^```(js|jsx|tsx?|vue|svelte|html)\n(.*?)^```/gms;
const NAME = /^(?:\/\/|<!--) ([\w./-]+)/;
const SCRIPT = /<script type="module".*?>(.*?)<\/script>/gs;
const ADDRESS = /\{% static 'session_auth\/([\w-]+)\.js' %\}/g;

const moduleOf = (_, name) => (name === "session-auth" ? "django-session-auth" : `django-session-auth/${name}`);

export const pages = () => [
  "README.md",
  "js/README.md",
  ...readdirSync(new URL("docs/", ROOT))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

export const read = (page) => readFileSync(new URL(page, ROOT), "utf8");

/** Return the files of a page, by name. */
export function snippets(page) {
  const files = {};
  let number = 0;
  for (const [, language, code] of read(page).matchAll(FENCE)) {
    const scripts = language === "html" ? [...code.matchAll(SCRIPT)].map(([, text]) => text.replace(ADDRESS, moduleOf)) : [code];
    for (const script of scripts) {
      const name = script.match(NAME)?.[1];
      if (language === "ts" && !name) continue; // a part of a file, about types alone
      files[name ?? `snippet-${++number}.${language === "html" ? "js" : language}`] = script;
    }
  }
  return files;
}
