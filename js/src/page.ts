// What the page says, if there is one: its address, its cookies, who is logged in.
import { parse } from "./errors.js";
import type { Core } from "./core.js";
import { MINUTE } from "./times.js";
import type { Initial } from "./session-auth.js";

/**
 * The origin of the page; undefined on a server. A frame made of srcdoc and a worker made of a blob
 * have no location that tells it, but the `origin` of who made them.
 */
export const pageOrigin = (): string | undefined => globalThis.origin ?? globalThis.location?.origin;

export const readCookie = ({ _cookieName }: Core): string | undefined => {
  // In a page with <img name="cookie">, document.cookie is that element.
  const text = String(globalThis.document?.cookie);
  const find = (prefix: string) => text.match(`(^|; )${prefix}${_cookieName}=([^;]+)`)?.[2];
  return find("__Host-") ?? find("");
};

/** Take what the template tag has written: once, for what is in the page grows old. */
export const takeFromPage = (): Initial | undefined => {
  // Not document.querySelector, which <img name="querySelector"> would be.
  const find = globalThis.Document?.prototype.querySelector;
  const element = find?.call(document, "script#session-auth");
  element?.remove();
  return parse(element?.textContent);
};

/** Whether the page is one that the browser has kept, or that took long to come. */
export const isOld = ({ now }: Initial): boolean =>
  Math.abs(Date.now() - Date.parse(now!)) > MINUTE ||
  // Only browsers have getEntriesByType: jsdom has not.
  (performance.getEntriesByType?.("navigation")[0] as PerformanceNavigationTiming | undefined)
    ?.type === "back_forward";
