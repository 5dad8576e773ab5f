// The single-page app: views that are made from templates, at addresses of their own. It knows
// nothing at first: it asks who is signed in, and for what the view shows.

import "./hood.js"; // before the first request
import { showUser } from "./account.js";
import "./dialogs.js";
import { followArticles, loadArticles, startWriting } from "./articles.js";
import { client } from "./client.js";
import { clone, find } from "./dom.js";
import { loadMethods, startMethods } from "./methods.js";
import { startChosen, startPassword } from "./password.js";
import { loadSessions, startSessions } from "./sessions.js";

/** What each view starts, loads anew when the user changes, and whether it wants a login. */
const VIEWS = {
  articles: { start: [startWriting, loadArticles], wantsLogin: true },
  sessions: { start: [startSessions, loadSessions], reload: loadSessions, wantsLogin: true },
  methods: { start: [startMethods, loadMethods], reload: loadMethods, wantsLogin: true },
  password: { start: [startPassword] },
  chosen: { start: [startChosen], title: "A new password" },
};
const heading = find("h1");
const links = [...document.querySelectorAll("[data-view]")];

let current;

function show() {
  const link = links.find(({ pathname }) => pathname === location.pathname);
  const { view } = link.dataset;
  current = view === "password" && location.hash.includes("/") ? "chosen" : view;
  for (const other of links) other.toggleAttribute("aria-current", false);
  link.setAttribute("aria-current", "page");
  const { start, title = link.textContent, wantsLogin } = VIEWS[current];
  document.title = heading.textContent = title;
  find("#sign-in").hidden = !wantsLogin;
  find("#view").replaceChildren(clone(`#${current}-view`));
  showUser(find("#view"));
  for (const begin of start) begin();
}

for (const link of links) {
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab or window
    event.preventDefault();
    if (link.pathname !== location.pathname) history.pushState(null, "", link.href);
    show();
    heading.focus();
  });
}
addEventListener("popstate", show);
show();
followArticles();

let user = null;
client.subscribe(() => {
  const { user: now } = client.getSnapshot();
  if (now?.id === user?.id) return;
  user = now;
  VIEWS[current].reload?.();
});
