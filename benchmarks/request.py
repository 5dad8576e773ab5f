#!/usr/bin/env python3
"""What does it cost to know who is calling? CPU and wall time per request, in one process.

    python benchmarks/request.py [--asgi] [--redis] [--rounds N] [--json FILE]
    python scripts/with_database.py postgresql python benchmarks/request.py

The subjects take turns, in an order that is drawn anew in each round, so that other
work of the machine slows all of them down. Read the ratios: absolute times mean nothing on a shared
machine.
"""

import asyncio
import os
import random
import statistics
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
if "--asgi" in sys.argv and find_spec("psycopg_pool"):
    os.environ["BENCHMARK_POOL"] = "yes"

import django

django.setup()

from django.core.management import call_command
from django.db import connection

from benchmarks.ratios import parts_added, spread
from benchmarks.rows import throw_away
from benchmarks.subjects import (
    DJANGO,
    ENGINES,
    Request,
    Subject,
    asgi_call,
    make_requests,
    subjects,
)
from benchmarks.tables import new_parser, publish
from session_auth.models import Session

REQUESTS_A_ROUND = 50
FASTAPI = {"FastAPI, no auth": "/open/", "fastapi-users": "/private/"}
STATEMENT = "the bare statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The microseconds per request of one round."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    subject: str
    cpu_us: float
    """The median of the rounds, per request."""

    spread_us: float
    """The distance between the quartiles of the rounds."""

    wall_us: float
    added_us: float
    """The CPU time that authentication adds to the same view in the same framework."""

    of_django_db: float
    """That, as a part of what Django's ``db`` engine adds: the median of the rounds' ratios."""

    spread_of_it: float


def bare_statement() -> Request:
    """Return the one statement of session and user by the driver alone, which nobody can beat."""
    rows = Session.objects.select_related("user").exclude(user=None)[:1]
    session = rows.get()
    sql, _ = Session.objects.select_related("user").filter(pk=session.pk).query.sql_with_params()
    if connection.vendor == "sqlite":
        sql = sql.replace("%s", "?")
    driver: Any = connection.get_new_connection(connection.get_connection_params())

    def request() -> None:
        cursor = driver.cursor()
        cursor.execute(sql, (session.pk,))
        if session.pk not in cursor.fetchone():
            raise SystemExit("The statement finds nothing.")
        cursor.close()

    return request


async def fastapi_requests() -> dict[str, Request]:
    from benchmarks.peers.fastapi_app import make_app  # an environment of its own has it

    app, cookie = await make_app()
    return {name: asgi_call(app, name, path, cookie) for name, path in FASTAPI.items()}


async def measure(requests: dict[str, Request], rounds: int) -> dict[str, list[Times]]:
    """Return the times of each round; the first round only warms up."""
    times: dict[str, list[Times]] = {name: [] for name in requests}
    for number in range(rounds + 1):
        for name in random.sample(list(requests), len(requests)):
            request = requests[name]
            cpu, wall = time.process_time_ns(), time.perf_counter_ns()
            for _ in range(REQUESTS_A_ROUND):
                if (awaitable := request()) is not None:
                    await awaitable
            cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
            if number:
                each = 1000 * REQUESTS_A_ROUND
                times[name].append(Times(cpu=cpu / each, wall=wall / each))
    return times


async def measure_in_loop(
    requests: dict[str, Request], rounds: int, *, peers: bool
) -> dict[str, list[Times]]:
    if peers and find_spec("fastapi_users"):
        requests |= await fastapi_requests()
    return await measure(requests, rounds)


def measure_without_loop(requests: dict[str, Request], rounds: int) -> dict[str, list[Times]]:
    """Run what awaits nothing: Django refuses sync database calls where a loop runs."""
    measuring: Any = measure(requests, rounds)
    try:
        measuring.send(None)
    except StopIteration as done:
        times: dict[str, list[Times]] = done.value
    return times


def evaluate(times: dict[str, list[Times]], chosen: tuple[Subject, ...]) -> list[Result]:
    cpu = {name: [each.cpu for each in rounds] for name, rounds in times.items()}
    nothing = [0.0 for _ in cpu[DJANGO.name]]
    bases = {subject.name: subject.base for subject in chosen}
    bases |= dict.fromkeys(FASTAPI, next(iter(FASTAPI))) | {STATEMENT: "nothing"}
    bases["nothing"] = "nothing"
    parts = parts_added(cpu | {"nothing": nothing}, bases, of=DJANGO.name)
    medians = {name: statistics.median(values) for name, values in cpu.items()} | {"nothing": 0.0}
    return [
        Result(
            subject=name,
            cpu_us=medians[name],
            spread_us=spread(cpu[name]),
            wall_us=statistics.median(each.wall for each in rounds),
            added_us=medians[name] - medians[bases[name]],
            of_django_db=statistics.median(parts[name]),
            spread_of_it=spread(parts[name]),
        )
        for name, rounds in times.items()
    ]


def main() -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--asgi", action="store_true", help="measure async views under ASGI")
    parser.add_argument("--redis", action="store_true", help="compare engines, in place of peers")
    parser.add_argument("--rounds", type=int, default=40, help="of 50 requests a subject")
    options = parser.parse_args()

    try:
        call_command("migrate", verbosity=0)
        chosen = ENGINES if options.redis else subjects()
        requests = make_requests(chosen, asgi=options.asgi) | {STATEMENT: bare_statement()}
        connection.close()
        if options.asgi:
            peers = not options.redis
            times = asyncio.run(measure_in_loop(requests, options.rounds, peers=peers))
        else:
            times = measure_without_loop(requests, options.rounds)
    finally:
        throw_away()

    interface = "ASGI" if options.asgi else "WSGI"
    title = f"CPU time per request, {interface}, {connection.vendor}"
    title += " and Redis" if options.redis else ""
    publish(title, evaluate(times, chosen), file=options.json)


if __name__ == "__main__":
    main()
