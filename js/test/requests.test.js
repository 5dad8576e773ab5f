// The client against a real server that speaks the contract; what needs a browser is tested in one.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, beforeEach, describe, it } from "node:test";

import {
  SessionAuthError,
  createSessionClient,
} from "../../src/session_auth/static/session_auth/session-auth.js";

/** Start a server on a free port; answer is (request, body) => [status, json, headers]. */
async function serve(answer) {
  const seen = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    seen.push({ method: request.method, url: request.url, headers: request.headers, body });
    if (request.url === "/api/auth/csrf/") await held;
    const [status, data, headers] = answer(request, body);
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(typeof data === "object" ? JSON.stringify(data) : data);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { seen, server, origin: `http://127.0.0.1:${server.address().port}` };
}

let current = "token-1";
let loggedIn = null;
let refuseAlways = false;
let held, release;
const csrfFailed = [403, { error: "CSRF check failed: ...", code: "csrf_failed" }];

function answer(request, body) {
  if (request.url === "/api/auth/csrf/") return [200, { csrfToken: current }];
  if (request.url === "/api/auth/user/") return [200, { user: loggedIn }];
  if (request.method === "POST") {
    if (refuseAlways || request.headers["x-csrftoken"] !== current) return csrfFailed;
  }
  if (request.url === "/api/auth/login/") {
    const { username, password } = JSON.parse(body);
    if (password !== "right") return [401, { error: "Invalid credentials", code: "invalid_credentials" }];
    current = "token-after-login";
    loggedIn = { id: 1, username };
    return [200, { user: loggedIn, csrfToken: current }];
  }
  if (request.url === "/api/auth/logout/") {
    loggedIn = null;
    return [200, { message: "Logged out" }];
  }
  if (request.url === "/slow/") return [429, { error: "Too fast.", code: "throttled" }, { "Retry-After": "7" }];
  if (request.url === "/now/") return [503, { error: "Down.", code: "x" }, { "Retry-After": "0" }];
  if (request.url === "/html/") return [500, undefined, { "Content-Type": "text/html" }];
  if (request.url === "/login-page/") return [200, "<html>", { "Content-Type": "text/html" }];
  if (request.url === "/accepted/") return [202, undefined];
  if (request.url === "/fields/") {
    const fields = { title: ["Too short."] };
    return [400, { error: "No.", code: "invalid_request", fields, hint: "Send more." }];
  }
  return [200, { echo: body }];
}

describe("requests", () => {
  let site, other;

  before(async () => {
    [site, other] = await Promise.all([serve(answer), serve(() => [200, {}])]);
    globalThis.location = new URL(site.origin + "/page/");
    Object.defineProperty(globalThis, "navigator", { value: {} }); // of a page without HTTPS
  });

  after(() => {
    site.server.close();
    other.server.close();
  });

  beforeEach(() => {
    globalThis.document = { cookie: "" };
    current = "token-1";
    loggedIn = null;
    refuseAlways = false;
    held = undefined;
    site.seen.length = other.seen.length = 0;
  });

  const calls = () => site.seen.map(({ method, url }) => `${method} ${url}`);

  it("asks the endpoint for a token when there is no cookie, once for parallel calls", async () => {
    const client = createSessionClient();

    await Promise.all([1, 2, 3].map(() => client.fetch("/api/x/", { method: "POST" })));

    assert.equal(calls().filter((call) => call === "GET /api/auth/csrf/").length, 1);
    assert.equal(calls().filter((call) => call === "POST /api/x/").length, 3);
  });

  it("reads the token from the cookie, with or without the __Host- prefix", async () => {
    for (const name of ["csrftoken", "__Host-csrftoken"]) {
      document.cookie = `a=1; ${name}=token-1; xcsrftoken=no`;
      await createSessionClient().fetch("/api/x/", { method: "POST" });
    }

    assert.deepEqual(calls(), ["POST /api/x/", "POST /api/x/"]);
  });

  it("follows the project's own names of cookie and header", async () => {
    document.cookie = "csrftoken=no; mine=token-1";
    const client = createSessionClient({ cookieName: "mine", headerName: "X-Mine" });

    await client.fetch("/api/x/", { method: "PUT" });

    assert.equal(site.seen[0].headers["x-mine"], "token-1");
    assert.equal(site.seen[0].headers["x-csrftoken"], undefined);
  });

  it("retries once with a fresh token and the same body when the token was refused", async () => {
    document.cookie = "csrftoken=stale";

    const response = await createSessionClient().fetch("/api/x/", { method: "POST", body: "hello" });

    assert.deepEqual(await response.json(), { echo: "hello" });
    assert.deepEqual(calls(), ["POST /api/x/", "GET /api/auth/csrf/", "POST /api/x/"]);
  });

  it("retries a Request with its body too", async () => {
    document.cookie = "csrftoken=stale";
    const request = new Request(site.origin + "/api/x/", { method: "POST", body: "hello" });

    const response = await createSessionClient().fetch(request);

    assert.deepEqual(await response.json(), { echo: "hello" });
  });

  it("gives up after the second refusal, and hands the answer over", async () => {
    refuseAlways = true;

    const response = await createSessionClient().fetch("/api/x/", { method: "POST" });

    assert.equal(response.status, 403);
    assert.equal((await response.json()).code, "csrf_failed");
    assert.equal(calls().filter((call) => call === "POST /api/x/").length, 2);
  });

  it("does not repeat a stream, which can be read once only", async () => {
    document.cookie = "csrftoken=stale";
    const body = new Blob(["hello"]).stream();

    const response = await createSessionClient().fetch("/api/x/", { method: "POST", body, duplex: "half" });

    assert.equal(response.status, 403);
    assert.deepEqual(calls(), ["POST /api/x/"]);
  });

  it("offers a refused cookie no second time: it may be left over from other settings", async () => {
    document.cookie = "csrftoken=stale";
    const client = createSessionClient();

    await client.fetch("/api/x/", { method: "POST" });
    await client.fetch("/api/x/", { method: "POST" });
    document.cookie = "csrftoken=token-1";
    await client.fetch("/api/x/", { method: "POST" });

    assert.deepEqual(
      site.seen.map(({ headers }) => headers["x-csrftoken"]),
      ["stale", undefined, "token-1", "token-1", "token-1"],
    );
  });

  it("sends without cookies and token what is to go without cookies", async () => {
    document.cookie = "csrftoken=token-1";
    const asked = [];
    const { fetch } = globalThis;
    globalThis.fetch = (request) => {
      asked.push(request.credentials);
      return fetch(request);
    };

    await createSessionClient().fetch("/api/x/", { method: "POST", credentials: "omit" });
    globalThis.fetch = fetch;

    assert.deepEqual(asked, ["omit"]);
    assert.deepEqual(site.seen.map(({ headers }) => headers["x-csrftoken"]), [undefined]);
  });

  it("leaves a token alone that the caller set", async () => {
    const headers = { "X-CSRFToken": "own" };

    const response = await createSessionClient().fetch("/api/x/", { method: "POST", headers });

    assert.equal(response.status, 403);
    assert.deepEqual(calls(), ["POST /api/x/"]);
  });

  it("asks for no token to read", async () => {
    for (const method of ["GET", "get", "HEAD", "OPTIONS"]) {
      await createSessionClient().fetch("/api/x/", { method });
    }

    assert.equal(site.seen.some(({ headers }) => headers["x-csrftoken"]), false);
    assert.equal(calls().includes("GET /api/auth/csrf/"), false);
  });

  it("never sends the token to another origin, however the URL is written", async () => {
    document.cookie = "csrftoken=token-1";
    const client = createSessionClient();
    const port = new URL(other.origin).port;
    const here = new URL(site.origin).host;

    for (const input of [
      `${other.origin}/x/`,
      new URL("/x/", other.origin),
      new Request(`${other.origin}/x/`, { method: "POST" }),
      `//127.0.0.1:${port}/x/`,
      `http://127.0.0.1:${port}/${site.origin}/`,
    ]) {
      await client.fetch(input, { method: "POST" });
    }
    await assert.rejects(client.fetch(`http://${here}@127.0.0.1:${port}/x/`, { method: "POST" }));

    assert.equal(other.seen.length, 5);
    assert.equal(other.seen.some(({ headers }) => headers["x-csrftoken"]), false);
    assert.deepEqual(calls(), []);
  });

  it("logs in, uses the token of the answer, and logs out", async () => {
    const client = createSessionClient();

    assert.deepEqual(await client.login({ username: "alice", password: "right" }), {
      id: 1,
      username: "alice",
    });
    await client.logout();
    assert.equal(await client.user(), null);

    assert.deepEqual(calls(), [
      "GET /api/auth/csrf/",
      "POST /api/auth/login/",
      "GET /api/auth/user/", // since no script can see whether the cookie is kept
      "POST /api/auth/logout/",
      "GET /api/auth/user/",
    ]);
    assert.deepEqual(JSON.parse(site.seen[1].body), { username: "alice", password: "right" });
  });

  it("forgets the token at logout", async () => {
    const client = createSessionClient();
    await client.login({ username: "alice", password: "right" });
    await client.logout();
    current = "token-of-nobody";

    await client.logout();

    assert.equal(calls().filter((call) => call === "POST /api/auth/logout/").length, 2);
  });

  it("sends remember only where it was given", async () => {
    const credentials = { username: "alice", password: "right" };

    await createSessionClient().login({ ...credentials, remember: false });

    assert.deepEqual(JSON.parse(site.seen[1].body), { ...credentials, remember: false });
  });

  it("throws one typed error with status and code", async () => {
    const error = await createSessionClient()
      .login({ username: "alice", password: "wrong" })
      .catch((reason) => reason);

    assert.ok(error instanceof SessionAuthError && error instanceof Error);
    assert.equal(error.name, "SessionAuthError");
    assert.equal(error.message, "Invalid credentials");
    assert.equal(error.status, 401);
    assert.equal(error.code, "invalid_credentials");
  });

  it("tells which fields were refused, what developers should do, and when to try again", async () => {
    const client = createSessionClient();

    await assert.rejects(client.json("/fields/"), {
      message: "No.",
      fields: { title: ["Too short."] },
      hint: "Send more.",
    });
    await assert.rejects(client.json("/slow/"), { status: 429, code: "throttled", retryAfter: 7 });
    await assert.rejects(client.json("/now/"), { status: 503, retryAfter: 0 });
  });

  it("makes an error of an answer that is no JSON too", async () => {
    await assert.rejects(createSessionClient().json("/html/"), {
      name: "SessionAuthError",
      message: "The server answered 500.",
      status: 500,
      code: "unknown",
    });
    await assert.rejects(createSessionClient().json("/login-page/"), {
      name: "SessionAuthError",
      status: 200,
      code: "unknown",
    });
  });

  it("takes an answer without a body as undefined", async () => {
    assert.equal(await createSessionClient().json("/accepted/"), undefined);
  });

  it("tells a server that cannot be reached from one that refuses", async () => {
    const gone = await serve(() => [200, {}]);
    await new Promise((resolve) => gone.server.close(resolve));

    await assert.rejects(createSessionClient().json(`${gone.origin}/`), {
      name: "SessionAuthError",
      status: 0,
      code: "network_error",
    });
  });

  it("lets a mistake of the caller be one, as fetch does", async () => {
    const client = createSessionClient();

    for (const [url, options] of [
      ["http://:::", {}],
      ["/api/x/", { body: { a: 1 } }],
      ["/api/x/", { headers: { "a b": "x" } }],
      ["/api/x/", { method: "POST", body: 1n }],
    ]) {
      await assert.rejects(client.json(url, options), (error) => {
        assert.equal(error.name, "TypeError");
        assert.doesNotMatch(error.message, /reached/);
        return true;
      });
    }
    assert.deepEqual(calls(), []);
  });

  it("hands over the headers that an upload by XMLHttpRequest needs", async () => {
    document.cookie = "csrftoken=token-1";
    const client = createSessionClient();
    assert.deepEqual(await client.csrfHeaders(), { "X-CSRFToken": "token-1" });

    await client.user();

    assert.deepEqual(await client.csrfHeaders(), { "X-CSRFToken": "token-1", "Session-User": "none" });
  });

  it("takes what fetch takes with json, too", async () => {
    const headers = new Headers({ Accept: "application/vnd.api+json", "X-Mine": "1" });

    await createSessionClient().json("/api/x/", { headers, keepalive: true, signal: undefined });

    const [{ headers: sent }] = site.seen;
    assert.deepEqual([sent.accept, sent["x-mine"]], ["application/vnd.api+json", "1"]);
  });

  it("sends with json, too, what is no JSON but that fetch takes", async () => {
    document.cookie = "csrftoken=token-1";
    const client = createSessionClient();
    const form = new FormData();
    form.append("title", "Hello");

    await client.json("/api/x/", { method: "POST", body: form });
    await client.json("/api/x/", { method: "POST", body: new URLSearchParams({ a: "1" }) });
    await client.json("/api/x/", { method: "POST", body: new Blob(["blob"], { type: "text/plain" }) });
    await client.json("/api/x/", { method: "POST", body: [new Date(0), "text", null] });

    const seen = site.seen.map(({ headers, body }) => [headers["content-type"].split(";")[0], body]);
    assert.match(seen[0][1], /name="title"\r\n\r\nHello/);
    seen[0].pop();
    assert.deepEqual(seen, [
      ["multipart/form-data"],
      ["application/x-www-form-urlencoded", "a=1"],
      ["text/plain", "blob"],
      ["application/json", '["1970-01-01T00:00:00.000Z","text",null]'],
    ]);
  });

  it("leaves no listener at a signal that lives long", async () => {
    const { signal } = new AbortController();
    const listeners = new Set();
    signal.addEventListener = (name, listener, options) => {
      listeners.add(listener);
      options.signal.addEventListener("abort", () => listeners.delete(listener));
    };

    const answer = createSessionClient().user({ signal });
    assert.equal(listeners.size, 1);
    await answer;

    assert.equal(listeners.size, 0);
  });

  it("can be aborted, as fetch can", async () => {
    const signal = AbortSignal.abort();

    await assert.rejects(createSessionClient().json("/api/x/", { signal }), { name: "AbortError" });
    await assert.rejects(createSessionClient().fetch("/api/x/", { method: "POST", signal }), {
      name: "AbortError",
    });
    assert.deepEqual(calls(), []);
  });

  it("can be aborted while it waits for a token, which others may still be waiting for", async () => {
    held = new Promise((resolve) => (release = resolve));
    const client = createSessionClient();
    const aborter = new AbortController();
    const first = client.fetch("/api/x/", { method: "POST", signal: aborter.signal });
    const second = client.fetch("/api/x/", { method: "POST" });

    aborter.abort();

    await assert.rejects(first, { name: "AbortError" });
    release();
    assert.equal((await second).status, 200);
    assert.deepEqual(calls(), ["GET /api/auth/csrf/", "POST /api/x/"]);
  });
});
