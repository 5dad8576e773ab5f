// Under the hood: each request of this tab and each event of the client. It wraps window.fetch() to
// see what the client does; no app needs that. Bodies are not shown, and no token.

import { client } from "./client.js";
import { clone, fill, find } from "./dom.js";

const MOST = 50;
const REQUEST_HEADERS = ["Accept", "Content-Type", "Session-User", "Session-Activity"];
const ANSWER_HEADERS = [
  "Content-Type",
  "Cache-Control",
  "Vary",
  "WWW-Authenticate",
  "Retry-After",
  "Allow",
];
const EVENTS = ["login", "logout", "ended", "switched", "expiring"];

const log = find(".log");
const state = find(".hood .state");

function add(element) {
  log.prepend(element);
  while (log.children.length > MOST) log.lastElementChild.remove();
}

function showLines(call, title, lines) {
  const list = find("dl", call);
  const heading = document.createElement("dt");
  heading.textContent = title;
  list.append(heading);
  for (const text of lines) {
    const line = document.createElement("dd");
    line.textContent = text;
    list.append(line);
  }
}

const chosen = (names, headers) =>
  names.filter((name) => headers.has(name)).map((name) => `${name}: ${headers.get(name)}`);

function start(request) {
  const call = clone("#call");
  const { pathname } = new URL(request.url);
  fill(call, { ".method": request.method, ".path": pathname, ".status": "…" });
  const token = request.headers.has("X-CSRFToken") ? ["X-CSRFToken: (not shown)"] : [];
  showLines(call, "Request", [...chosen(REQUEST_HEADERS, request.headers), ...token]);
  add(call);
  return call;
}

function finish(call, status, { code = "", hint } = {}) {
  fill(call, { ".status": status, ".code": code });
  if (hint) showLines(call, "Hint for developers", [hint]);
  call.dataset.kind = status < 400 ? "good" : "bad";
}

const send = window.fetch;
window.fetch = async (input, init) => {
  const request = new Request(input, init);
  const call = start(request);
  const sentAt = performance.now();
  try {
    const response = await send(request);
    const milliseconds = Math.round(performance.now() - sentAt);
    showLines(call, `Answer, after ${milliseconds} ms`, chosen(ANSWER_HEADERS, response.headers));
    const told = response.ok
      ? { code: request.headers.get("Session-Activity") ?? "" } // passive: nobody asked for it
      : await response.clone().json().catch(() => ({}));
    finish(call, response.status, told);
    return response;
  } catch (error) {
    finish(call, "–", { code: error.name === "AbortError" ? "aborted" : "network_error" });
    throw error;
  }
};

const Source = window.EventSource;
window.EventSource = class extends Source {
  constructor(url) {
    super(url);
    const call = clone("#call");
    fill(call, { ".method": "GET", ".path": new URL(url).pathname, ".status": "…" });
    showLines(call, "Request", ["Accept: text/event-stream"]);
    add(call);
    this.addEventListener("open", () => finish(call, 200, { code: "open" }));
    this.addEventListener("error", () => finish(call, "–", { code: "closed" }));
    this.addEventListener("session_ended", () => finish(call, 200, { code: "session_ended" }));
  }
};

for (const name of EVENTS) {
  client.on(name, (detail) => {
    const { user, ...rest } = detail ?? {};
    const event = clone("#event");
    const told = user ? [user.username] : Object.values(rest);
    fill(event, { ".path": name, ".code": told.join(", ") });
    add(event);
  });
}

client.subscribe(() => {
  state.textContent = state.dataset.status = client.getSnapshot().status;
});
find(".hood .clear").addEventListener("click", () => log.replaceChildren());

// Where there is no room beside the page, the panel is folded to its latest line.
const fold = find(".hood .fold");
fold.addEventListener("click", () => {
  const isOpen = find(".hood").classList.toggle("open");
  fold.ariaExpanded = isOpen;
  fold.textContent = isOpen ? "Hide" : "Show";
});
