#!/usr/bin/env python3
"""What does it cost to know who is calling? CPU time per request, in one process.

    python benchmarks/request.py [--asgi] [--rounds N] [--json FILE]
    python scripts/with_database.py postgresql python benchmarks/request.py

Each subject is a whole stack, from the server's interface to the view and back, over the same
tables. They take turns, so that what else the machine does meets all of them; read the ratios,
since absolute times mean nothing on a shared machine.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import django  # noqa: E402
from django.contrib.auth import get_user_model, login  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.test import override_settings  # noqa: E402

REQUESTS_A_ROUND = 100
USERNAME = "alice"
DJANGOS_ENGINE = "django.contrib.sessions.backends.db"
DJANGOS_MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ENGINE = "session_auth.engines.database"
MIDDLEWARE = [
    "session_auth.middleware.SessionMiddleware",
    "session_auth.middleware.CsrfViewMiddleware",
    "session_auth.middleware.AuthenticationMiddleware",
]

Request = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    name: str
    middleware: list[str]
    engine: str
    path: str = "/private/"


WITHOUT = Subject(name="no auth", middleware=[], engine=DJANGOS_ENGINE, path="/open/")
DJANGO = Subject(name="Django db", middleware=DJANGOS_MIDDLEWARE, engine=DJANGOS_ENGINE)
SUBJECTS = [
    WITHOUT,
    DJANGO,
    Subject(name="session_auth", middleware=MIDDLEWARE, engine=ENGINE),
    Subject(name="session_auth, unused", middleware=MIDDLEWARE, engine=ENGINE, path="/open/"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    name: str
    microseconds: float
    """The median of the rounds, per request."""

    spread: float
    """The distance between the quartiles of the rounds."""

    added: float
    """What the subject adds to a request without authentication."""

    ratio: float
    """What it adds, as a part of what Django's ``db`` engine adds."""


def log_in(engine: str) -> str:
    """Return the key of a new session of the user, as a login stores it."""
    user, _ = get_user_model()._default_manager.get_or_create(username=USERNAME)
    request = HttpRequest()
    request.session = import_module(engine).SessionStore()
    login(request, user)
    request.session.save()
    return str(request.session.session_key)


def check(subject: Subject, body: bytes) -> None:
    if body != USERNAME.encode():
        raise SystemExit(f"{subject.name} answers {body!r}")


def start_response(status: str, headers: Any, exc_info: Any = None, /) -> Any:
    """Stand in for a server."""


def wsgi_request(subject: Subject, key: str) -> Request:
    handler = WSGIHandler()
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": subject.path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_USER_AGENT": "benchmark",
        "HTTP_COOKIE": f"sessionid={key}",
        "wsgi.input": BytesIO(),
        "wsgi.url_scheme": "http",
    }

    def request() -> None:
        response: Any = handler(environ.copy(), start_response)
        check(subject, response.content)
        response.close()

    return request


def asgi_request(subject: Subject, key: str) -> Request:
    handler = ASGIHandler()
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": f"/async{subject.path}",
        "query_string": b"",
        "server": ("localhost", 80),
        "client": ("192.0.2.1", 1),
        "headers": [(b"user-agent", b"benchmark"), (b"cookie", f"sessionid={key}".encode())],
    }

    async def request() -> None:
        messages = [{"type": "http.request"}]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else await asyncio.Future()

        async def send(message: Mapping[str, Any]) -> None:
            if "body" in message:
                check(subject, message["body"])

        await handler(dict(scope), receive, send)

    return request


def make_requests(make: Callable[[Subject, str], Request]) -> dict[str, Request]:
    requests = {}
    for subject in SUBJECTS:
        with override_settings(MIDDLEWARE=subject.middleware, SESSION_ENGINE=subject.engine):
            requests[subject.name] = make(subject, log_in(subject.engine))
    return requests


async def measure(requests: dict[str, Request], rounds: int) -> dict[str, list[float]]:
    """Return the microseconds per request of each round; the first round only warms up."""
    times: dict[str, list[float]] = {name: [] for name in requests}
    for number in range(rounds + 1):
        for name in random.sample(list(requests), len(requests)):
            request = requests[name]
            start = time.process_time_ns()
            for _ in range(REQUESTS_A_ROUND):
                if (awaitable := request()) is not None:
                    await awaitable
            spent = time.process_time_ns() - start
            if number:
                times[name].append(spent / 1000 / REQUESTS_A_ROUND)
    return times


def run_without_loop(measuring: Any) -> dict[str, list[float]]:
    """Run what awaits nothing: Django refuses sync database calls where a loop runs."""
    try:
        measuring.send(None)
    except StopIteration as done:
        times: dict[str, list[float]] = done.value
    return times


def evaluate(times: dict[str, list[float]]) -> list[Result]:
    medians = {name: statistics.median(rounds) for name, rounds in times.items()}
    base = medians[WITHOUT.name]
    results = []
    for name, rounds in times.items():
        first, _, third = statistics.quantiles(rounds, n=4)
        added = medians[name] - base
        results.append(
            Result(
                name=name,
                microseconds=medians[name],
                spread=third - first,
                added=added,
                ratio=added / (medians[DJANGO.name] - base),
            )
        )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--asgi", action="store_true", help="measure async views under ASGI")
    parser.add_argument("--rounds", type=int, default=30, help="of 100 requests a subject")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    options = parser.parse_args()

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()
    try:
        call_command("migrate", verbosity=0)
        requests = make_requests(asgi_request if options.asgi else wsgi_request)
        measuring = measure(requests, options.rounds)
        times = asyncio.run(measuring) if options.asgi else run_without_loop(measuring)
    finally:
        connection.close()
        if connection.vendor == "sqlite":
            Path(connection.settings_dict["NAME"]).unlink(missing_ok=True)

    results = evaluate(times)
    interface = "ASGI" if options.asgi else "WSGI"
    print(f"{interface}, {connection.vendor}, Django {django.get_version()}: CPU time per request")
    for result in results:
        print(
            f"{result.name:22} {result.microseconds:6.0f} µs ± {result.spread:<4.0f}"
            f"adds {result.added:6.0f} µs, {result.ratio:5.2f} of what Django adds"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=2))


if __name__ == "__main__":
    main()
