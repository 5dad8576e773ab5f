// WebSocket and EventSource, as far as the client uses them, with what a server and a network do.

/** What a page has opened, both kinds. */
export let opened = [];

/** Give the page both kinds, with nothing opened yet. */
export function installFeeds() {
  opened = [];
  Object.assign(globalThis, { WebSocket: FakeSocket, EventSource: FakeSource });
}

class FakeSocket {
  readyState = 0;
  sent = [];

  constructor(url, protocols) {
    Object.assign(this, { url: String(url), protocols });
    opened.push(this);
  }

  accept() {
    this.readyState = 1;
    this.onopen?.({});
  }

  /** The server closes it, or the network. */
  cut(code = 1006) {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  send(data) {
    this.sent.push(data);
  }

  close() {
    this.readyState = 3;
    this.isClosed = true;
  }
}

class FakeSource extends EventTarget {
  readyState = 0;

  constructor(url) {
    super();
    this.url = String(url);
    opened.push(this);
  }

  accept() {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  tell(name, data) {
    this.dispatchEvent(Object.assign(new Event(name), { data }));
  }

  /** Trouble, after which a browser comes back by itself (0), or does not (2). */
  cut(readyState = 2) {
    this.readyState = readyState;
    this.onerror?.({});
  }

  close() {
    this.readyState = 2;
    this.isClosed = true;
  }
}
