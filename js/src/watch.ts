// Staying current: timers, what happens to the page, news of other tabs.
import { type Core } from "./core.js";
import { lookForAllTabs } from "./look.js";
import { pageOrigin } from "./page.js";
import { takeOver, warnIfDue } from "./store.js";
import { listen } from "./tabs.js";
import { MINUTE, SECOND } from "./times.js";
import { ignore } from "./waiting.js";

const RETRY = MINUTE / 2;
const TICK = 4 * SECOND; // no timer goes on while the computer sleeps
const SLEEP = 5 * MINUTE; // longer than browsers put off the timers of a tab in the background
const NAMES = ["focus", "online", "pagehide", "pageshow", "visibilitychange"];

/** Look when it is time for the warning or the end, but not before `soonest` milliseconds. */
export const schedule = (core: Core, soonest = SECOND) => {
  const warning = core._snapshot.expiring ? 0 : core._warning;
  core._lookAt = Math.max(core._endsAt - warning, Date.now() + soonest);
  wait(core);
};

const wait = (core: Core) => {
  if (!core._stopWatching) return;
  clearTimeout(core._timer);
  const since = Date.now();
  core._timer = setTimeout(
    () => {
      const now = Date.now();
      // Where the clock was put back, the end is not when it was thought to be.
      if (since <= now && now < core._lookAt && now - since < SLEEP) wait(core);
      else lookAndGoOn(core);
    },
    Math.min(core._lookAt - since, TICK),
  );
};

/** Ask the server first: another tab may have prolonged the session, or somebody has ended it. */
const lookAndGoOn = async (core: Core, looked: Promise<unknown> = lookForAllTabs(core)) => {
  try {
    await looked;
    schedule(core);
  } catch (error: any) {
    if (core._snapshot.session) warnIfDue(core);
    // Soon at first, and less and less often.
    core._retryDelay = Math.min(2 * core._retryDelay, RETRY);
    schedule(core, Math.max(core._retryDelay, error.retryAfter * SECOND || 0));
  }
};

/** Watch from now on, and ask by `look` who is logged in if that is not known. */
export const startWatching = (core: Core, look = core._lookActively) => {
  if (core._stopWatching || !pageOrigin()) return;
  const listener = (event: Event) => onPageEvent(core, event);
  // Not by an AbortSignal: under Jest, that of Node and the listeners of jsdom do not go together.
  NAMES.forEach((name) => addEventListener(name, listener));
  core._stopWatching = () => NAMES.forEach((name) => removeEventListener(name, listener));
  core._reschedule = () => schedule(core);
  listen(core, takeOver);
  if (core._asOf) schedule(core);
  else lookAndGoOn(core, look());
};

const onPageEvent = (core: Core, { type, persisted }: Event & { persisted?: boolean }) => {
  // An open channel may keep a page out of the back/forward cache.
  if (type === "pagehide") core._channel?.close();
  else if (persisted) {
    core._keptUntil = Date.now();
    listen(core, takeOver);
    void core._lookAnew(); // at once: the page may show a user who has logged out
  } else if (!globalThis.document?.hidden && Math.abs(Date.now() - core._asOf) > MINUTE) {
    lookForAllTabs(core).catch(ignore);
  }
};
