// The app knows nothing at first: it asks who is signed in, and for the articles.

import { find } from "./forms.js";
import { refresh } from "./page.js";

/** List each call to the API with its status, as the browser's own record of them has it. */
function watch(record) {
  for (const { name, responseStatus } of record.getEntriesByType("resource")) {
    const { pathname } = new URL(name);
    if (!pathname.startsWith("/api/")) continue;
    const item = find("#call").content.firstElementChild.cloneNode(true);
    find("code", item).textContent = pathname;
    find(".status", item).textContent = responseStatus;
    find(".status", item).dataset.refused = String(responseStatus >= 400);
    find("#calls").prepend(item);
  }
}

new PerformanceObserver(watch).observe({ type: "resource", buffered: true });

await refresh();
