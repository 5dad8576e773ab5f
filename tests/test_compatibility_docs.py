"""docs/compatibility.md tells of the packages that are tried, and of their versions."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "compatibility.md").read_text()
OF_TESTS = {
    "coverage",
    "django",
    "hypothesis",
    "pytest",
    "pytest-django",
    "time-machine",
    "openapi-spec-validator",
    "ocsf-json-schema",
    "schemathesis",
}
TOLD = dict(re.findall(r"^\| `([\w-]+)` \| ([\d.]+) \|", PAGE, re.MULTILINE))


def test_the_versions_are_those_of_the_tests() -> None:
    pins = [(ROOT / name).read_text() for name in ("constraints.txt", "constraints-graphene.txt")]

    assert {f"{name}=={version}" for name, version in TOLD.items()} <= set("\n".join(pins).split())


def test_the_packages_are_those_that_the_tests_have_beside_them() -> None:
    tox = configparser.RawConfigParser()
    tox.read(ROOT / "tox.ini")
    listed = [tox[f"testenv:{name}"]["deps"] for name in ("neighbours", "graphene")]
    installed = set(re.findall(r"^([a-z][\w-]+)", "\n".join(listed), re.MULTILINE))

    assert TOLD.keys() == (installed - OF_TESTS) | {"django-ninja", "djangorestframework"}
