#!/usr/bin/env python3
"""What does a login cost beside its password hash?

    python benchmarks/login.py [--rounds N] [--json FILE]

Each stack logs a user in with the right password, and so does the hash alone, in turns. The hash is
Django's default one; the last column is the same login with a hash that costs nothing, so what the
rest of it costs. session_auth counts the guess, which the others do not: allauth's own limits would
refuse a benchmark, and Django has none.
"""

import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"

import django

django.setup()

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, reset_queries
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from benchmarks.ratios import ratios, spread
from benchmarks.rows import throw_away
from benchmarks.subjects import DJANGO, OURS, Subject
from benchmarks.tables import new_parser, publish

NAME = "alice"
PASSWORD = "correct horse battery staple"  # noqa: S105 # protects nothing
HASH = "the hash alone"
SLOW = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
FAST = "django.contrib.auth.hashers.MD5PasswordHasher"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BRACKETS = ("BEGIN", "SAVEPOINT", "RELEASE", "COMMIT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    subject: Subject
    path: str
    content_type: str
    status: int = 200
    client: Client = field(default_factory=partial(Client, SERVER_NAME="localhost"))
    """Its first call makes the middleware, of the settings that hold then."""

    def __call__(self) -> None:
        self.client.cookies.clear()
        data: Any = {"username": NAME, "password": PASSWORD}
        if self.content_type == FORM:
            data = urlencode(data)
        response = self.client.post(self.path, data, content_type=self.content_type)
        if response.status_code != self.status or "sessionid" not in response.cookies:
            raise SystemExit(f"{self.path} answers {response.status_code}: {response.content!r}")


LOGINS = {"session_auth: POST login/": Login(subject=OURS, path="/auth/login/", content_type=JSON)}
if find_spec("rest_framework"):
    LOGINS |= {
        "Django: LoginView": Login(
            subject=DJANGO, path="/peers/django/login/", content_type=FORM, status=302
        ),
        "allauth: POST auth/login": Login(
            subject=Subject(
                name="allauth",
                middleware=(
                    *DJANGO.middleware,
                    "allauth.account.middleware.AccountMiddleware",
                ),
            ),
            path="/peers/allauth/browser/v1/auth/login",
            content_type=JSON,
        ),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    login: str
    cpu_ms: float
    spread_ms: float
    of_hash: float
    """The CPU time of it, as a part of that of the hash: the median of the rounds' ratios."""

    statements: int | None
    rest_ms: float | None
    """The same with a hash that costs nothing."""


def cpu_ms(call: Callable[[], object]) -> float:
    start = time.process_time_ns()
    call()
    return (time.process_time_ns() - start) / 1e6


def in_stack(login: Login) -> Any:
    return override_settings(
        MIDDLEWARE=login.subject.middleware, SESSION_ENGINE=login.subject.engine
    )


def measure(rounds: int) -> dict[str, list[float]]:
    User.objects.update(password=make_password(PASSWORD))
    calls: dict[str, Any] = dict(LOGINS)
    stored = make_password(PASSWORD)
    times: dict[str, list[float]] = {name: [] for name in (*calls, HASH)}
    for number in range(rounds + 1):  # of which the first warms up
        for name in random.sample(list(times), len(times)):
            if name == HASH:
                spent = cpu_ms(partial(check_password, PASSWORD, stored))
            else:
                with in_stack(calls[name]):
                    spent = cpu_ms(calls[name])
            if number:
                times[name].append(spent)
    return times


def statements(login: Login) -> int:
    """Return how many statements one login makes, without the brackets of transactions."""
    reset_queries()
    with in_stack(login), CaptureQueriesContext(connection) as captured:
        login()
    return sum(not query["sql"].startswith(BRACKETS) for query in captured)


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()

    try:
        call_command("migrate", verbosity=0)
        User.objects.create_user(NAME)
        with override_settings(PASSWORD_HASHERS=[SLOW]):
            slow = measure(options.rounds)
        with override_settings(PASSWORD_HASHERS=[FAST]):
            fast = measure(options.rounds)
            counts = {name: statements(login) for name, login in LOGINS.items()}
    finally:
        throw_away()
    results = [
        Result(
            login=name,
            cpu_ms=statistics.median(times),
            spread_ms=spread(times),
            of_hash=statistics.median(ratios(times, slow[HASH])),
            statements=counts.get(name),
            rest_ms=None if name == HASH else statistics.median(fast[name]),
        )
        for name, times in slow.items()
    ]
    publish(f"CPU time of a login, {connection.vendor}", results, file=options.json)


if __name__ == "__main__":
    main()
