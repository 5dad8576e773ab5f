"""Sites that are not ours: another site, and a subdomain beside ours, which is the same site."""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.browser.production_server import Certificate

CROSS_SITE = "https://attacker.example.net"
SIBLING = "https://evil.example.org"


@dataclass(frozen=True, kw_only=True)
class ForeignSites:
    """Stands for every host but ours, and serves the page that was set at ``/``."""

    http_port: int
    https_port: int
    pages: list[tuple[str, Sequence[str]]] = field(default_factory=list)

    def serve(self, html: str, *, cookies: Sequence[str] = ()) -> None:
        """Serve ``html`` from now on, with a ``Set-Cookie`` for each of ``cookies``."""
        self.pages.append((html, cookies))


@contextmanager
def running_foreign_sites(certificate: Certificate) -> Iterator[ForeignSites]:
    pages: list[tuple[str, Sequence[str]]] = [("", ())]

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            html, cookies = pages[-1]
            body = f"<!doctype html><meta charset=utf-8><title>Foreign</title>{html}".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            for cookie in cookies:
                # http.server writes Latin-1; a cookie may be of any bytes.
                raw = cookie.encode(errors="surrogateescape")
                self.send_header("Set-Cookie", raw.decode("latin-1"))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Keep quiet."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    with ExitStack() as stack:
        plain, secure = (stack.enter_context(_serving(Site, tls)) for tls in (None, context))
        yield ForeignSites(http_port=plain, https_port=secure, pages=pages)


@contextmanager
def _serving(site: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), site)
    server.daemon_threads = True
    if tls is not None:
        # The handshake is done in the connection's thread: browsers open some and send nothing.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
