"""The page about the doctor names each thing that can be found, and nothing else."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from session_auth import checks
from session_auth.checks import password_rules
from session_auth.doctor import probe
from tests.api_client import PASSWORD
from tests.doctor_site import SETTINGS, call, served

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "doctor.md").read_text()
SOURCES = sorted(Path(checks.__file__).parent.glob("*.py"))


def ids_in_the_code() -> list[str]:
    return [
        found_id
        for source in SOURCES
        for found_id in re.findall(r'id="session_auth\.(\w+)"', source.read_text())
    ]


def test_every_check_has_a_heading_and_every_heading_a_check() -> None:
    headings = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)

    assert len(headings) == len(set(headings))
    # W003 and the like: a rule, an id.
    assert sorted(ids_in_the_code()) == sorted(headings)
    assert len(checks.ALWAYS) + len(checks.DATABASE) + len(checks.DEPLOY) == len(headings)


def test_the_number_says_whether_a_check_is_one_of_a_deployment() -> None:
    every = (*checks.ALWAYS, *checks.DATABASE, *checks.DEPLOY)
    names = {function.__name__: function for function in every}
    by_name = {
        name: found_id
        for source in SOURCES
        for name, found_id in re.findall(
            r'^def (\w+)\((?:(?!^def ).)*?id="session_auth\.(\w+)"',
            source.read_text(),
            re.DOTALL | re.MULTILINE,
        )
    }

    assert set(by_name) == set(names)
    assert {name for name, found_id in by_name.items() if int(found_id[1:]) > 100} == {
        function.__name__ for function in checks.DEPLOY
    }


@pytest.mark.django_db(transaction=True)
def test_every_finding_is_in_a_table_and_the_other_way_round(
    certificate: Path, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSION_DOCTOR_PASSWORD", PASSWORD)
    with (
        override_settings(**SETTINGS, SESSION_AUTH_KEEP_ENDED=timedelta(days=1)),
        served(certificate) as url,
    ):
        findings = call(url=url, ca=str(certificate), username="alice")

    told = re.findall(r"^\| `([a-z][a-z.-]+)` \|", PAGE, re.MULTILINE)
    ids = [f["id"] for f in findings if not re.search(r"\.[EWI]\d+$", f["id"])]
    # A sentence tells of it, since it is found with a bus alone: on PostgreSQL, or with Redis.
    assert "`bus`" in PAGE
    assert told == [each for each in ids if each != "bus"]


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"less than {password_rules.PBKDF2_ITERATIONS} iterations" in PAGE
    assert f"less than {password_rules.MIN_LENGTH} characters" in PAGE
    assert password_rules.RESET_SECONDS == 86400
    assert (
        f"apart (a warning above {probe.SKEW_WARN_SECONDS} seconds, a failure above 5 min" in PAGE
    )
    assert probe.SKEW_FAIL_SECONDS == 5 * 60
    assert "valid for two more weeks" in PAGE
    assert probe.CERTIFICATE_SECONDS == 2 * 7 * 86400
