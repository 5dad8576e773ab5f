// Asking the server who is logged in.
import { endpoint, LOADING, stamp, type Core } from "./core.js";
import type { JsonOptions } from "./session-auth.js";
import { ask, Trait } from "./requests.js";
import { publish, setSnapshot } from "./store.js";
import { inTurn, LONGEST_TURN } from "./tabs.js";
import { ignore, pause, unlessAborted } from "./waiting.js";

const refresh = async (core: Core, options?: JsonOptions): Promise<void> => {
  // While a tab waits for a new key, the browser still has the old one, which opens nothing.
  if (core._snapshot.user) {
    const renewed = () => inTurn(core, () => core._renewal, "login/");
    await unlessAborted(AbortSignal.timeout(LONGEST_TURN), renewed).catch(ignore);
  }
  const asOf = stamp(core);
  const answer = await ask(core, "user/", Trait.Tells, options);
  // A page that the browser has kept meanwhile gets it much too late.
  if (core._keptUntil! > asOf) return refresh(core, options);
  publish(core, answer, asOf);
};

/** `refresh`, whose failure the snapshot shows as long as nothing is known. */
export const look = (core: Core, options?: JsonOptions) =>
  (core._lookUnderWay = refresh(core, options)
    .catch((error) => {
      if (error.status < 500) error.hint ??= `Is baseUrl right? ${endpoint(core, "user/")}`;
      if (!core._asOf) setSnapshot(core, { ...LOADING, error });
      throw error;
    })
    .finally(() => (core._lookUnderWay = undefined)));

/** Look passively in one tab, which tells the others. */
export const lookForAllTabs = async (core: Core) => {
  const before = core._asOf;
  const turn = async () => {
    if (core._asOf === before) await core._look();
    await pause(50); // the tabs that wait for their turn get the message in this time
  };
  return inTurn(core, turn);
};
