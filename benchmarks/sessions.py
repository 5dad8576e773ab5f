#!/usr/bin/env python3
"""Does it matter how many sessions there are? To list and to end those of one user, and to prune.

    python benchmarks/sessions.py [--sizes 1000 1000000] [--json FILE]
    python scripts/with_database.py postgresql python benchmarks/sessions.py

The table grows from size to size, and each size is measured against the smallest one by its ratio.
A user has ten sessions, whatever the size; what is pruned is one batch, of a hundred sessions.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
django.setup()

from django.core.management import call_command
from django.db import connection

from benchmarks.ratios import spread
from benchmarks.rows import add_expired, fill, throw_away
from benchmarks.tables import new_parser, publish
from session_auth.engines.database import SessionStore
from session_auth.models import Session
from session_auth.sessions.pruning import PRUNE_ROWS

SESSIONS_A_USER = 10
ROUNDS = 100
PRUNE_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    sessions: int
    action: str
    wall_us: float
    """The median of the rounds."""

    spread_us: float
    """The distance between the quartiles."""

    of_smallest: float
    """To the same with the smallest number of sessions."""


def time_of(call: Callable[[], object]) -> float:
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1000


def measure(size: int) -> dict[str, list[float]]:
    """Return the microseconds of each round, spread over the users."""
    store, users = SessionStore.rows, size // SESSIONS_A_USER
    times: dict[str, list[float]] = {"list": [], "end others": [], "prune": []}
    for number in range(ROUNDS):
        user_id = number * users // ROUNDS + 1
        times["list"].append(time_of(partial(store.of_user, user_id)))
        newest, *others = store.of_user(user_id)
        times["end others"].append(time_of(partial(store.remove_of_user, user_id, but=newest.id)))
        Session.objects.bulk_create(Session(**record._asdict()) for record in others)
    for number in range(PRUNE_ROUNDS):
        add_expired(PRUNE_ROWS, first=10**9 + number * PRUNE_ROWS)
        times["prune"].append(time_of(partial(store.remove_expired, at_most=PRUNE_ROWS)))
    if Session.objects.count() != size:
        raise SystemExit("What was pruned is not what had expired.")
    return times


def evaluate(measured: dict[int, dict[str, list[float]]]) -> list[Result]:
    smallest = measured[min(measured)]
    results = []
    for size, times in measured.items():
        for action, rounds in times.items():
            median = statistics.median(rounds)
            results.append(
                Result(
                    sessions=size,
                    action=action,
                    wall_us=median,
                    spread_us=spread(rounds),
                    of_smallest=median / statistics.median(smallest[action]),
                )
            )
    return results


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6])
    options = parser.parse_args()

    measured = {}
    try:
        call_command("migrate", verbosity=0)
        for size in sorted(options.sizes):
            fill(size, sessions_a_user=SESSIONS_A_USER)
            measured[size] = measure(size)
    finally:
        throw_away()

    title = f"One user's ten sessions among others, {connection.vendor}"
    publish(title, evaluate(measured), file=options.json)


if __name__ == "__main__":
    main()
