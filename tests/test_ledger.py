"""docs/ledger.toml is whole, and what is made of it is up to date.

That each break is seen by its test is what ``make ledger`` proves, and with a few of them
``make test``.
"""

import ast
import re
from functools import cache
from pathlib import Path

import ledger as script
import pytest
from django.core.checks.security import base as djangos_checks

ROOT = Path(__file__).resolve().parents[1]
LEDGER = script.read()
BREAKS = LEDGER.breaks
IDS = [row.id for row in LEDGER.rows]
DOCTOR = (ROOT / "docs" / "doctor.md").read_text()
DJANGOS = Path(djangos_checks.__file__).read_text()


@cache
def names_in(file: Path) -> set[str]:
    if file.suffix == ".js":
        return set(re.findall(r'^\s+it\("(.*?)",', file.read_text(), re.MULTILINE))
    return {
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def number(requirement: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", requirement)]


def test_each_requirement_stands_there_once_and_in_order() -> None:
    for standard in ("ASVS", "NIST"):
        ids = [row.id for row in LEDGER.rows if row.standard == standard]
        assert len(ids) == len(set(ids)) > 25
        if standard == "ASVS":
            assert ids == sorted(ids, key=number)


def test_each_row_says_what_its_status_needs() -> None:
    for row in LEDGER.rows:
        assert row.status in script.STATUSES, row.id
        assert row.level in ((1, 2, 3) if row.standard == "ASVS" else (0,)), row.id
        assert row.asked, row.id
        if row.status in ("met", "checked"):
            assert row.breaks or row.proved_with or row.page, row.id
        if row.status == "checked":
            assert row.checks or row.facts, row.id
        assert row.project if row.status == "project" else row.done, row.id
        assert not (row.page and not (ROOT / "docs" / row.page).exists()), row.id


def test_what_is_proved_elsewhere_names_rows_that_prove_something() -> None:
    proving = {row.id for row in LEDGER.rows if row.breaks}

    for row in LEDGER.rows:
        assert set(row.proved_with) <= proving, row.id


@pytest.mark.parametrize("number", range(len(BREAKS)))
def test_each_break_finds_its_text_and_its_test(number: int) -> None:
    each = BREAKS[number]

    assert each.applied_to((ROOT / each.file).read_text())
    file, name = each.test.split("::")
    assert name.split("[")[0] in names_in(ROOT / file)


def test_a_text_that_is_not_there_exactly_once_breaks_nothing() -> None:
    for text in ("", "old old"):
        with pytest.raises(ValueError, match=r"1\.1\.1: a\.py has [02] times 'old'"):
            script.Break(file="a.py", old="old", new="", test="", proves=["1.1.1"]).applied_to(text)


def test_a_pattern_finds_its_text_whatever_a_build_calls_it() -> None:
    each = script.Break(
        file="a.js", pattern=r"(\w+)\((\w)\)&&", new=r"\2,", test="", proves=["1.1.1"]
    )

    assert each.applied_to("x=>{m(s)&&t(s)}") == "x=>{s,t(s)}"
    with pytest.raises(ValueError, match=r"has 2 times"):
        each.applied_to("m(s)&&n(s)&&t")


def test_each_check_is_one() -> None:
    for name in {name for row in LEDGER.rows for name in row.checks}:
        if name.startswith("session_auth."):
            assert f"### {name.removeprefix('session_auth.')}\n" in DOCTOR, name
        elif name.startswith("security."):
            assert f'id="{name}"' in DJANGOS, name
        else:
            assert f"| `{name}` |" in DOCTOR, name


def test_the_page_and_what_the_wheel_has_are_made_from_it() -> None:
    """If this fails, run scripts/ledger.py."""
    assert script.PAGE.read_text() == script.page(LEDGER)
    assert script.SHIPPED.read_text() == script.shipped(LEDGER)


def test_the_wheel_has_no_more_than_the_report_needs() -> None:
    shipped = script.SHIPPED.read_text()

    assert len(shipped) < 60_000
    assert "src/session_auth" not in shipped
    assert '"NIST' not in shipped
