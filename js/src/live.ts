/**
 * WebSockets and streams of events that are open while somebody is logged in: they come back after
 * trouble in the network and after a login, and never after the end of a session. Load it where that
 * is used; the server has to close what it opens (`session_auth.asgi.LiveSessions`).
 *
 * @module live
 */
import { pageOrigin } from "./page.js";
import type { SessionClient } from "./session-auth.js";

export interface Feed {
  /** Close it for good. */
  close(): void;
}

export interface LiveSocket extends Feed {
  /** Send at once; false if it is not open. Nothing is kept for later. */
  send(data: string | ArrayBufferLike | Blob | ArrayBufferView): boolean;
}

export interface SocketListeners {
  /** Each time that it is open: ask here for what was missed. */
  open?: (() => void) | undefined;
  message?: ((event: MessageEvent) => void) | undefined;
}

/** Listeners by the names of the events; those without a name are "message". */
export interface EventListeners {
  open?: (() => void) | undefined;
  [name: string]: ((event: MessageEvent) => void) | undefined;
}

/** Called with true each time that it is open, with false each time that it is so no more. */
export type Watch = (isOpen: boolean) => void;

export interface Live {
  /** A WebSocket of this site: `live.socket("/ws/chat/", { message: ({ data }) => ... })`. */
  socket(
    path: string,
    listeners: SocketListeners,
    protocols?: string | string[],
    watch?: Watch,
  ): LiveSocket;
  /** A stream of events of this site: `live.events("/api/stream/", { message: ({ data }) => ... })`. */
  events(path: string, listeners: EventListeners, watch?: Watch): Feed;
}

const SESSION_ENDED = 4401;
const SECOND = 1000;
const LONGEST = 30 * SECOND;

/**
 * What `connect` opens has to tell when it is open, when it is closed, and when it is lost and comes
 * back by itself; what it has for the page goes by `deliver`. It returns what closes it.
 */
type Connect = (
  opened: () => void,
  closed: (hasEnded?: boolean) => void,
  lost: () => void,
  deliver: (call: () => void) => void,
) => () => void;

/** Make what `client` lacks for sockets and streams. */
export const createLive = (client: SessionClient<any>): Live => {
  /** Whom the page shows: another value for another user, undefined for nobody, and on a server. */
  const shown = () => {
    const { session, user } = client.getSnapshot();
    return pageOrigin() && (session?.user_ref ?? user?.id);
  };

  /** Let the store learn who is logged in, without prolonging the session. */
  const look = () =>
    client.json(client.url("user/"), {
      headers: { "Session-Activity": "passive" },
      signal: AbortSignal.timeout(LONGEST),
    });

  const keepOpen = (watch: Watch | undefined, connect: Connect): (() => void) => {
    let user: unknown;
    let tries = 0;
    let wasOpen = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let disconnect: (() => void) | undefined;

    const tell = (isOpen: boolean) => {
      if (isOpen !== wasOpen) watch?.((wasOpen = isOpen));
    };
    const stop = () => {
      clearTimeout(timer);
      disconnect?.();
      disconnect = undefined;
    };
    const start = () => {
      stop();
      if (user === undefined) return;
      let openSince = Infinity;
      let isOver = false;
      let sure: Promise<unknown>;
      const close = connect(
        () => {
          openSince = Date.now();
          // Somebody else may have logged in unseen: what comes now may be theirs.
          sure = look().catch(() => {});
          tell(true);
        },
        async (hasEnded) => {
          if (isOver) return;
          disconnect!();
          // What a server in trouble opens and closes again at once was no success.
          if (Date.now() - openSince > LONGEST) tries = 0;
          // Browsers do not tell why nothing was opened.
          if (hasEnded || openSince === Infinity) await look().catch(() => {});
          if (disconnect !== over) return; // somebody else by now, or nobody
          const pause = Math.min(SECOND * 2 ** tries++, LONGEST);
          timer = setTimeout(start, pause * (0.5 + Math.random() / 2));
        },
        () => tell(false),
        (call) => sure.then(() => isOver || call()),
      );
      const over = (disconnect = () => {
        isOver = true;
        close();
        tell(false);
      });
    };
    const follow = () => {
      const now = shown();
      if (now === user) return;
      user = now;
      tries = 0;
      start();
    };

    const off = client.subscribe(follow);
    follow();
    return () => {
      off();
      stop();
    };
  };

  return {
    socket(path, listeners, protocols = [], watch) {
      let socket: WebSocket | undefined;
      const close = keepOpen(watch, (opened, closed, lost, deliver) => {
        const own = (socket = new WebSocket(String(client.url(path)).replace(/^http/, "ws"), protocols));
        own.onopen = () => {
          opened();
          deliver(() => listeners.open?.());
        };
        own.onmessage = (event) => deliver(() => listeners.message?.(event));
        own.onclose = ({ code }) => closed(code === SESSION_ENDED);
        return () => {
          own.onopen = own.onmessage = own.onclose = null;
          own.close();
        };
      });
      return {
        close,
        send(data) {
          const isOpen = socket?.readyState === 1;
          if (isOpen) socket!.send(data as string);
          return isOpen;
        },
      };
    },

    events(path, listeners, watch) {
      const close = keepOpen(watch, (opened, closed, lost, deliver) => {
        const source = new EventSource(client.url(path));
        source.addEventListener("open", opened);
        for (const [name, listener] of Object.entries(listeners)) {
          source.addEventListener(name, (event) => deliver(() => listener?.(event as MessageEvent)));
        }
        source.addEventListener("session_ended", () => closed(true));
        // After trouble in the network, it comes back by itself, and says what it has seen.
        source.onerror = () => (source.readyState === 2 ? closed() : lost());
        return () => source.close();
      });
      return { close };
    },
  };
};
