// A site that speaks the contract of the endpoints, with one browser's cookies in mind.

const SAFE = new Set(["GET", "HEAD"]);
const SECOND = 1000;

export class Site {
  /** What was asked of it: "POST /api/auth/login/", with "passive" where that was said. */
  calls = [];
  bodies = [];
  /** How far its clock is ahead of the browser's, in milliseconds. */
  clockAhead = 0;
  idleSeconds = 1800;
  absoluteSeconds = 86400;
  session = null;
  /** What befalls the next requests: a status, the code of a 401, an answer, an error, or a promise to await. */
  troubles = [];
  #keys = 0;

  /** The proofs that would do. */
  recentMethods = ["password"];

  timeOf = (time) => new Date(time).toISOString();
  now = () => Date.now() + this.clockAhead;

  /** What befalls the cookies of a login: a browser keeps them, but for those that it blocks. */
  keepsCookies = true;

  /** Open a session, as another tab or a page of the server would. */
  logIn(username) {
    const now = this.now();
    this.session = {
      username,
      id: `session-${++this.#keys}`,
      createdAt: now,
      seenAt: now,
      provenAt: now,
    };
  }

  end() {
    this.session = null;
  }

  fetch = async (request) => {
    const { pathname } = new URL(request.url);
    const passive = request.headers.get("Session-Activity") === "passive";
    this.calls.push(`${request.method} ${pathname}${passive ? " passive" : ""}`);
    this.lastRequest = request;
    const trouble = this.troubles.shift();
    if (trouble instanceof Error) throw trouble;
    if (trouble instanceof Response) return trouble;
    if (typeof trouble === "number") return refuse(trouble, "trouble");
    if (typeof trouble === "string") return refuse(401, trouble);
    const text = await request.text();
    if (text) this.bodies.push(JSON.parse(text));
    const shown = request.headers.get("Session-User");
    const before = this.#reference();
    const given = this.#answer(request, pathname, text && JSON.parse(text), passive);
    const after = this.#reference();
    if (shown && given.status !== 409 && (after !== before || (after === "none" && shown !== after))) {
      given.headers.set("Session-User", after);
    }
    const aborted = new Promise((resolve, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason));
    });
    aborted.catch(() => {}); // whoever awaits it or not
    if (trouble) await Promise.race([trouble, aborted]);
    request.signal.throwIfAborted();
    given.headers.set("Date", new Date(Math.floor(this.now() / SECOND) * SECOND).toUTCString());
    return given;
  };

  #answer(request, pathname, body, passive) {
    const now = this.now();
    if (this.session && now >= Math.min(...this.#ends())) this.session = null;
    const shown = request.headers.get("Session-User");
    if (this.session && shown && shown !== `ref-${this.session.username}`) {
      return refuse(409, "user_changed");
    }
    if (!SAFE.has(request.method) && !/^token/.test(request.headers.get("X-CSRFToken"))) {
      return refuse(403, "csrf_failed");
    }
    if (this.session && !passive) this.session.seenAt = now;
    const name = pathname.replace("/api/auth/", "");
    if (name === "user/") return answer(200, this.describe());
    if (name === "csrf/") return answer(200, { csrfToken: "token" });
    if (name === "logout/") {
      this.session = null;
      return answer(200, { message: "Logged out" });
    }
    if (name === "login/") {
      if (body.password !== "right") return refuse(401, "invalid_credentials");
      return this.#renew(body.username);
    }
    // Whatever proof it is, these take it.
    if (name === "login/passkey/" || name === "login/second-factor/") return this.#renew("alice");
    if (name === "passkeys/options/") {
      if (!body) return refuse(400, "malformed_json");
      return answer(200, { publicKey: { challenge: "AQ", rpId: "site.example" } });
    }
    if (name === "password/reset/") return answer(202, { message: "A link is on its way." });
    if (name === "password/reset/check/") {
      if (body.token !== "t") return refuse(400, "invalid_request");
      return new Response(null, { status: 204 });
    }
    if (name === "password/reset/confirm/") {
      this.session = null;
      return answer(200, { message: "Password changed" });
    }
    if (name === "open/") return answer(200, { by: this.session?.username ?? null });
    if (!this.session || request.credentials === "omit") return refuse(401, "session_ended");
    if (name === "factors/passkeys/" || name === "factors/totp/confirm/" || body?.method) {
      return this.#renew(this.session.username);
    }
    if (name === "reauthenticate/" || name === "password/change/") {
      if ((body.password ?? body.old_password) !== "right") return refuse(401, "invalid_credentials");
      return this.#renew(this.session.username);
    }
    if (name === "sessions/" && request.method === "GET") {
      return answer(200, { sessions: [{ id: this.session.id, current: true }] });
    }
    if (now - this.session.provenAt > 900 * SECOND) {
      return answer(403, { ...REAUTHENTICATION, methods: this.recentMethods });
    }
    if (name === "sessions/") return answer(200, { ended: 2 });
    if (name === `sessions/${this.session.id}/`) this.session = null;
    return new Response(null, { status: 204 });
  }

  /** Answer with a session under a new key, and another CSRF cookie. */
  #renew(username) {
    this.logIn(username);
    const answered = answer(200, { ...this.describe(), csrfToken: "token" });
    if (this.keepsCookies) document.cookie = `csrftoken=token-${this.#keys}`;
    else this.end();
    return answered;
  }

  #ends() {
    const { createdAt, seenAt } = this.session;
    return [seenAt + this.idleSeconds * SECOND, createdAt + this.absoluteSeconds * SECOND];
  }

  #reference() {
    return this.session ? `ref-${this.session.username}` : "none";
  }

  #user() {
    return { id: 1, username: this.session.username };
  }

  describe() {
    if (!this.session) return { user: null };
    const [idle, absolute] = this.#ends();
    const iso = this.timeOf;
    return {
      user: this.#user(),
      session: {
        id: this.session.id,
        user_ref: `ref-${this.session.username}`,
        created_at: iso(this.session.createdAt),
        expires_at: iso(Math.min(idle, absolute)),
        idle_expires_at: iso(idle),
        absolute_expires_at: iso(absolute),
      },
    };
  }
}

const REAUTHENTICATION = { error: "A sentence.", code: "reauthentication_required" };

const answer = (status, data) =>
  new Response(JSON.stringify(data), { status, headers: { "Content-Type": "application/json" } });

export const refuse = (status, code) => answer(status, { error: "A sentence.", code });
