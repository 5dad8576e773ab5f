// Elements: found, made from a <template>, and filled with text that can never become HTML.

export const find = (selector, root = document) => root.querySelector(selector);

export const clone = (selector) => find(selector).content.firstElementChild.cloneNode(true);

/** Put `texts` where their selectors lead, below `root`. */
export function fill(root, texts) {
  for (const [selector, text] of Object.entries(texts)) find(selector, root).textContent = text;
}

/** Whether this browser has passkeys in this page: at an address such as 127.0.0.1, none has. */
export const hasPasskeys = () =>
  "PublicKeyCredential" in window && !/^[\d.]+$|:/.test(location.hostname);

/** A time in the visitor's own zone and way of writing, which the server does not know. */
export const timeText = (moment) =>
  new Date(moment).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
