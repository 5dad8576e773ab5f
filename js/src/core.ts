// What one client knows: a record that the other modules read and write.
//
// The build shortens names with a leading underscore. They stay within this package: what goes to
// the server, to other tabs or to callers has none.
import { pageOrigin } from "./page.js";
import type { SessionAuthError } from "./errors.js";
import { SECOND } from "./times.js";
import type { ClientOptions, Session, Snapshot, User } from "./session-auth.js";

export const PASSIVE = { headers: { "Session-Activity": "passive" } };

/** What one tab tells the others. */
export interface State {
  user: User | null;
  session: Session | null;
  /** When the server was asked. */
  asOf: number;
  /** When the session ends, by the clock of this computer. */
  endsAt: number;
  /** What the user did to change the state, if anything. */
  cause?: "login" | "logout" | undefined;
}

export interface Core {
  readonly _baseUrl: string;
  readonly _cookieName: string;
  readonly _headerName: string;
  /** How long before the end of a session to warn, in milliseconds. */
  readonly _warning: number;
  readonly _events: EventTarget;

  _snapshot: Snapshot;
  /** When the server was asked for the snapshot; 0 as long as nothing is known. */
  _asOf: number;
  /** When the session ends, by the clock of this computer, as all times here. */
  _endsAt: number;
  _provenAt: number;
  /** How far the server's times, if they have no offset, are from what this browser takes them for. */
  _zone: number;

  /** The token in the server's last answer that had one. */
  _answeredToken?: string | undefined;
  /** The token in a cookie that the server has refused. */
  _refusedToken?: string | undefined;
  _askForToken: () => Promise<string>;

  /** Who asks for a proof of the password; the last one is asked. */
  readonly _askers: Set<(refusal: SessionAuthError) => unknown>;
  /** Resolves to a false value if the user proves nothing, or the page cannot ask them. */
  _requestProof: (refusal: SessionAuthError) => Promise<unknown>;
  /** The last call that gives the session a new key, once it has left. */
  _renewal?: Promise<unknown> | undefined;
  /** Ask the server who is logged in, as activity of the user or not; who asks meanwhile shares it. */
  _lookActively: () => Promise<void>;
  _look: () => Promise<void>;
  /** The same, but never by what was asked before; a failure is ignored. */
  _lookAnew: () => Promise<void>;
  _lookUnderWay?: Promise<void> | undefined;
  /** When the browser has brought this page back from its back/forward cache. */
  _keptUntil?: number;
  /** Set the timer anew, since something has been learned; undefined while nobody watches. */
  _reschedule?: () => void;

  /** Stops the watching; undefined while nobody watches. */
  _stopWatching?: (() => void) | undefined;
  _channel?: BroadcastChannel | undefined;
  _timer?: ReturnType<typeof setTimeout> | undefined;
  /** When to look by itself. */
  _lookAt: number;
  _retryDelay: number;
}

export const LOADING: Snapshot = {
  status: "loading",
  user: null,
  session: null,
  expiring: null,
  error: null,
};

export const createCore = ({
  baseUrl = "/api/auth/",
  cookieName = "csrftoken",
  headerName = "X-CSRFToken",
  warningSeconds = 60,
}: ClientOptions<any>) =>
  ({
    _baseUrl: baseUrl,
    _cookieName: cookieName,
    _headerName: headerName,
    _warning: Math.max(warningSeconds, 20) * SECOND,
    _events: new EventTarget(),
    _snapshot: LOADING,
    _asOf: 0,
    _endsAt: 0,
    _zone: -Infinity,
    _askers: new Set(),
    _retryDelay: SECOND / 2,
  }) as unknown as Core;

/** The time, but always later than what is known: a clock may be coarse, or be put back. */
export const stamp = (core: Core) => Math.max(core._asOf + 1, Date.now());

/** Not relative to document.baseURI: a planted <base> could send passwords elsewhere. */
export const endpoint = (core: Core, name: string) =>
  new URL(name, new URL(core._baseUrl, pageOrigin()));
