// What a page has and Node has not: an address, a document, events of its window, locks.
import { mock } from "node:test";

const MINUTE = 60_000;

export const START = Date.parse("2026-11-25T12:00:00Z");

/** Locks as navigator.locks has them: one holder of a name at a time. */
class Locks {
  #last = new Map();

  request(name, { signal }, callback) {
    const before = this.#last.get(name) ?? Promise.resolve();
    const aborted = new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
    const turn = Promise.race([before, aborted]).then(callback);
    this.#last.set(name, Promise.all([before, turn.catch(() => {})]));
    return turn;
  }
}

let page;

/** Open a page of the site, with a clock that only passTime() moves. */
export function openPage(site, { locks = new Locks() } = {}) {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: START });
  const { setTimeout } = globalThis;
  page = new EventTarget();
  const globals = {
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
    document: { cookie: "csrftoken=token-0", hidden: false },
    fetch: site.fetch,
    location: new URL("https://site.example/page/"),
    navigator: { locks },
    // As in browsers, what is too long to wait for is due at once.
    setTimeout: (call, wait) => setTimeout(call, wait < 2 ** 31 ? wait : 0),
  };
  mock.method(AbortSignal, "timeout", (wait) => {
    const aborter = new AbortController();
    globalThis.setTimeout(() => aborter.abort(new DOMException("", "TimeoutError")), wait);
    return aborter.signal;
  });
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { configurable: true, value, writable: true });
  }
}

export function closePage() {
  mock.timers.reset();
  mock.restoreAll();
}

/** Let the window know of something, such as "focus". */
export function fire(name, properties = {}) {
  page.dispatchEvent(Object.assign(new Event(name), properties));
}

/** Put the computer's clock to another time. */
export function setClock(time) {
  mock.timers.setTime(time);
}

/** Let answers and messages arrive. */
export async function settle() {
  for (let turn = 0; turn < 25; turn++) await new Promise(setImmediate);
}

/** Let the computer sleep: no timer is due meanwhile, but the clock goes on. */
export function sleep({ hours }) {
  mock.timers.setTime(Date.now() + hours * 3_600_000);
}

/** Let time pass, by steps: what is due in one may make something else due in the next. */
export async function passTime({ seconds = 0, minutes = 0, hours = 0, steps = 10 }) {
  const step = ((hours * 60 + minutes) * 60 + seconds) * 1000 / steps;
  for (let done = 0; done < steps; done++) {
    for (let left = step; left > 0; left -= MINUTE) mock.timers.tick(Math.min(left, MINUTE));
    await settle();
  }
}
