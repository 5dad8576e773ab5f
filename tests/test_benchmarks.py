"""The arithmetic of the benchmarks, and that they start; what they measure, no test can know."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ratios import parts_added, ratios, spread
from benchmarks.results import (
    BLOCK,
    COMPARED,
    RESULTS,
    SERVERS,
    SPEED,
    STACKS,
    fill,
    in_short,
)
from benchmarks.tables import ROOT, markdown, text

SCRIPTS = [
    path for path in (ROOT / "benchmarks").glob("*.py") if "new_parser(__doc__)" in path.read_text()
]
REQUESTS = [{"subject": name, "of_django_db": part} for part, name in enumerate(COMPARED, 1)]
ANSWERED = [
    {"server": server, "subject": subject, "of_no_auth": part}
    for server in ("gunicorn", "granian")
    for subject, part in (("no auth", 1), ("session_auth", 0.5))
]


def result(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": "A title",
        "command": "python benchmarks/request.py",
        "commit": "abc123",
        "environment": {"Django": "6.1"},
        "rows": rows,
    }


MEASURED = dict.fromkeys(STACKS, result(REQUESTS)) | dict.fromkeys(SERVERS, result(ANSWERED))


def test_what_a_subject_adds_is_compared_round_by_round() -> None:
    rounds = {"open": [10, 20], "django": [50, 100], "ours": [20, 60], "other": [5, 5]}
    bases = {"open": "open", "django": "open", "ours": "open", "other": "other"}

    parts = parts_added(rounds, bases, of="django")

    assert parts == {
        "open": [0, 0],
        "django": [1, 1],
        "ours": [0.25, 0.5],
        "other": [0, 0],
    }


def test_a_ratio_is_to_what_was_measured_in_the_same_round() -> None:
    assert ratios([1, 9], of=[2, 3]) == [0.5, 3]


def test_a_spread_is_the_distance_between_the_quartiles() -> None:
    assert spread([1, 2, 3, 4, 5, 6, 7]) == 4


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234.5, "1,234"),
        (99.7, "100"),
        (42.4, "42"),
        (1.04, "1"),
        (0.2345, "0.23"),
        (0.0, "0"),
        (1_000_000, "1,000,000"),
        (None, ""),
        ("Django db", "Django db"),
    ],
)
def test_a_number_is_shown_with_the_digits_that_mean_something(value: object, shown: str) -> None:
    assert text(value) == shown


def test_rows_become_a_table_with_readable_headings() -> None:
    rows = [{"subject": "no auth", "cpu_us": 54.0}, {"subject": "ours", "cpu_us": 211.0}]

    assert markdown(rows) == (
        "| subject | cpu µs |\n"
        "| ------- | ------ |\n"
        "| no auth | 54     |\n"
        "| ours    | 211    |\n"
    )  # fmt: skip


def test_the_tables_in_short_hold_the_ratios_by_stack_and_by_server() -> None:
    lines = in_short(MEASURED).splitlines()

    cells = [
        [cell.strip(" -") for cell in line.strip("|").split("|")] for line in lines if "|" in line
    ]
    assert cells == [
        ["", *STACKS.values()],
        [""] * 5,
        *([name, *[str(part)] * 4] for part, name in enumerate(COMPARED, 1)),
        ["", "gunicorn", "granian"],
        [""] * 3,
        ["SQLite: session_auth", "0.5", "0.5"],
        ["PostgreSQL: session_auth", "0.5", "0.5"],
    ]


def test_tables_are_written_between_the_words_and_nothing_else_is() -> None:
    document = "Before.\n<!-- make bench: servers -->\n\nold\n<!-- end -->\nAfter.\n"

    assert fill(document, MEASURED) == (
        "Before.\n<!-- make bench: servers -->\n\n"
        f"**A title**: `python benchmarks/request.py`\n\n{markdown(ANSWERED)}\n"
        "<!-- end -->\nAfter.\n"
    )


def test_a_table_for_which_nothing_was_measured_stays_as_it_is() -> None:
    document = "<!-- make bench: in-short -->\n\nold\n<!-- end -->\n"

    assert fill(document, {"servers": result(ANSWERED)}) == document
    assert fill(document, MEASURED) == document.replace("old", in_short(MEASURED))


def test_the_docs_say_of_speed_what_the_results_say() -> None:
    """Its ratios are a block of RESULTS.md, which one run of all benchmarks has written."""
    [told] = BLOCK.finditer(SPEED.read_text())

    assert told["name"] == "in-short"
    assert told["content"].count("\n|") > 10
    assert told[0] in RESULTS.read_text()


def test_the_results_name_no_place_of_the_machine_that_measured() -> None:
    assert not re.search(r"[ `]/\w|localhost", RESULTS.read_text())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_benchmark_starts_and_says_what_it_is_for(script: Path) -> None:
    done = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, check=True
    )

    [question] = re.findall(r'^"""(.*)$', script.read_text(), re.MULTILINE)[:1]
    assert " ".join(question.split()) in " ".join(done.stdout.split())
