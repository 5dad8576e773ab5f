"""A site behind a real server, and a client that may hang up."""

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.api_client import AUTH, PASSWORD

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30
STOP_SECONDS = 10
TEXT, CLOSE = 0x81, 0x88  # frames of a WebSocket, each whole
ASGI = ["uvicorn", "granian", "daphne", "hypercorn"]
NGINX = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_set_header Host $host; }}
        location /ws/ {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
        }}
    }}
}}
"""


def command(kind: str, port: int) -> list[str]:
    at, site = f"127.0.0.1:{port}", "tests.servers.site"
    options = {
        "gunicorn": [f"{site}.wsgi", "--bind", at, "--no-control-socket"],
        "gthread": [f"{site}.wsgi", "--bind", at, "--no-control-socket", "--threads", "20"],
        "uvicorn": [f"{site}.asgi:application", "--port", str(port), "--lifespan", "off"],
        "granian": [f"{site}.asgi:application", "--interface", "asginl", "--port", str(port)],
        "daphne": [f"{site}.asgi:application", "--port", str(port)],
        "hypercorn": [f"{site}.asgi:application", "--bind", at],
    }[kind]
    return [sys.executable, "-m", kind.replace("gthread", "gunicorn"), *options]


@dataclass
class Site:
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        return (
            os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "tests.servers.site.settings",
                "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
                "SITE_FOLDER": str(self.folder),
            }
            | self.variables
        )

    def manage(self, *arguments: str) -> str:
        """Run a command of ``manage.py``; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            env=self.environment(),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=20)) as db, db:
            return db.execute(statement, parameters).fetchall()

    def log(self) -> list[str]:
        file = self.folder / "site.log"
        return file.read_text().splitlines() if file.exists() else []

    def mails(self, address: str = "") -> list[str]:
        """Return the mails that were sent, to that address if one is given."""
        texts = [path.read_text() for path in sorted((self.folder / "mail").glob("*"))]
        mails = [mail for text in texts for mail in text.split("-" * 79) if "Subject: " in mail]
        return [mail for mail in mails if f"To: {address}" in mail]

    def kill(self) -> None:
        """End all its processes as nothing can prepare for."""
        assert self.process
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(site: Site, kind: str, *, behind_nginx: bool = False) -> Iterator[Site]:
    """Serve the site with this kind of server, all of whose output is in its folder."""
    site.port = upstream = free_port()
    with started(command(kind, upstream), site.environment(), site.folder / "server.out") as it:
        site.process = it
        wait_for_port(upstream, it, site.folder / "server.out")
        if not behind_nginx:
            yield site
            return
        site.port = free_port()
        file = site.folder / "nginx.conf"
        file.write_text(NGINX.format(folder=site.folder, port=site.port, upstream=upstream))
        path = shutil.which("nginx") or "/usr/sbin/nginx"
        out = site.folder / "nginx.out"
        with started([path, "-c", str(file), "-p", str(site.folder)], {}, out) as nginx:
            wait_for_port(site.port, nginx, out)
            yield site


@contextmanager
def started(
    arguments: Sequence[str], environment: dict[str, str], out: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with out.open("ab") as file:
        process = subprocess.Popen(
            arguments, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], out: Path) -> None:
    def is_open() -> bool:
        assert process.poll() is None, out.read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    wait_until(is_open)


def wait_until(holds: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait until it holds, and say whether it did within the time."""
    ends_at = time.monotonic() + seconds
    while not (is_so := holds()) and time.monotonic() < ends_at:
        time.sleep(0.02)
    return is_so


class Socket:
    """A WebSocket that is open, or was refused."""

    def __init__(self, port: int, cookie: str) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self._file = self._connection.makefile("rb")
        self._connection.sendall(
            f"GET /ws/ HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: {cookie}\r\n\r\n".encode()
        )
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass

    def next(self) -> str | tuple[int, str]:
        """Return the next text, or the code and the reason of the end."""
        kind, length = self._file.read(2)
        content = self._file.read(length)
        if kind == TEXT:
            return str(content.decode())
        assert kind == CLOSE, kind
        return int.from_bytes(content[:2]), content[2:].decode()

    def say(self, text: str) -> None:
        mask = bytes(4)
        self._connection.sendall(bytes([TEXT, 0x80 | len(text)]) + mask + text.encode())

    def close(self) -> None:
        self._file.close()
        self._connection.close()


class Visitor:
    """A browser, as far as a server can see."""

    def __init__(self, port: int, name: str) -> None:
        self.port, self.name = port, name
        self.cookies: dict[str, str] = {}

    def headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "X-CSRFToken": self.cookies.get("csrftoken", ""),
            "X-Name": self.name,
        }

    def call(self, method: str, path: str, body: object = None) -> int:
        """Send a request, keep the cookies of the answer, and return its status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with closing(connection):
            connection.request(method, path, json.dumps(body) if body else b"", self.headers())
            response = connection.getresponse()
            response.read()
        for cookie in response.headers.get_all("Set-Cookie", []):
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return response.status

    def socket(self) -> Socket:
        return Socket(self.port, self.headers()["Cookie"])

    def log_in(self, password: str = PASSWORD) -> int:
        self.call("GET", AUTH + "csrf/")
        return self.call("POST", AUTH + "login/", {"username": self.name, "password": password})

    def hang_up(
        self, method: str, path: str, body: object, *, pause: str, when: Callable[[], bool]
    ) -> None:
        """Send a request that pauses where ``pause`` says, and hang up once it is ``when()``."""
        content = json.dumps(body).encode() if body else b""
        given = self.headers() | {pause: "0.5", "Host": "localhost"}
        given["Content-Length"] = str(len(content))
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content)
            assert wait_until(when)
            time.sleep(0.05)  # the pause has begun
