"""What JavaScript reads: the right instant in every zone, and no number that it rounds."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from session_auth.http import json_response
from tests.api_client import AUTH, ApiClient

BIG = 2**60 + 1


def encoded(data: Any) -> Any:
    return json.loads(json_response({"data": data}).content)["data"]


@pytest.fixture
def berlin() -> Iterator[None]:
    """The clock of a server in Berlin whose project has ``USE_TZ = False``."""
    with override_settings(USE_TZ=False, TIME_ZONE="Europe/Berlin"):  # which sets the process's
        yield


@pytest.mark.parametrize(
    ("naive", "told"),
    [
        (datetime(2026, 1, 1, 12), "2026-01-01T11:00:00Z"),
        (datetime(2026, 7, 1, 12), "2026-07-01T10:00:00Z"),
        (datetime(2026, 10, 25, 2, 30, fold=0), "2026-10-25T00:30:00Z"),
        (datetime(2026, 10, 25, 2, 30, fold=1), "2026-10-25T01:30:00Z"),
    ],
)
def test_a_time_without_an_offset_is_told_in_utc(berlin: None, naive: datetime, told: str) -> None:
    assert encoded([naive]) == [told]


def test_a_time_that_says_its_offset_keeps_it() -> None:
    zone = timezone.get_fixed_timezone(120)

    assert encoded(datetime(2026, 7, 1, 12, tzinfo=UTC)) == "2026-07-01T12:00:00Z"
    assert encoded(datetime(2026, 7, 1, 12, tzinfo=zone)) == "2026-07-01T12:00:00+02:00"


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (2**53 - 1, 2**53 - 1),
        (2**53, str(2**53)),
        (-(2**53), str(-(2**53))),
        (True, True),
        (1.5, 1.5),
        ([float("nan"), float("inf")], [None, None]),
        ({"a": [{"b": (BIG, 1)}]}, {"a": [{"b": [str(BIG), 1]}]}),
    ],
)
def test_a_number_that_javascript_would_not_read_as_it_is_becomes_another_value(
    number: Any, told: Any
) -> None:
    assert encoded(number) == told


@pytest.mark.django_db
def test_every_time_of_an_answer_says_when_it_is(
    berlin: None, browser: ApiClient, alice: User
) -> None:
    browser.log_in()

    session = browser.get(AUTH + "user/").json()["session"]
    listed = browser.get(AUTH + "sessions/").json()["sessions"][0]

    times = {
        **{name: value for name, value in (session | listed).items() if name.endswith("_at")},
        **session["methods"],
    }
    assert len(times) == 7
    assert all(value.endswith("Z") for value in times.values()), times
    left = datetime.fromisoformat(session["idle_expires_at"]) - datetime.now(UTC)
    assert timedelta(days=13, hours=22) < left < timedelta(days=14, hours=2)


def with_big_id(user: User) -> dict[str, Any]:
    return {"id": BIG}  # as of a key that the tables of the tests have no room for


@pytest.mark.django_db
@override_settings(SESSION_AUTH_USER_FIELDS=f"{__name__}.with_big_id")
def test_the_id_of_a_user_is_exact_at_each_endpoint(browser: ApiClient, alice: User) -> None:
    assert browser.log_in().json()["user"] == {"id": str(BIG)}
    assert browser.user() == {"id": str(BIG)}
