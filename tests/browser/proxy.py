"""A proxy for browsers that cannot map names: it leads hosts to the servers of the tests."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

CHUNK_BYTES = 65536


@contextmanager
def running_proxy(ports: dict[str, int]) -> Iterator[int]:
    """Lead each host to its port on this machine, and all others to that of ``"*"``.

    Yields the port of the proxy.
    """

    class Tunnel(BaseRequestHandler):
        def handle(self) -> None:
            head = self.request.recv(CHUNK_BYTES).decode()
            host = head.split()[1].partition(":")[0]
            target = socket.create_connection(("127.0.0.1", ports.get(host, ports["*"])))
            with closing(target):
                self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = Thread(target=_copy, args=(target, self.request))
                back.start()
                _copy(self.request, target)
                back.join()

    server = ThreadingTCPServer(("127.0.0.1", 0), Tunnel)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
