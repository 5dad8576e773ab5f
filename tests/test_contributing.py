"""What CONTRIBUTING.md says of the tests, and what says where each of them runs."""

import configparser
import re
import tomllib
from pathlib import Path

import pytest

from session_auth.doctor import login, probe, wire
from tests.conftest import FROM_OUTSIDE, ONCE

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def tox() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read(ROOT / "tox.ini")
    return parser


def test_the_table_of_times_has_each_environment(tox: configparser.RawConfigParser) -> None:
    [table] = re.findall(
        r"<!-- make times -->\n(.*?)<!-- end -->", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL
    )
    listed = tox["tox"]["env_list"].split()

    told = re.findall(r"^\| `([\w-]+)` \| \d* \| \d+ \|$", table, re.MULTILINE)
    assert [name for name in listed if name not in told and "django" not in name] == []
    assert [name for name in told if name not in listed] == []


def test_each_module_that_runs_in_fewer_places_exists() -> None:
    for name in (*ONCE, *FROM_OUTSIDE):
        assert (ROOT / "tests" / f"{name}.py").exists()


@pytest.mark.parametrize("module", [login, probe, wire])
def test_what_looks_from_outside_has_no_way_to_a_database(module: object) -> None:
    source = Path(str(vars(module)["__file__"])).read_text()

    imported = re.findall(r"^\s*(?:from|import) ([\w.]+)", source, re.MULTILINE)
    assert [name for name in imported if re.search(r"\b(db|models|contrib)\b", name)] == []


def test_a_first_contribution_installs_what_tox_does(tox: configparser.RawConfigParser) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    by_tox = [line for line in tox["testenv"]["deps"].split() if re.fullmatch(r"[\w-]+", line)]

    assert extras["optional-dependencies"]["dev"] == [n for n in by_tox if n != "coverage"]
