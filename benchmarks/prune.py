#!/usr/bin/env python3
"""Does a login wait while a million expired sessions are pruned?

    python benchmarks/prune.py [--expired 1000000] [--json FILE]
    python scripts/with_database.py postgresql python benchmarks/prune.py

One process prunes, as the command does. Another one logs a user in, again and again, through the
whole stack: during the pruning, and as often without it, since on a shared machine the longest time
of many is long by itself. The password hash is a quick one, so that the store is most of what is
measured.
"""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
django.setup()

from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings

from benchmarks.rows import fill, throw_away
from benchmarks.tables import new_parser, publish
from session_auth.models import Session

STACK = override_settings(
    MIDDLEWARE=[
        "session_auth.middleware.SessionMiddleware",
        "session_auth.middleware.CsrfViewMiddleware",
        "session_auth.middleware.AuthenticationMiddleware",
    ],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF="session_auth.urls",
    SESSION_ENGINE="session_auth.engines.database",
)
NAME = "alice"
PASSWORD = "correct horse battery staple"  # noqa: S105 # protects nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    when: str
    logins: int
    median_ms: float
    p99_ms: float
    longest_ms: float


def log_in() -> float:
    """Return how many milliseconds a login took."""
    start = time.perf_counter_ns()
    body = {"username": NAME, "password": PASSWORD}
    response = Client(SERVER_NAME="localhost").post(
        "/login/", body, content_type="application/json"
    )
    if response.status_code != 200:
        raise SystemExit(f"A login was answered {response.status_code}: {response.content!r}")
    return (time.perf_counter_ns() - start) / 1e6


def result(when: str, times: list[float]) -> Result:
    return Result(
        when=when,
        logins=len(times),
        median_ms=statistics.median(times),
        p99_ms=statistics.quantiles(times, n=100, method="inclusive")[-1],
        longest_ms=max(times),
    )


def measure(expired: int) -> list[Result]:
    User.objects.create_user(NAME, password=PASSWORD)
    fill(expired, sessions_a_user=10, expired=True)
    log_in()
    beside = []
    command = [sys.executable, "-m", "django", "prune_sessions", "--skip-checks"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with subprocess.Popen(command, env=environment) as prune:
        while prune.poll() is None:
            beside.append(log_in())
    left = Session.objects.filter(user_id__isnull=False).count() - len(beside) - 1
    if prune.returncode or left:
        raise SystemExit(f"The pruning left {left} sessions.")
    without = [log_in() for _ in beside]
    return [result("beside the pruning", beside), result("without it", without)]


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--expired", type=int, default=10**6, help="sessions to prune")
    options = parser.parse_args()

    try:
        call_command("migrate", verbosity=0)
        with STACK:
            results = measure(options.expired)
    finally:
        throw_away()

    title = f"A login while {options.expired:,} expired sessions are pruned, {connection.vendor}"
    publish(title, results, file=options.json)


if __name__ == "__main__":
    main()
