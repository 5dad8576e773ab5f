// Calls of the server: with the token that Django wants, with the name of whom the tab shows, and
// once more where a refusal can be cured.
import { endpoint, stamp, type Core } from "./core.js";
import { errorOf, parse, unreachable } from "./errors.js";
import { pageOrigin, readCookie } from "./page.js";
import type { JsonOptions } from "./session-auth.js";
import { NOBODY, shownUser } from "./store.js";
import { inTurn } from "./tabs.js";
import { MINUTE } from "./times.js";
import { ignore, unlessAborted } from "./waiting.js";

const SHOWN_USER = "Session-User"; // the header by which tab and server say whom they know

/** What is special about a call; they may be added. */
export const enum Trait {
  None = 0,
  /** It is right whoever is logged in, as a login is. */
  Anyone = 1,
  /** It gives the session a new key. */
  Renews = 2,
  /** It ends the session. */
  Ends = 4,
}

// The token.

export const askForToken = async (core: Core): Promise<string> => {
  const { csrfToken } = await call(core, "GET", "csrf/", Trait.Anyone);
  return (core._answeredToken = csrfToken);
};

/**
 * The cookie comes first: after a login in another tab it is new, and the token that this tab got is
 * stale. A refused cookie is not used: it may be left over from before CSRF_USE_SESSIONS.
 */
const currentToken = async (core: Core) => {
  const token = readCookie(core);
  return (token !== core._refusedToken && token) || core._answeredToken || core._askForToken();
};

const renewToken = (core: Core) => {
  core._refusedToken = readCookie(core);
  return core._askForToken();
};

export const csrfHeaders = async (core: Core): Promise<Record<string, string>> => {
  const token = await currentToken(core);
  const shown = shownUser(core);
  return { [core._headerName]: token, ...(shown && { [SHOWN_USER]: shown }) };
};

// One call.

/** The request as fetch() would make it; in jsdom, only a page's fetch() knows the page's address. */
const requestFor = (input: RequestInfo | URL, init?: RequestInit) =>
  new Request(
    typeof input === "string"
      ? new URL(input, globalThis.document?.baseURI ?? pageOrigin())
      : input,
    init,
  );

/**
 * As fetch, and send again what can be cured: a stale token, or a login that is too long ago.
 *
 * A request names the user whom this tab shows, unless it is for anyone. The server refuses it if
 * somebody else is logged in by now, and tells with its answer if nobody is.
 */
export const send = async (
  core: Core,
  input: RequestInfo | URL,
  traits: Trait,
  init?: RequestInit,
): Promise<Response> => {
  let request = requestFor(input, init);
  if (new URL(request.url).origin !== pageOrigin()) return fetch(request);

  // TRACE is safe, too, but browsers send it for nobody.
  const isUnsafe = !/^(GET|HEAD|OPTIONS)$/.test(request.method);
  if (isUnsafe) {
    // The mode keeps a redirect from taking the token to another origin.
    request = new Request(request, { credentials: "same-origin", mode: "same-origin" });
  }
  const names = !(traits & Trait.Anyone) && request.credentials !== "omit" && !request.headers.has(SHOWN_USER);
  const needsToken = isUnsafe && !request.headers.has(core._headerName);
  const tried = new Set<unknown>();
  for (;;) {
    // A stream cannot be sent again: this would have to keep all of it.
    const again = !(init?.body instanceof ReadableStream) && request.clone();
    const shown = shownUser(core);
    const before = core._snapshot;
    if (needsToken) {
      request.headers.set(core._headerName, await unlessAborted(request.signal, () => currentToken(core)));
    }
    if (names && shown) request.headers.set(SHOWN_USER, shown);
    const sentAt = stamp(core);
    const renews = traits & Trait.Renews;
    const fetchIt = () => fetch(request);
    const callInTurn = () => (core._renewal = inTurn(core, fetchIt, "login/")) as Promise<Response>;
    const response = await unlessAborted(request.signal, renews ? callInTurn : fetchIt);
    const actual = response.headers.get(SHOWN_USER);
    const isSeenThrough = names && !(traits & Trait.Ends) && actual && actual !== shownUser(core);
    const look = () => core._look().catch(ignore);
    if (isSeenThrough) await look();
    if (response.ok) return response;

    const refusal = errorOf(response, parse(await response.clone().text()));
    const { code } = refusal;
    // Resolves to whether the call may be sent again.
    const cure = async () => {
      // A wrong password is no end of the session.
      if (response.status === 401 && before.user && !(renews && code === "invalid_credentials")) {
        if (renews) return void look();
        if (!isSeenThrough) await look();
        // The call may have been sent with a key that was renewed meanwhile.
        return core._snapshot.session?.id !== before.session?.id;
      }
      if (code === "user_changed") {
        await look();
        // Nobody's data are on show that those of the user could be taken for.
        return shown === NOBODY && !isUnsafe && shownUser(core) !== NOBODY;
      }
      if (!again) return;
      if (code === "csrf_failed") return needsToken && renewToken(core);
      // The user may have proven the password while this call was on its way.
      if (code === "reauthentication_required") return core._provenAt >= sentAt || core._requestProof(refusal);
    };
    if (tried.has(code) || !(await unlessAborted(request.signal, cure)) || !again) return response;
    // What one user has called is not sent for another, who may have logged in meanwhile.
    if (before.user && shownUser(core) !== shown) return response;
    tried.add(code);
    request = again;
  }
};

// JSON.

/** Resolves to the data and the headers of the answer; rejects with what is refused. */
export const exchange = async (
  core: Core,
  input: string | URL,
  { body, headers, ...init }: JsonOptions = {},
  traits = Trait.None,
): Promise<[any, Headers]> => {
  const request = requestFor(input, {
    ...(init as RequestInit),
    headers: {
      accept: "application/json",
      ...(body !== undefined && { "content-type": "application/json" }),
      ...Object.fromEntries(new Headers(headers)),
    },
    body: JSON.stringify(body),
  }); // whose error is the caller's, not the server's
  let response, text;
  try {
    response = await send(core, request, traits);
    text = await response.text();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw unreachable(cause);
  }
  const data = parse(text);
  if (!response.ok || (text && data === undefined)) throw errorOf(response, data);
  return [data, response.headers];
};

/** Call an endpoint. What it answers has the time of the server, too, as what a page brings has. */
export const call = async (
  core: Core,
  method: string,
  name: string,
  traits: Trait,
  options?: JsonOptions,
  body?: unknown,
): Promise<any> => {
  const url = endpoint(core, name);
  const [data, headers] = await exchange(core, url, { ...options, method, body }, traits);
  return { now: headers.get("Date"), ...data };
};

export const askWho = (core: Core, options?: JsonOptions) =>
  // A wait without end would end the watching, too.
  call(core, "GET", "user/", Trait.Anyone, { ...options, signal: AbortSignal.timeout(MINUTE) });
