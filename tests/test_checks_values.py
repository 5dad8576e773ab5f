"""Rules for values that are valid, but leave nothing of what a setting is for."""

from datetime import timedelta
from typing import Any

import pytest

from tests.checking import deployed, ids

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"SESSION_AUTH_RECENT_LOGIN": 30 * DAY}, ["session_auth.W116"]),
        ({"SESSION_AUTH_RECENT_LOGIN": HOUR + timedelta(seconds=1)}, ["session_auth.W116"]),
        ({"SESSION_AUTH_RECENT_LOGIN": HOUR}, []),
        ({"SESSION_AUTH_ABSOLUTE_TIMEOUT": 31 * DAY}, ["session_auth.W117"]),
        ({"SESSION_AUTH_ABSOLUTE_TIMEOUT": 30 * DAY}, []),
        ({"SESSION_AUTH_GUESSES_PER_ACCOUNT": 10_000}, ["session_auth.W118"]),
        ({"SESSION_AUTH_GUESSES_PER_ACCOUNT": 21}, ["session_auth.W118"]),
        ({"SESSION_AUTH_GUESSES_PER_ACCOUNT": 20}, []),
        ({"SESSION_AUTH_GUESSES_PER_ADDRESS": 1001}, ["session_auth.W118"]),
        ({"SESSION_AUTH_GUESSES_PER_ADDRESS": 1000}, []),
        ({"SESSION_AUTH_PASSKEY_ORIGINS": ["http://localhost:8000"]}, ["session_auth.W119"]),
        ({"SESSION_AUTH_PASSKEY_ORIGINS": ["https://example.org"]}, []),
        ({}, []),
    ],
)
def test_a_value_that_does_nothing_for_a_site_in_use_is_found(
    change: dict[str, Any], expected: list[str]
) -> None:
    assert deployed(**change) == expected
    assert ids(**change) == []


def test_a_session_of_ten_years_is_found() -> None:
    assert "session_auth.W117" in deployed(SESSION_AUTH_ABSOLUTE_TIMEOUT=3650 * DAY)


def test_values_that_are_not_valid_are_left_to_another_rule() -> None:
    found = deployed(SESSION_AUTH_RECENT_LOGIN="a while")

    assert found == ["session_auth.E006"]
