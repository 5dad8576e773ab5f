"""The demo as docs/deployment.md serves it: nginx, and gunicorn or granian behind it.

Configurations and commands are those of the page, with other paths and ports.
"""

import base64
import getpass
import grp
import hashlib
import http.client
import json
import os
import re
import secrets
import shlex
import shutil
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

from tests.browser.demo_server import ROOT, START_SECONDS, free_port, wait_for

PAGE = ROOT / "docs" / "deployment.md"
HOST = "app.example.org"
ORIGIN = f"https://{HOST}"
SERVERS = ["gunicorn", "granian"]
STOP_SECONDS = 20

MAIN_CONFIGURATION = """\
# What Debian's nginx.conf has around conf.d/.
user {user} {group};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ }}
http {{
    include /etc/nginx/mime.types;
    log_format requests escape=json '{{"method":"$request_method","path":"$uri","status":$status,'
        '"origin":"$http_origin","site":"$http_sec_fetch_site","cookie":"$http_cookie"}}';
    access_log {folder}/requests.log requests;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    {sites}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate for all hosts of the tests, good for a day."""

    chain: Path
    key: Path

    @property
    def key_digest(self) -> str:
        """What Chromium is told to trust: base64 of the SHA-256 of the public key."""
        public_key = _openssl("pkey", "-in", str(self.key), "-pubout", "-outform", "DER")
        return base64.b64encode(hashlib.sha256(public_key).digest()).decode()


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as nginx got it, and the status of the answer."""

    method: str
    path: str
    status: int
    origin: str
    site: str
    cookie: str


@dataclass(frozen=True, kw_only=True)
class Cookie:
    """A cookie as a browser keeps it, without its value."""

    domain: str
    path: str
    secure: bool
    http_only: bool
    same_site: str


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Production:
    """The running demo, or a project built upon it, and what it keeps."""

    name: str
    folder: Path
    project: Path = ROOT / "demo"
    settings: str = "config.settings_production"
    uninstalled: tuple[Path, ...] = (ROOT / "src",)
    http_port: int = field(default_factory=free_port)
    https_port: int = field(default_factory=free_port)
    upstream_port: int = field(default_factory=free_port)
    server_pids: list[int] = field(default_factory=list)
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)

    @property
    def database(self) -> Path:
        return self.folder / "var" / "db.sqlite3"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the page, and what is not installed here."""
        [block] = blocks("sh", "/etc/demo.env")
        given = dict(line.split("=", 1) for line in self.moved(block).splitlines()[1:])
        return os.environ | given | {"PYTHONPATH": os.pathsep.join(map(str, self.uninstalled))}

    def requests(self) -> list[Request]:
        """Return all requests that reached nginx, the first first, as they were answered."""
        with (self.folder / "requests.log").open(errors="replace") as log:
            return [Request(**json.loads(line)) for line in log]

    def sql(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Look at, or change, what the server has stored."""
        with closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    def run(self, command: str, **variables: str) -> str:
        """Run a command of the page and return what it prints."""
        done = subprocess.run(
            shlex.split(self.moved(command)),
            cwd=self.project,
            env=self.environment | variables,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def ask(self, request: str, *, source: str = "127.0.0.1", **headers: str) -> Answer:
        """Send ``GET /path`` or the like over HTTPS from the address ``source``."""
        method, path = request.split()
        connection = http.client.HTTPSConnection(
            "127.0.0.1",
            self.https_port,
            source_address=(source, 0),
            context=ssl._create_unverified_context(),  # noqa: S323 # the certificate is a test's
        )
        with closing(connection):
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers={"Host": HOST} | names)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def wait(self) -> None:
        """Wait until nginx reaches the server behind it."""
        deadline = time.monotonic() + START_SECONDS
        while self.ask("GET /api/auth/csrf/").status == http.HTTPStatus.BAD_GATEWAY:
            assert time.monotonic() < deadline, (self.folder / f"{self.name}.log").read_text()
            time.sleep(0.05)

    def moved(self, text: str) -> str:
        """Return a text of the page with the paths and ports of this test."""
        moves = {
            "/srv/demo/.venv/bin/": f"{Path(sys.executable).parent}/",
            "/var/lib/demo": f"{self.folder}/var",
            "/run/demo": f"{self.folder}/run",
            "/etc/ssl/demo": str(self.folder),
            "listen 80;": f"listen 127.0.0.1:{self.http_port};",
            "listen 443 ": f"listen 127.0.0.1:{self.https_port} ",
            "127.0.0.1:8001": f"127.0.0.1:{self.upstream_port}",
            "--port 8001": f"--port {self.upstream_port}",
            "=config.settings_production": f"={self.settings}",
            "DEMO_SECRET_KEY=...": f"DEMO_SECRET_KEY={self.secret_key}",
        }
        for theirs, ours in moves.items():
            text = text.replace(theirs, ours)
        return text


def blocks(language: str, title: str) -> list[str]:
    """Return the blocks of the page whose first line is the comment ``title``."""
    return re.findall(
        rf"^```{language}\n(# {re.escape(title)}\n.*?)^```", PAGE.read_text(), re.DOTALL | re.M
    )


def deployment_commands() -> list[str]:
    """Return the commands that the page has run at each deployment."""
    [block] = re.findall(
        r"^```console\n(/srv/.*? check .*?)^```", PAGE.read_text(), re.DOTALL | re.M
    )
    return str(block).splitlines()


def unit_command(key: str, program: str) -> str:
    """Return what a systemd unit of the page runs: ``ExecStart`` with ``gunicorn``, say."""
    [command] = re.findall(rf"^{key}=(\S*/{program} .*)$", PAGE.read_text(), re.M)
    return str(command)


def make_certificate(folder: Path) -> Certificate:
    certificate = Certificate(chain=folder / "fullchain.pem", key=folder / "privkey.pem")
    names = ",".join(f"DNS:{name}" for name in (HOST, "*.example.org", "attacker.example.net"))
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
        *("-days", "1", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName={names}"),
        *("-out", str(certificate.chain), "-keyout", str(certificate.key)),
    )
    return certificate


@contextmanager
def running_production(production: Production, certificate: Certificate) -> Iterator[Production]:
    """Deploy a project, start it behind nginx, and stop both at the end."""
    server, folder = production.name, production.folder
    for path in (certificate.chain, certificate.key):
        shutil.copy(path, folder)
    for name in ("var", "run"):
        (folder / name).mkdir()
    for command in deployment_commands():
        production.run(command)
    # Production has no users with a known password.
    production.run(
        "/srv/demo/.venv/bin/python manage.py create_demo_users",
        DJANGO_SETTINGS_MODULE="config.settings",
    )
    upstreams = dict(
        zip(SERVERS, blocks("nginx", "/etc/nginx/conf.d/demo-upstream.conf"), strict=True)
    )
    [site] = blocks("nginx", "/etc/nginx/conf.d/demo.conf")
    configuration = folder / "nginx.conf"
    configuration.write_text(
        MAIN_CONFIGURATION.format(
            user=getpass.getuser(),
            group=grp.getgrgid(os.getgid()).gr_name,
            folder=folder,
            sites=production.moved(upstreams[server] + site),
        )
    )
    nginx = (
        shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"])) or "nginx"
    )
    with ExitStack() as stack:
        process = stack.enter_context(_running(unit_command("ExecStart", server), production))
        production.server_pids.append(process.pid)
        process = stack.enter_context(
            _running(f"{nginx} -e {folder}/nginx-error.log -c {configuration}", production)
        )
        wait_for(production.https_port, process, folder / "nginx.log")
        production.wait()
        yield production


@contextmanager
def _running(command: str, production: Production) -> Iterator["subprocess.Popen[bytes]"]:
    program, *arguments = shlex.split(production.moved(command))
    log = production.folder / f"{Path(program).name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, *arguments],
            cwd=production.project,
            env=production.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _openssl(*arguments: str) -> bytes:
    openssl = shutil.which("openssl") or "openssl"
    return subprocess.run([openssl, *arguments], check=True, capture_output=True).stdout
