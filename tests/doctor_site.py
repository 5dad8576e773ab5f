"""The project on a real server, behind a front that a test can break, and the doctor's call."""

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.core.handlers.wsgi import WSGIHandler
from django.core.management import CommandError, call_command
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test.testcases import QuietWSGIRequestHandler

HeaderList = list[tuple[str, str]]
Change = Callable[[WSGIEnvironment, str, HeaderList], tuple[str, HeaderList]]

SETTINGS: dict[str, Any] = {
    "ALLOWED_HOSTS": ["localhost", "127.0.0.1"],
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    "SECURE_HSTS_SECONDS": 365 * 24 * 60 * 60,
    "SESSION_AUTH_TRUSTED_PROXIES": ["127.0.0.1"],
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_NAME": "__Host-csrftoken",
    "CSRF_COOKIE_SECURE": True,
}


class Answers(QuietWSGIRequestHandler):
    disable_nagle_algorithm = True  # or it waits 40 ms between headers and body

    def handle_one_request(self) -> None:
        super().handle_one_request()
        self.close_connection = True  # also after a fault, or who asked would wait


def as_it_is(environ: WSGIEnvironment, status: str, headers: HeaderList) -> tuple[str, HeaderList]:
    return status, headers


def front(
    application: WSGIApplication,
    *,
    is_https: bool,
    change: Change = as_it_is,
    drops: Iterable[str] = (),
) -> WSGIApplication:
    """Return what stands in front of the project: it ends TLS, and says so to Django.

    ``change`` changes status and headers of each answer, and ``drops`` names request headers.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["HTTP_X_FORWARDED_PROTO"] = "https" if is_https else "http"
        for name in drops:
            environ.pop("HTTP_" + name.upper().replace("-", "_"), None)

        def start(status: str, headers: HeaderList, *args: Any) -> Any:
            status, headers = change(environ, status, list(headers))
            return start_response(status, headers, *args)

        return application(environ, start)

    return answer


@contextmanager
def served(
    certificate: Path | None = None, application: WSGIApplication | None = None, **options: Any
) -> Iterator[str]:
    """Serve the project, or another application, over HTTPS if there is a certificate."""
    is_https = certificate is not None
    server = ThreadedWSGIServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = (
        False  # their database connections are to be closed before the test ends
    )
    server.set_app(application or front(WSGIHandler(), is_https=is_https, **options))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"{'https' if is_https else 'http'}://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def make_certificate(folder: Path, *, days: int, name: str = "localhost") -> Path:
    """Return a file with a key and a certificate for ``name`` that is its own CA."""
    file = folder / f"{name}-{days}.pem"
    key = folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-noenc", "-days", str(days), "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(file)),
        ],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + key.read_text())
    return file


def call(**options: Any) -> list[dict[str, str]]:
    """Return what the doctor finds."""
    out = StringIO()
    with suppress(CommandError):  # which says how many there are
        call_command("session_doctor", json=True, stdout=out, **options)
    return list(json.loads(out.getvalue())["findings"])


def doctor(url: str, certificate: Path | None = None, **options: Any) -> list[dict[str, str]]:
    """Return what the doctor finds at ``url``."""
    findings = call(url=url, ca=str(certificate) if certificate else None, **options)
    return findings[[finding["id"] for finding in findings].index("reach") :]


def not_passed(findings: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [
        (finding["level"], finding["id"])
        for finding in findings
        if finding["level"] not in {"pass", "skip"}
    ]
