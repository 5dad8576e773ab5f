#!/usr/bin/env python3
"""How many requests a second does one worker answer, end to end?

    python benchmarks/servers.py [--rounds N] [--seconds N] [--json FILE]

Each server runs once for each subject, and wrk calls them in turns, over connections that are kept;
a server that is not called is idle.
The CPU time is that of the server's processes, from the kernel.
"""

import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"

import django

django.setup()

from django.core.management import call_command
from django.db import connection

from benchmarks.ratios import ratios, spread
from benchmarks.rows import throw_away
from benchmarks.subjects import DJANGO, LEAST, NO_AUTH, OURS, Subject, cookies, log_in
from benchmarks.tables import new_parser, publish

PREPARED = replace(OURS, name="session_auth, prepared")
"""With the options for PostgreSQL that docs/deployment.md advises."""

SUBJECTS = (
    NO_AUTH,
    DJANGO,
    OURS,
    *((PREPARED,) if connection.vendor == "postgresql" else ()),
    LEAST,
)
SERVERS: dict[str, tuple[str, ...]] = {
    "gunicorn (WSGI)": (
        # Threads, of which one is enough here: the other workers close each connection.
        *("gunicorn", "benchmarks.app:wsgi", "--workers=1", "--worker-class=gthread"),
        *("--threads=1", "--bind=127.0.0.1:{port}", "--log-level=warning", "--no-control-socket"),
    ),
    "granian (WSGI)": (
        *("granian", "benchmarks.app:wsgi", "--interface=wsgi", "--workers=1", "--no-ws"),
        *("--blocking-threads=1", "--host=127.0.0.1", "--port={port}", "--log-level=warning"),
    ),
    "uvicorn (ASGI)": (
        *("uvicorn", "benchmarks.app:asgi", "--workers=1", "--host=127.0.0.1", "--port={port}"),
        *("--log-level=warning", "--lifespan=off"),
    ),
}
CONNECTIONS = 4
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    server: str
    subject: str
    requests_a_second: float
    """The median of the rounds."""

    spread: float
    of_no_auth: float
    """That, as a part of those without authentication: the median of the rounds' ratios."""

    spread_of_it: float

    cpu_us: float
    """The server's CPU time per request, the median of the rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    name: str
    subject: Subject
    url: str
    cookie: str
    pid: int


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(name: str, subject: Subject, cookie: str) -> Iterator[Server]:
    port = free_port()
    program, *arguments = (part.format(port=port) for part in SERVERS[name])
    path = subject.path_for(asgi="ASGI" in name)
    environment = os.environ | {"BENCHMARK_SUBJECT": subject.name, "PYTHONPATH": str(ROOT)}
    if subject is PREPARED:
        environment |= {"BENCHMARK_SUBJECT": OURS.name, "BENCHMARK_PREPARED": "yes"}
    if "ASGI" in name:
        environment["BENCHMARK_POOL"] = "yes"
    command = [str(Path(sys.executable).parent / program), *arguments]
    with subprocess.Popen(command, env=environment, cwd=ROOT) as process:
        try:
            server = Server(
                name=name,
                subject=subject,
                url=f"http://localhost:{port}{path}",
                cookie=cookie,
                pid=process.pid,
            )
            wait_for(server)
            yield server
        finally:
            process.terminate()


def wait_for(server: Server) -> None:
    request = urllib.request.Request(server.url, headers={"Cookie": server.cookie})  # noqa: S310 # http
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310 # http
                if response.read() != b"alice":
                    raise SystemExit(f"{server.name} does not know who is calling.")
                return
        except OSError as exc:
            if time.monotonic() > until:
                raise SystemExit(f"{server.name} does not answer: {exc}") from exc
            time.sleep(0.1)


def cpu_seconds(pid: int) -> float:
    """Return what a process and its children have spent, with those that have ended."""
    # After the name, in parentheses: fields 14 to 17 of proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    spent = sum(int(ticks) for ticks in fields[11:15]) / TICKS_A_SECOND
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return spent + sum(cpu_seconds(int(child)) for child in children)


def measure(server: Server, seconds: int) -> tuple[float, float]:
    """Return the requests a second, and the microseconds of CPU of each."""
    before = cpu_seconds(server.pid)
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"-HCookie: {server.cookie}"]
    done = subprocess.run([*command, server.url], capture_output=True, text=True, check=True)
    spent = cpu_seconds(server.pid) - before
    requests = re.search(r"(\d+) requests in", done.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if requests is None or rate is None or "Non-2xx" in done.stdout or "errors:" in done.stdout:
        raise SystemExit(f"{server.name}, {server.subject.name}:\n{done.stdout}")
    return float(rate[1]), spent * 1e6 / int(requests[1])


def compare(name: str, sent: dict[str, str], *, rounds: int, seconds: int) -> list[Result]:
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(name, subject, sent[subject.name])) for subject in SUBJECTS
        ]
        measured: dict[str, list[tuple[float, float]]] = {each.name: [] for each in SUBJECTS}
        for number in range(rounds + 1):  # of which the first warms up
            for server in random.sample(servers, len(servers)):
                result = measure(server, seconds if number else 1)
                if number:
                    measured[server.subject.name].append(result)
    rates = {subject: [rate for rate, _ in results] for subject, results in measured.items()}
    parts = {subject: ratios(values, rates[NO_AUTH.name]) for subject, values in rates.items()}
    return [
        Result(
            server=name,
            subject=subject,
            requests_a_second=statistics.median(rates[subject]),
            spread=spread(rates[subject]),
            of_no_auth=statistics.median(parts[subject]),
            spread_of_it=spread(parts[subject]),
            cpu_us=statistics.median(cpu for _, cpu in results),
        )
        for subject, results in measured.items()
    ]


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2, help="of each round")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing. On Debian: apt install wrk")

    try:
        call_command("migrate", verbosity=0)
        sent = {each.name: cookies(each, log_in(each.engine)) for each in SUBJECTS}
        connection.close()
        results = [
            result
            for server in SERVERS
            for result in compare(server, sent, rounds=options.rounds, seconds=options.seconds)
        ]
    finally:
        throw_away()
    publish(f"One worker, end to end, {connection.vendor}", results, file=options.json)


if __name__ == "__main__":
    main()
