#!/usr/bin/env python3
"""Do two requests that write to one session at once lose anything?

    python benchmarks/writers.py [--rounds N] [--json FILE]

In each round, some requests load the same session, and then all of them write, each its own key:
as tabs and calls of one browser do. What is in the session afterwards is counted.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Barrier

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"

import django

django.setup()

from django.core.management import call_command
from django.db import connection, connections

from benchmarks.rows import throw_away
from benchmarks.subjects import CACHED, DJANGO, OURS, Subject, subjects
from benchmarks.tables import new_parser, publish

WRITERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    engine: str
    writes: int
    lost: int


def lost_keys(engine: str, rounds: int) -> int:
    store = import_module(engine).SessionStore
    both_have_read = Barrier(WRITERS)
    lost = 0

    def write(key: str, name: str) -> None:
        session = store(key)
        session.get(name)
        both_have_read.wait()
        session[name] = name
        session.save()

    with ThreadPoolExecutor(WRITERS) as threads:
        for _ in range(rounds):
            session = store()
            session.create()
            key = session.session_key
            names = [f"key{number}" for number in range(WRITERS)]
            for done in [threads.submit(write, key, name) for name in names]:
                done.result()
            lost += len(set(names) - set(store(key).keys()))
        for done in [threads.submit(connections.close_all) for _ in range(WRITERS)]:
            done.result()
    return lost


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()

    compared: list[Subject] = [
        DJANGO,
        *(each for each in CACHED if each in subjects()),
        OURS,
    ]
    try:
        call_command("migrate", verbosity=0)
        results = [
            Result(
                engine=subject.name,
                writes=options.rounds * WRITERS,
                lost=lost_keys(subject.engine, options.rounds),
            )
            for subject in compared
        ]
    finally:
        throw_away()
    publish(
        f"{WRITERS} requests write to one session, {connection.vendor}", results, file=options.json
    )


if __name__ == "__main__":
    main()
