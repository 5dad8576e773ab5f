"""The doctor at servers that are broken or hostile: a finding that is clear, never a traceback."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIEnvironment

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.doctor_site import SETTINGS, doctor, front, not_passed, served

pytestmark = pytest.mark.django_db(transaction=True)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"csrfToken": "token"}'
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


@contextmanager
def speaking(behaviour: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve whatever ``behaviour`` does with each connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):  # closed: the end of the test
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    behaviour(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def saying(*parts: bytes) -> Callable[[socket.socket], None]:
    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        for part in parts:
            connection.sendall(part)

    return behaviour


def dripping(part: bytes) -> Callable[[socket.socket], None]:
    """Send byte after byte, for ever: no single read takes long."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(HEAD)
        while True:
            connection.sendall(part)
            time.sleep(0.01)

    return behaviour


def hanging(connection: socket.socket) -> None:
    connection.settimeout(10)
    with suppress(OSError):
        while connection.recv(65536):  # until the doctor has had enough
            pass


def resetting(connection: socket.socket) -> None:
    connection.recv(65536)
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


@pytest.mark.parametrize(
    ("behaviour", "seen"),
    [
        (saying(), "the connection was closed without an answer"),
        (resetting, "the connection was closed without an answer"),
        (saying(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"), "an answer that is not HTTP"),
        (saying(b"\0\xff" * 40_000), "an answer that is not HTTP"),
        (saying(b"HTTP/1.1 99999 no\r\n\r\n"), "an answer that is not HTTP"),
        (
            saying(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
            "an answer that is not HTTP",
        ),
        (saying(HEAD + b"X: " + b"y" * 70_000 + b"\r\n\r\n"), "an answer that is not HTTP"),
        (
            saying(HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
            "an answer that is not HTTP (IncompleteRead)",
        ),
        (hanging, "no complete answer within 0.5 seconds"),
        (dripping(b"X: y\r\n"), "no complete answer within 0.5 seconds"),
        (dripping(b"x"), "no complete answer within 0.5 seconds"),
        (saying(HEAD + b"\r\n" + b"[" * 200_000), "200 application/json"),
        (saying(HEAD + b"\r\n\xff\xfe"), "200 application/json"),
        (saying(HEAD + b"\r\n[1]"), "200 application/json"),
        (saying(HEAD + b'\r\n{"csrfToken": 1}'), "200 application/json"),
        (saying(b"HTTP/1.1 200 OK\r\n\r\n" + BODY), "200 no type"),
        (
            saying(b"HTTP/1.1 302 Found\r\nLocation: https://a.example/?token=1#x\r\n\r\n"),
            "302 to https://a.example/",
        ),
        (
            saying(b"HTTP/1.1 500 No\r\nContent-Type: text/\x1b[2Jhtml\r\n\r\n<h1>"),
            "500 text/\N{REPLACEMENT CHARACTER}[2Jhtml",
        ),
        (
            saying(b"HTTP/1.1 500 No\r\nContent-Type: " + b"x" * 500 + b"\r\n\r\n"),
            "500 " + "x" * 396 + "...",
        ),
    ],
)
def test_garbage_is_a_finding(behaviour: Callable[[socket.socket], None], seen: str) -> None:
    start = time.monotonic()
    with speaking(behaviour) as url:
        findings = doctor(url, timeout=0.5 if "0.5 seconds" in seen else 10)

    assert [(f["level"], f["id"]) for f in findings] == [("fail", "reach"), ("skip", "probe")]
    assert findings[0]["seen"].startswith(seen)
    assert findings[0]["seen"] == seen or seen.endswith("not HTTP")
    assert findings[0]["hint"]
    assert time.monotonic() - start < 5


def test_a_body_that_never_ends_is_cut(certificate: Path) -> None:
    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(HEAD + b"\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with speaking(behaviour) as url:
        findings = doctor(url)

    assert findings[0]["seen"] == "200 application/json"


def test_a_server_that_always_says_the_same_is_looked_at_to_the_end() -> None:
    with speaking(saying(WHOLE)) as url:
        findings = doctor(url)

    assert [f["id"] for f in findings if f["level"] == "pass"] == [
        "reach",
        "debug",
        *(f"cors.{case}" for case in ("stranger", "null", "look-alike", "preflight")),
    ]


def test_no_host_and_no_port(certificate: Path) -> None:
    with speaking(hanging) as url:
        pass
    [unreachable, _] = doctor(url)
    [unknown, _] = doctor("http://stranger.invalid")

    assert unreachable["seen"].startswith("no connection (")
    assert unknown["seen"].startswith("no connection (")


def test_tls_where_there_is_none_and_none_where_there_is(certificate: Path) -> None:
    with speaking(saying(WHOLE)) as url:
        [no_tls, _] = doctor(url.replace("http:", "https:"))
    with served(certificate) as url:
        [no_http, _] = doctor(url.replace("https:", "http:"))

    assert no_tls["seen"].startswith("no TLS (")
    assert "closed without an answer" in no_http["seen"] or "not HTTP" in no_http["seen"]


def test_a_server_that_falls_silent_fails_what_it_does_not_answer(certificate: Path) -> None:
    """Each probe has its own finding, and the rest goes on."""

    def stop(environ: WSGIEnvironment, start_response: Any) -> Any:
        if "logout" in environ["PATH_INFO"]:
            raise ConnectionResetError  # the server closes the connection
        return application(environ, start_response)

    with override_settings(**SETTINGS):
        application = front(WSGIHandler(), is_https=True)
        with served(certificate, application=stop) as url:
            findings = doctor(url, certificate)

    assert not_passed(findings) == [("fail", "csrf"), ("fail", "contract"), ("fail", "cors")]
    assert {f["hint"] for f in findings if f["level"] == "fail"} == {
        "It answered before: look at the logs of the server and the proxy."
    }


def test_no_secret_and_nothing_that_a_terminal_obeys_is_printed(certificate: Path) -> None:
    """A server may send back what it was sent, in any place."""

    def echo(environ: WSGIEnvironment, status: str, headers: Any) -> Any:
        sent = environ.get("HTTP_COOKIE", "") + environ.get("HTTP_X_CSRFTOKEN", "")
        seen.add(environ.get("HTTP_X_CSRFTOKEN", ""))
        return status, [
            *((name, value) for name, value in headers if name not in {"Vary", "Content-Type"}),
            ("Vary", sent[:4000]),
            ("Content-Type", f"text/{sent}"[:4000]),
        ]

    def application(environ: WSGIEnvironment, start_response: Any) -> Any:
        sound = front(WSGIHandler(), is_https=True)
        broken = front(WSGIHandler(), is_https=True, change=echo)
        is_first = "HTTP_COOKIE" not in environ and "HTTP_ORIGIN" not in environ
        return (sound if is_first else broken)(environ, start_response)

    seen: set[str] = set()
    out = StringIO()
    with (
        override_settings(**SETTINGS),
        served(certificate, application=application) as url,
        pytest.raises(CommandError),
    ):
        call_command("session_doctor", url=url, ca=str(certificate), json=True, stdout=out)

    token = max(seen - {"x" * 64}, key=len)
    assert len(token) == 64
    assert token not in out.getvalue()
    assert "***" in json.dumps(json.loads(out.getvalue()))
