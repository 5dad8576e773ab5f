"""Write the tables of RESULTS.md and of docs/speed.md, from what was measured.

    python -m benchmarks.results

`make bench` calls it at its end; the JSON files are in benchmarks/results.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.tables import ROOT, markdown

MEASURED = ROOT / "benchmarks" / "results"
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
SPEED = ROOT / "docs" / "speed.md"
BLOCK = re.compile(
    r"(?P<start><!-- make bench: (?P<name>[\w-]+) -->\n\n)(?P<content>.*?)(?=<!-- end -->)",
    re.DOTALL,
)
"""What is written by machine, in a document that is not; and its name."""

Results = Mapping[str, Mapping[str, Any]]
"""The content of each JSON file, by its name without the ending."""

STACKS = {
    "request-wsgi": "WSGI, SQLite",
    "request-wsgi-postgresql": "WSGI, PostgreSQL",
    "request-asgi": "ASGI, SQLite",
    "request-asgi-postgresql": "ASGI, PostgreSQL",
}
SERVERS = {
    "servers": "SQLite",
    "servers-postgresql": "PostgreSQL",
}
BOUNDS = frozenset({"no auth", "the least", "the least, kept"})
COMPARED = (
    *("Django db", "Django cached_db", "Django signed_cookies", "DRF on Django db"),
    *("Ninja on Django db", "fastapi-users", "DRF on session_auth", "Ninja on session_auth"),
    *("session_auth", "Django, unused", "session_auth, unused"),
)


def read(folder: Path) -> Results:
    return {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}


def is_complete(results: Results) -> bool:
    """Say whether ``in_short()`` can be told of them, and the versions are those of all tables."""
    return results.keys() >= {*STACKS, *SERVERS}


def in_short(results: Results) -> str:
    """Return the tables of ratios that docs/speed.md and RESULTS.md share."""
    return (
        "CPU time that authentication adds to a request, as a part of what Django's `db` engine "
        f"adds:\n\n{markdown(_added(results))}\n"
        "Requests a second of one worker, as a part of those of the same view without "
        f"authentication:\n\n{markdown(_throughput(results))}"
    )


def _added(results: Results) -> list[dict[str, Any]]:
    parts = {
        # Two digits, or noise around nothing looks like something; and no "-0".
        stack: {
            row["subject"]: round(row["of_django_db"], 2) + 0.0 for row in results[file]["rows"]
        }
        for file, stack in STACKS.items()
    }
    return [
        {"": name} | {stack: of_django.get(name) for stack, of_django in parts.items()}
        for name in COMPARED
    ]


def _throughput(results: Results) -> list[dict[str, Any]]:
    return [
        {"": f"{database}: {subject}"}
        | {row["server"]: row["of_no_auth"] for row in rows if row["subject"] == subject}
        for file, database in SERVERS.items()
        for rows in [results[file]["rows"]]
        for subject in dict.fromkeys(row["subject"] for row in rows)
        if subject not in BOUNDS
    ]


def environment(results: Results) -> str:
    """Return the kind of machine, the versions and the commit as a table."""
    found = {"commit": ", ".join(sorted({each["commit"] for each in results.values()}))}
    for each in results.values():
        found |= each["environment"]
    return markdown([{"": name, "version": version} for name, version in found.items()])


def fill(document: str, results: Results) -> str:
    """Return a document with its tables as they were measured, and its words as they are.

    A table for which something was not measured stays as it is.
    """
    tables = {
        name: f"**{each['title']}**: `{each['command']}`\n\n{markdown(each['rows'])}"
        for name, each in results.items()
    }
    if is_complete(results):
        tables["environment"] = environment(results)
        tables["in-short"] = in_short(results)
    return BLOCK.sub(
        lambda block: (
            f"{block['start']}{tables[block['name']]}\n" if block["name"] in tables else block[0]
        ),
        document,
    )


def write() -> None:
    results = read(MEASURED)
    for document in (RESULTS, SPEED):
        document.write_text(fill(document.read_text(), results))


if __name__ == "__main__":
    write()
