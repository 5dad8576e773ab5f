#!/usr/bin/env python3
"""Does it matter how many sessions there are? One user's list, and an end to all of theirs.

    python benchmarks/sessions.py [--sizes 1000 1000000] [--json FILE]
    python scripts/with_database.py postgresql python benchmarks/sessions.py

The table grows from size to size, and each size is measured against the smallest one by its ratio.
A user has ten sessions, whatever the size.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import django  # noqa: E402

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from benchmarks.rows import fill, throw_away  # noqa: E402
from session_auth.engines.database import SessionStore  # noqa: E402
from session_auth.models import Session  # noqa: E402

SESSIONS_A_USER = 10
ROUNDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    sessions: int
    action: str
    microseconds: float
    """The median of the rounds."""

    spread: float
    """The distance between the quartiles."""

    ratio: float
    """To the same with the smallest number of sessions."""


def time_of(call: Callable[[], object]) -> float:
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1000


def measure(size: int) -> dict[str, list[float]]:
    """Return the microseconds of each round, spread over the users."""
    store, users = SessionStore(), size // SESSIONS_A_USER
    times: dict[str, list[float]] = {"list": [], "end others": []}
    for number in range(ROUNDS):
        user_id = number * users // ROUNDS + 1
        times["list"].append(time_of(partial(store.of_user, user_id)))
        newest, *others = store.of_user(user_id)
        times["end others"].append(time_of(partial(store.remove_of_user, user_id, but=newest.id)))
        Session.objects.bulk_create(Session(**asdict(record)) for record in others)
    return times


def evaluate(measured: dict[int, dict[str, list[float]]]) -> list[Result]:
    smallest = measured[min(measured)]
    results = []
    for size, times in measured.items():
        for action, rounds in times.items():
            first, median, third = statistics.quantiles(rounds, n=4)
            results.append(
                Result(
                    sessions=size,
                    action=action,
                    microseconds=median,
                    spread=third - first,
                    ratio=median / statistics.median(smallest[action]),
                )
            )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**3, 10**4, 10**5, 10**6])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    options = parser.parse_args()

    measured = {}
    try:
        call_command("migrate", verbosity=0)
        for size in sorted(options.sizes):
            fill(size, sessions_a_user=SESSIONS_A_USER)
            measured[size] = measure(size)
    finally:
        throw_away()

    results = evaluate(measured)
    print(f"{connection.vendor}, Django {django.get_version()}: time of one call")
    for result in results:
        print(
            f"{result.sessions:9,} sessions  {result.action:10}  {result.microseconds:7.0f} µs "
            f"± {result.spread:<5.0f} {result.ratio:5.2f} of the first"
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=2))


if __name__ == "__main__":
    main()
