"""A wire between browser and demo that can hold requests and answers up on their way."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Lock, Thread
from urllib.parse import urlsplit

CHUNK_BYTES = 65536
WAIT_SECONDS = 60


class Wire:
    """Holds the next data that has the text given to ``hold()`` in it, until ``let_go()``."""

    def __init__(self) -> None:
        self.origin = ""
        self.held = 0
        self._text = b""
        self._places = 0
        self._lock = Lock()
        self._gone = Event()

    def hold(self, text: str, count: int) -> None:
        self.held = 0
        self._text = text.encode()
        self._places = count
        self._gone.clear()

    def let_go(self) -> None:
        self._gone.set()

    def carry(self, data: bytes) -> None:
        """Wait until ``data`` may go on."""
        with self._lock:
            is_held = self.held < self._places and self._text in data
            self.held += is_held
        if is_held:
            self._gone.wait(WAIT_SECONDS)


@contextmanager
def running_wire(origin: str) -> Iterator[Wire]:
    """Lead a wire to the demo at ``origin``; at its own ``origin`` it is as if one were there."""
    wire = Wire()
    port = urlsplit(origin).port

    class Line(BaseRequestHandler):
        def handle(self) -> None:
            with closing(socket.create_connection(("127.0.0.1", port))) as target:
                back = Thread(target=carry, args=(wire, target, self.request))
                back.start()
                carry(wire, self.request, target)
                back.join()

    server = ThreadingTCPServer(("127.0.0.1", 0), Line)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    wire.origin = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield wire
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def carry(wire: Wire, source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        # A browser sends one request at a time over a connection, and the next after the answer.
        while data := source.recv(CHUNK_BYTES):
            wire.carry(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
