"""HTTP as it is on the wire, from servers that may be broken or hostile. Standard library only."""

import json
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Event, Timer
from typing import Any
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_BODY_BYTES = 256 * 1024
USER_AGENT = "session_doctor"


class Trouble(Enum):
    """Why there is no answer."""

    UNREACHABLE = auto()
    UNTRUSTED = auto()
    """The certificate is not valid for this host, or no known authority has signed it."""

    SLOW = auto()
    NOT_HTTP = auto()
    """What came was not HTTP, or nothing came."""


class NoAnswer(Exception):
    """A server did not answer in HTTP. The message says why."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the endpoints are: an origin, and the path of the URLconf in it."""

    scheme: str
    host: str
    port: int
    base_path: str

    @classmethod
    def at(cls, url: str, base_path: str) -> "Site":
        """Return the site at ``url``. Raises ``ValueError`` with a sentence for a person."""
        try:
            parsed = urlsplit(url)
            port = parsed.port or DEFAULT_PORTS.get(parsed.scheme, 0)
            host = (parsed.hostname or "").encode("idna").decode()
        except ValueError as exc:
            raise ValueError(f"{url!r} is not a URL.") from exc
        is_origin = parsed.path in {"", "/"} and not (parsed.query or parsed.fragment)
        if parsed.scheme not in DEFAULT_PORTS or not host or not is_origin or "@" in parsed.netloc:
            raise ValueError(
                f"{url!r} must be https:// or http:// with a host and nothing else; the path goes "
                "into --base-path."
            )
        if not (base_path.startswith("/") and base_path.endswith("/")):
            raise ValueError("--base-path must begin and end with a slash.")
        return cls(scheme=parsed.scheme, host=host, port=port, base_path=base_path)

    @property
    def is_https(self) -> bool:
        return self.scheme == "https"

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK

    @property
    def has_default_port(self) -> bool:
        return self.port == DEFAULT_PORTS[self.scheme]

    @property
    def origin(self) -> str:
        """The origin of the site, as browsers write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.has_default_port else f":{self.port}")

    def over_plain_http(self) -> "Site | None":
        """Return where browsers would look for the site over plain HTTP; ``None`` if unknown."""
        if not (self.is_https and self.has_default_port):
            return None
        return replace(self, scheme="http", port=DEFAULT_PORTS["http"])


@dataclass(frozen=True, slots=True)
class Cookie:
    """A Set-Cookie header. The names of its attributes are in small letters."""

    name: str
    value: str = field(repr=False)
    attributes: Mapping[str, str]

    @classmethod
    def parse(cls, header: str) -> "Cookie":
        pair, *rest = header.split(";")
        name, _, value = pair.partition("=")
        attributes = [part.partition("=") for part in rest]
        return cls(
            name.strip(),
            value.strip(),
            {key.strip().lower(): text.strip() for key, _, text in attributes},
        )

    def has(self, attribute: str) -> bool:
        return attribute in self.attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, and when. Only HTTPS has ``tls_version`` and ``certificate_ends_at``."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    asked_at: float
    answered_at: float
    tls_version: str = ""
    certificate_ends_at: float = 0

    def header(self, name: str) -> str:
        """Return the header; "" if it is not there, and a list if it is there several times."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def cookies(self) -> list[Cookie]:
        return [Cookie.parse(text) for name, text in self.headers if name.lower() == "set-cookie"]

    @property
    def json(self) -> Mapping[str, Any]:
        """The body, if it is a JSON object and declared as JSON; else an empty object."""
        if self.header("Content-Type").partition(";")[0].strip() != "application/json":
            return {}
        try:
            data = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return data if isinstance(data, dict) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Calls a site. Follows no redirect; keeps no cookie; verifies certificates."""

    site: Site
    timeout_seconds: float
    ca_file: str | None = None

    def call(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send one request; ``path`` is below the base path.

        Raises ``NoAnswer``, at the latest after twice the timeout: connecting may take one, and the
        answer another.
        """
        connection = self._connection()
        is_late = Event()
        asked_at = time.time()
        try:
            connection.connect()
            watchdog = Timer(self.timeout_seconds, _cut, [connection.sock, is_late])
            watchdog.daemon = True
            watchdog.start()
            try:
                answer = self._exchange(connection, method, path, headers or {}, body, asked_at)
            finally:
                watchdog.cancel()
        except ssl.SSLCertVerificationError as exc:
            raise NoAnswer(Trouble.UNTRUSTED, exc.verify_message) from exc
        except (OSError, HTTPException, ValueError) as exc:
            raise self._no_answer(exc, is_late=is_late.is_set()) from exc
        finally:
            connection.close()
        if is_late.is_set():  # a body without a length ends where it was cut
            raise self._no_answer(TimeoutError(), is_late=True)
        return answer

    def _connection(self) -> HTTPConnection:
        site, timeout = self.site, self.timeout_seconds
        if not site.is_https:
            return HTTPConnection(site.host, site.port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.ca_file)
        return HTTPSConnection(site.host, site.port, timeout=timeout, context=context)

    def _exchange(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        asked_at: float,
    ) -> Answer:
        given = {"Accept": "application/json", "User-Agent": USER_AGENT} | dict(headers)
        tls = connection.sock if isinstance(connection.sock, ssl.SSLSocket) else None
        certificate: Any = tls.getpeercert() if tls else {}
        connection.request(method, self.site.base_path + path, body=body or None, headers=given)
        with connection.getresponse() as response:
            answered_at = time.time()
            return Answer(
                status=response.status,
                headers=tuple(response.getheaders()),
                body=response.read(MAX_BODY_BYTES),
                asked_at=asked_at,
                answered_at=answered_at,
                tls_version=(tls and tls.version()) or "",
                certificate_ends_at=ssl.cert_time_to_seconds(certificate["notAfter"]) if tls else 0,
            )

    def _no_answer(self, error: Exception, *, is_late: bool) -> NoAnswer:
        if is_late or isinstance(error, TimeoutError):
            return NoAnswer(
                Trouble.SLOW, f"no complete answer within {self.timeout_seconds:g} seconds"
            )
        if isinstance(error, ssl.SSLError):
            return NoAnswer(Trouble.NOT_HTTP, f"no TLS ({error.reason})")
        if isinstance(error, ConnectionResetError | BrokenPipeError):
            return NoAnswer(Trouble.NOT_HTTP, "the connection was closed without an answer")
        if isinstance(error, OSError):
            return NoAnswer(Trouble.UNREACHABLE, f"no connection ({error.strerror or error})")
        return NoAnswer(Trouble.NOT_HTTP, f"an answer that is not HTTP ({type(error).__name__})")


def _cut(sock: socket.socket, is_late: Event) -> None:
    """End a connection that another thread is reading, even if bytes still come, slowly."""
    is_late.set()
    with suppress(OSError):
        # Not SSLSocket.shutdown(), which changes the object that the other thread is using.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
