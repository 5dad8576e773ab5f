// Calls of the server: with the token that Django wants, with the name of whom the tab shows, and
// once more where a refusal can be cured.
import { endpoint, stamp, type Core } from "./core.js";
import { cookieNotKept, errorOf, lost, parse, userChanged } from "./errors.js";
import { pageOrigin, readCookie } from "./page.js";
import type { JsonOptions } from "./session-auth.js";
import { publish, shownUser } from "./store.js";
import { inTurn } from "./tabs.js";
import { SECOND } from "./times.js";
import { unlessAborted } from "./waiting.js";

export const SHOWN_USER = "Session-User"; // the header by which tab and server say whom they know

const LONGEST_WAIT = 30 * SECOND;

/** What is special about a call; they may be added. */
export const enum Trait {
  None = 0,
  /** It is right whoever is logged in, as a login is. */
  Anyone = 1,
  /** It gives the session a new key. */
  Renews = 2,
  /** It ends the session. */
  Ends = 4,
  /** Its answer says who is logged in, as that of a call that renews does. */
  Tells = 8,
}

// The token.

/**
 * The cookie comes first: after a login in another tab it is new, and the token that this tab got is
 * stale. A refused cookie is not used: it may be left over from before CSRF_USE_SESSIONS.
 */
export const currentToken = async (core: Core) => {
  const token = readCookie(core);
  return (token !== core._refusedToken && token) || core._answeredToken || core._askForToken();
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
 * somebody else is logged in by now, and tells with its answer if nobody is. Without `init`, all of the
 * answer has to come before the tab shows somebody else.
 */
export const send = async (
  core: Core,
  input: RequestInfo | URL,
  traits: Trait,
  init?: RequestInit,
): Promise<Response> => {
  const request = requestFor(input, init);
  return unlessAborted(request.signal, () => attempt(core, request, traits, init));
};

const attempt = async (
  core: Core,
  request: Request,
  traits: Trait,
  init?: RequestInit,
): Promise<Response> => {
  // As of fetch(); what fails in the callbacks of the page, json() hands over as it is, too.
  const fail = init ? undefined : lost;
  const reach = () => fetch(request).catch(fail);
  if (new URL(request.url).origin !== pageOrigin()) return reach();

  // TRACE is safe, too, but browsers send it for nobody.
  const isUnsafe = !/^(GET|HEAD|OPTIONS)$/.test(request.method);
  if (isUnsafe) {
    // The mode keeps a redirect from taking the token to another origin.
    request = new Request(request, { mode: "same-origin" });
  }
  // Without cookies, it is nobody's.
  const sees = request.credentials !== "omit";
  const names = sees && !(traits & Trait.Anyone) && !request.headers.has(SHOWN_USER);
  const needsToken = sees && isUnsafe && !request.headers.has(core._headerName);
  const renews = traits & Trait.Renews;
  const tried = new Set<unknown>();
  for (;;) {
    // A stream cannot be sent again: this would have to keep all of it.
    const again = !(init?.body instanceof ReadableStream) && request.clone();
    const shown = shownUser(core);
    const before = core._snapshot;
    if (needsToken) {
      request.headers.set(core._headerName, await currentToken(core));
    }
    if (names && shown) request.headers.set(SHOWN_USER, shown);
    const sentAt = stamp(core);
    const response: Response = await (renews
      ? inTurn(core, () => (core._renewal = reach()), "login/")
      : reach());
    const actual = names && !(traits & Trait.Ends) && response.headers.get(SHOWN_USER);
    const isSeenThrough = actual && actual !== shownUser(core);
    if (isSeenThrough) await core._lookAnew();
    const text = (init && response.ok) || (await response.clone().text().catch(fail));
    // What one user has asked for is not for another, or for nobody.
    if (response.ok) {
      if (actual === null && before.user && shownUser(core) !== shown) throw userChanged();
      return response;
    }

    const refusal = errorOf(response, parse(text as string));
    const { code } = refusal;
    if (tried.has(code)) return response;
    tried.add(code);
    let isCured: unknown; // so that the call may be sent again
    // A wrong password is no end of the session.
    const isOver =
      response.status === 401 && before.user && !(renews && code === "invalid_credentials");
    if (isOver || code === "user_changed") {
      if (!isSeenThrough) await core._lookAnew();
      // A call may have been sent with a key that was renewed meanwhile; or a read without one, where
      // nobody's data are on show that those of the user could be taken for.
      isCured =
        !(isOver ? renews : isUnsafe) && core._snapshot.session?.id !== before.session?.id;
    } else if (again) {
      if (code === "csrf_failed" && needsToken) {
        core._refusedToken = readCookie(core);
        isCured = await core._askForToken();
      }
      // The user may have proven the password while this call was on its way.
      if (code === "reauthentication_required") {
        isCured = core._provenAt >= sentAt || (await core._requestProof(refusal));
      }
    }
    // What one user has called is not sent for another, who may have logged in meanwhile.
    if (!isCured || !again || (before.user && shownUser(core) !== shown)) return response;
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
  // A form, a file, bytes: what has a tag is one of the browser's own, which JSON knows nothing of.
  const isRaw = typeof body === "object" && (body as any)?.[Symbol.toStringTag];
  const content = isRaw ? body : JSON.stringify(body);
  const request = requestFor(input, {
    ...(init as RequestInit),
    headers: {
      ...(typeof content === "string" && { "content-type": "application/json" }),
      accept: "application/json",
      ...Object.fromEntries(new Headers(headers)),
    },
    body: content,
  } as RequestInit); // whose error is the caller's, not the server's
  const response = await send(core, request, traits);
  const text = await response.text().catch(lost);
  const data = parse(text);
  const isMute = traits & (Trait.Tells + Trait.Renews) && data?.user === undefined;
  if (!response.ok || (text && data === undefined) || isMute) {
    const refusal = errorOf(response, data);
    throw /cookie/.test(refusal.hint!) && !readCookie(core) ? cookieNotKept(refusal) : refusal;
  }
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
  if (traits & Trait.Ends) publish(core, { user: null }, stamp(core), "logout");
  return { now: headers.get("Date"), ...data };
};

/** Ask what many may wait for: the watching, all calls that need a token. So the wait has an end. */
export const ask = (
  core: Core,
  name: string,
  traits: Trait,
  options?: JsonOptions,
  longestWait = LONGEST_WAIT,
) =>
  call(core, "GET", name, Trait.Anyone + traits, {
    ...options,
    signal: AbortSignal.timeout(longestWait),
  }).catch(lost);
