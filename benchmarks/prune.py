#!/usr/bin/env python3
"""Does a login wait while a million expired sessions are pruned?

    python benchmarks/prune.py [--expired 1000000] [--json FILE]
    python scripts/with_database.py postgresql python benchmarks/prune.py

One process prunes, as the command does; another one logs a user in, again and again, through the
whole stack, beside the pruning and as often without it, since on a shared machine the longest of
many is long by itself. The password hash is a quick one, so that the store is most of what is
measured.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import django  # noqa: E402

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client, override_settings  # noqa: E402

from benchmarks.rows import fill, throw_away  # noqa: E402
from session_auth.models import Session  # noqa: E402

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
    median: float
    """In milliseconds, as are the others."""

    p99: float
    longest: float


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
        median=statistics.median(times),
        p99=statistics.quantiles(times, n=100)[-1],
        longest=max(times),
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--expired", type=int, default=10**6, help="sessions to prune")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    options = parser.parse_args()

    try:
        call_command("migrate", verbosity=0)
        with STACK:
            results = measure(options.expired)
    finally:
        throw_away()

    print(
        f"{connection.vendor}, Django {django.get_version()}: a login, {options.expired:,} expired"
    )
    for each in results:
        print(
            f"{each.when:20} {each.logins:6} logins: median {each.median:6.1f} ms, "
            f"99th percentile {each.p99:6.1f} ms, longest {each.longest:6.1f} ms"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in results], indent=2))


if __name__ == "__main__":
    main()
