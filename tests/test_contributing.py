"""What CONTRIBUTING.md says of modules, layers and tests is what is there."""

import configparser
import re
import tomllib
from pathlib import Path

import pytest

from session_auth.doctor import login, probe, wire
from tests.conftest import FROM_OUTSIDE, OF_REQUESTS, ONCE, SINGLE_TESTS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
PACKAGE = ROOT / "src" / "session_auth"


@pytest.fixture(scope="module")
def tox() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read(ROOT / "tox.ini")
    return parser


def test_the_table_of_times_has_each_environment(tox: configparser.RawConfigParser) -> None:
    [table] = re.findall(r"<!-- make times -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    listed = tox["tox"]["env_list"].split()

    told = re.findall(r"^\| `([\w-]+)` \| \d* \| \d+ \|$", table, re.MULTILINE)
    assert [name for name in listed if name not in told and "django" not in name] == []
    assert [name for name in told if name not in listed] == []


def test_the_table_of_modules_names_each_once() -> None:
    rows = re.findall(r"^\| (`src/session_auth/.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    shown = [
        name for paths, _ in rows for name in re.findall(r"`(?:src/session_auth/)?([^`]+)`", paths)
    ]
    own = {path.name + "/" * path.is_dir() for path in PACKAGE.iterdir() if path.name[:2] != "__"}

    assert sorted(shown) == sorted(own - {"py.typed"})


@pytest.mark.parametrize(
    "folder",
    [
        *("checks", "contrib", "doctor", "engines", "guessing"),
        *("passwords", "sessions", "templatetags"),
    ],
)
def test_its_row_names_each_module_of_a_package_once(folder: str) -> None:
    [holds] = re.findall(rf"^\| `[^|]*\b{folder}/`[^|]* \| (.*) \|$", PAGE, re.MULTILINE)
    shown = re.findall(r"`(\w+\.py)`", holds)
    own = {path.name for path in (PACKAGE / folder).glob("[!_]*.py")}

    elsewhere = {path.name for path in PACKAGE.glob("*.py")} - own
    assert sorted(name for name in shown if name not in elsewhere) == sorted(own)


def test_the_layers_are_those_that_are_checked() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [shown] = re.findall(r"^## Layers\n.*?```\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)

    assert shown.splitlines() == [
        layer.replace(" | ", ", ") for layer in linter["contracts"][0]["layers"]
    ]


def test_each_module_that_runs_in_fewer_places_exists() -> None:
    for name in (*ONCE, *FROM_OUTSIDE, *OF_REQUESTS):
        assert (ROOT / "tests" / f"{name}.py").exists()


def test_each_test_that_runs_in_fewer_places_exists() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))

    assert [name for name in SINGLE_TESTS if f"def {name}(" not in sources] == []


@pytest.mark.parametrize("module", [login, probe, wire])
def test_what_looks_from_outside_has_no_way_to_a_database(module: object) -> None:
    source = Path(str(vars(module)["__file__"])).read_text()

    imported = re.findall(r"^\s*(?:from|import) ([\w.]+)", source, re.MULTILINE)
    assert [name for name in imported if re.search(r"\b(db|models|contrib)\b", name)] == []


def test_a_first_contribution_installs_what_tox_does(tox: configparser.RawConfigParser) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    by_tox = [line for line in tox["testenv"]["deps"].split() if re.fullmatch(r"[\w-]+", line)]

    assert extras["optional-dependencies"]["dev"] == by_tox
