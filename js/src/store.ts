// Who is logged in, as far as is known, and for how long.
import { type Core, type State } from "./core.js";
import { emit } from "./events.js";
import type { Expiring, Initial, Snapshot } from "./session-auth.js";
import { MINUTE, SECOND } from "./times.js";
import { tell } from "./tabs.js";

export const NOBODY = "none";

/** Whom this tab shows, in the words of the server; undefined as long as it does not know. */
export const shownUser = ({ _snapshot: { status, session } }: Core) =>
  status === "anonymous" ? NOBODY : session?.user_ref;

export const timeLeft = (core: Core) => core._endsAt - Date.now();


const kindOfEnd = ({ _snapshot: { session } }: Core) =>
  session?.expires_at === session?.idle_expires_at ? "idle" : "absolute";

/** Take over what the server has said, and tell the other tabs. */
export const publish = (
  core: Core,
  { user, session = null, now: serverTime }: Initial,
  asOf: number,
  cause?: State["cause"],
) => {
  // The clock of this computer may be another: an answer is good for a difference of times.
  const now = Date.now();
  let then = Date.parse(serverTime!) || now;
  const { expires_at, created_at } = session ?? ({} as any);
  if (/T[\d:.]+$/.test(expires_at)) {
    // A time without offset, of another server than ours: what it takes for now is not before the
    // login. Of an older one, the end is told too late.
    then += core._zone = Math.max(core._zone, Date.parse(created_at) - then);
  }
  const endsAt = now + Date.parse(expires_at) - then;
  const state: State = { user, session, asOf, endsAt: endsAt || Infinity, cause };
  takeOver(core, state);
  tell(core, state);
};

/** Take over what some tab has learned, unless this one knows better. */
export const takeOver = (core: Core, { user, session, cause, asOf, endsAt }: State) => {
  // Where this tab's own is from the future, the clock of the computer was put back.
  if (core._asOf >= asOf && core._asOf < Date.now() + MINUTE) return;
  const before = core._snapshot;
  // Within 2 seconds, since the header Date has whole seconds.
  const reason = timeLeft(core) < 2 * SECOND ? kindOfEnd(core) : "ended";
  core._asOf = asOf;
  core._endsAt = endsAt;
  setSnapshot(core, {
    status: user ? "authenticated" : "anonymous",
    user,
    session,
    expiring: session?.expires_at === before.session?.expires_at ? before.expiring : null,
    error: null,
  } as Snapshot);
  const news = newsOf(before, core._snapshot, cause);
  if (news) {
    core._answeredToken = undefined; // with another session comes another one
    const now = { user: core._snapshot.user };
    emit(core, news, news === "ended" ? { reason } : user && now);
    emit(core, "user", now);
  }
  warnIfDue(core);
  core._reschedule?.();
};

const newsOf = (before: Snapshot, { user, session }: Snapshot, cause: State["cause"]) => {
  const wasNobody = before.status === "anonymous";
  if (!user) return cause && !wasNobody ? "logout" : before.user && "ended";
  if (wasNobody || (cause && !before.user)) return "login";
  // Without sessions of ours there are no pseudonyms.
  const isAnother = session
    ? before.session && before.session.user_ref !== session.user_ref
    : before.user?.id !== user.id;
  return before.user && isAnother && "switched";
};

const keep = <T>(before: T, next: T) =>
  JSON.stringify(before) === JSON.stringify(next) ? before : next;

/** What says the same as before stays the same object: whoever watches it need not look. */
export const setSnapshot = (core: Core, next: Snapshot) => {
  const before = core._snapshot;
  if (keep(before, next) === before) return;
  core._snapshot = {
    ...next,
    user: keep(before.user, next.user),
    session: keep(before.session, next.session),
  } as Snapshot;
  emit(core, "change");
};

export const warnIfDue = (core: Core) => {
  if (core._snapshot.expiring || timeLeft(core) > core._warning) return;
  const warning: Expiring = {
    secondsLeft: Math.max(0, Math.round(timeLeft(core) / SECOND)),
    endsAt: core._endsAt,
    kind: kindOfEnd(core),
  };
  setSnapshot(core, { ...core._snapshot, expiring: warning } as Snapshot);
  emit(core, "expiring", warning);
};
