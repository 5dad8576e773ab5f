// The other tabs of this browser: what they tell, and whose turn it is.
import { endpoint, type Core, type State } from "./core.js";
import { SECOND } from "./times.js";
import { pause } from "./waiting.js";

export const LONGEST_TURN = 6 * SECOND; // after which the next tab no longer waits for this one

/** The name of the channel that all tabs share, or of a lock. */
const sharedName = (core: Core, what = "") => `session-auth ${endpoint(core, what)}`;

// A browser may have no such channel, or grant none: then each tab looks for itself.

export const tell = (core: Core, state: State) => {
  try {
    const others = new BroadcastChannel(sharedName(core));
    others.postMessage(state);
    others.close();
  } catch {}
};

export const listen = (core: Core, takeOver: (core: Core, state: State) => void) => {
  try {
    core._channel = new BroadcastChannel(sharedName(core));
    core._channel.onmessage = ({ data }) => {
      if (isState(data)) takeOver(core, data);
    };
  } catch {}
};

/**
 * Call `turn` while no other tab is in its own. Browsers have no locks for this without HTTPS, and none
 * where they keep no cookies: there chance has to do. With "login/" as `what`, it is the lock for calls that give the session a new key.
 */
export const inTurn = async (core: Core, turn: () => unknown, what?: "login/"): Promise<any> => {
  let taken: unknown;
  try {
    return await navigator.locks.request(
      sharedName(core, what),
      { signal: AbortSignal.timeout(LONGEST_TURN) },
      () => (taken = turn()),
    );
  } catch {
    if (taken) return taken;
    if (!what) await pause(Math.random() * SECOND);
    return turn();
  }
};

/** Another tab may have another version of this module, and send other data. */
const isState = (data: any): data is State =>
  typeof data?.user === typeof data?.session && data?.endsAt > data?.asOf;
