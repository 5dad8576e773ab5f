#!/usr/bin/env python3
"""What do the indexes for LIKE cost, which Django adds to text keys on PostgreSQL?

    python scripts/with_database.py postgresql python benchmarks/indexes.py [--size 300000]

Rows of logins are added to a large table by turns: with those indexes and without them, in one
run. They were there until they were dropped; so this makes them anew.
"""

import os
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
django.setup()

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from benchmarks.rows import fill, throw_away
from benchmarks.tables import new_parser, publish
from session_auth.engines.database import SessionStore
from session_auth.keys import digest, new_session_key
from session_auth.models import Session
from session_auth.sessions.values import Record

KEYS = {"session": "id", "guesscount": "id", "devicegeneration": "user_id"}
"""The tables that a login writes, and their keys."""

ROUNDS = 6
LOGINS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    indexes: str
    session_table_mb: float
    its_indexes_mb: float
    login_us: float
    """The median of the time in which the row of a login is added."""

    of_without: float


def add_logins() -> list[float]:
    times, now = [], timezone.now()
    for _ in range(LOGINS):
        record = Record(
            id=digest(new_session_key()),
            user_id=1,
            data="{}",
            version=0,
            created_at=now,
            authenticated_at=now,
            methods="{}",
            last_seen_at=now,
            expires_at=now,
            ip="",
            user_agent="",
            passive_seen_at=None,
        )
        start = time.perf_counter_ns()
        SessionStore.rows.insert(record, ending=(), at_most=None)
        times.append((time.perf_counter_ns() - start) / 1000)
    Session.objects.filter(user_id=1).delete()
    return times


def sizes() -> tuple[float, float]:
    table = Session._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_table_size(%s), pg_indexes_size(%s)", [table, table])
        of_table, of_indexes = cursor.fetchone()
    return of_table / 1e6, of_indexes / 1e6


def make_indexes() -> None:
    with connection.cursor() as cursor:
        for name, key in KEYS.items():
            cursor.execute(
                f"CREATE INDEX bench_{name}_like ON session_auth_{name} ({key} varchar_pattern_ops)"
            )


def drop_indexes() -> None:
    with connection.cursor() as cursor:
        for name in KEYS:
            cursor.execute(f"DROP INDEX bench_{name}_like")


def measure() -> list[Result]:
    add_logins()
    without = sizes()
    times: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(ROUNDS):
        times["without"] += add_logins()
        make_indexes()
        with_like = sizes()
        times["with"] += add_logins()
        drop_indexes()
    medians = {name: statistics.median(each) for name, each in times.items()}
    return [
        Result(
            indexes=name,
            session_table_mb=size[0],
            its_indexes_mb=size[1],
            login_us=medians[name],
            of_without=medians[name] / medians["without"],
        )
        for name, size in (("with", with_like), ("without", without))
    ]


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--size", type=int, default=300_000, help="sessions in the table")
    options = parser.parse_args()
    if connection.vendor != "postgresql":
        raise SystemExit("Only PostgreSQL has these indexes: see above.")
    try:
        call_command("migrate", verbosity=0)
        fill(options.size, sessions_a_user=10)
        results = measure()
    finally:
        throw_away()
    publish(f"Indexes for LIKE, {options.size:,} sessions", results, file=options.json)


if __name__ == "__main__":
    main()
