"""The doctor, and its report for an audit, where the factors are installed."""

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from tests.test_doctor_audit import report, row
from tests.test_doctor_command import found

pytestmark = pytest.mark.django_db

BOTH = [
    "session_auth.factors.stages.SecondFactor",
    "session_auth.factors.setup_stage.SetUpFactor",
]


def test_a_migration_of_theirs_that_is_missing_is_a_finding() -> None:
    MigrationRecorder(connection).record_unapplied("session_auth_factors", "0001_initial")

    [finding] = found("migrations", "guesses")

    assert finding["seen"] == "session_auth_factors.0001_initial not applied"


def test_what_factors_do_is_met() -> None:
    told = {each["id"]: each for each in report()["requirements"]}

    for name in ("6.5.1", "6.5.3", "6.5.4", "6.6.2", "6.6.3", "11.6.1"):
        assert told[name]["status"] == "met", name
        assert any("fail when it is broken" in text for text in told[name]["evidence"]), name
    assert told["6.5.5"]["status"] == "not met"
    # Codes that were taken over from another package may be shorter.
    assert told["6.5.2"]["status"] == told["6.4.4"]["status"] == "to answer"


@pytest.mark.parametrize(
    ("settings", "status", "seen"),
    [
        ({}, "not met", "session_auth.factors is installed, but nobody must have a second factor."),
        (
            {"SESSION_AUTH_REQUIRE_FACTOR": "shop.rules.required"},
            "not met",
            "session_auth.factors is installed, but nobody must have a second factor.",
        ),
        (
            {"SESSION_AUTH_REQUIRE_FACTOR": "shop.rules.required", "SESSION_AUTH_STAGES": BOTH},
            "to answer",
            (
                "session_auth.factors is installed; shop.rules.required() says who must have a "
                "second factor."
            ),
        ),
    ],
)
def test_a_factor_that_nobody_must_have_is_none(
    settings: dict[str, Any], status: str, seen: str
) -> None:
    told = row("6.3.3", **settings)

    assert told["status"] == status
    assert seen in told["evidence"]
