// Logging in and out, as far as there is more to it than to call an endpoint.
import { PASSIVE, stamp, type Core } from "./core.js";
import { cookieNotKept } from "./errors.js";
import { readCookie } from "./page.js";
import { ask, call, Trait } from "./requests.js";
import type { Abortable } from "./session-auth.js";
import { publish } from "./store.js";
import { LONGEST_TURN } from "./tabs.js";

/** Post a call that gives the session a new key, with a `cause` if it is a login. */
export const renew = async (
  core: Core,
  name: string,
  body: unknown,
  options?: Abortable,
  cause?: "login",
): Promise<any> => {
  const cookieBefore = readCookie(core);
  const traits = cause ? Trait.Renews + Trait.Anyone : Trait.Renews;
  const answer = await call(core, "POST", name, traits, options, body);
  // Each login brings another CSRF cookie. Where that cannot be seen, or the session cookie may need
  // HTTPS, the server has to be asked.
  if (
    cause &&
    (readCookie(core) === cookieBefore || (core._stopWatching && location.protocol === "http:"))
  ) {
    const seen = await ask(core, "user/", Trait.Tells, PASSIVE, LONGEST_TURN).catch(() => answer);
    if (!seen.user) throw cookieNotKept();
  }
  core._provenAt = stamp(core);
  publish(core, answer, core._provenAt, cause);
  core._answeredToken = answer.csrfToken;
  return answer.user;
};
