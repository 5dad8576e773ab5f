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

function showHeaders(call, title, entries) {
  const list = find("dl", call);
  const heading = document.createElement("dt");
  heading.textContent = title;
  list.append(heading);
  for (const [name, value] of entries) {
    const line = document.createElement("dd");
    line.textContent = `${name}: ${value}`;
    list.append(line);
  }
}

const chosen = (names, headers) =>
  names.filter((name) => headers.has(name)).map((name) => [name, headers.get(name)]);

function start(request) {
  const call = clone("#call");
  const { pathname } = new URL(request.url);
  fill(call, { ".method": request.method, ".path": pathname, ".status": "…" });
  const token = request.headers.has("X-CSRFToken") ? [["X-CSRFToken", "(not shown)"]] : [];
  showHeaders(call, "Request", [...chosen(REQUEST_HEADERS, request.headers), ...token]);
  add(call);
  return call;
}

function finish(call, status, code) {
  fill(call, { ".status": status, ".code": code ?? "" });
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
    showHeaders(call, `Answer, after ${milliseconds} ms`, chosen(ANSWER_HEADERS, response.headers));
    const code = response.ok
      ? request.headers.get("Session-Activity") // passive: nobody asked for it
      : (await response.clone().json().catch(() => ({}))).code;
    finish(call, response.status, code);
    return response;
  } catch (error) {
    finish(call, "–", error.name === "AbortError" ? "aborted" : "network_error");
    throw error;
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
find(".hood button").addEventListener("click", () => log.replaceChildren());
