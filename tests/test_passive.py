"""Calls that do not count as activity: they prolong no session, and hide no thief."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from session_auth.models import EndedSession, Session
from tests.api_client import AUTH, ApiClient, signed_in
from tests.clock import NOON
from tests.storing import SessionStore

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def timeout() -> Iterator[None]:
    with override_settings(SESSION_AUTH_IDLE_TIMEOUT=HOUR):
        yield


def is_logged_in(browser: ApiClient) -> bool:
    return bool(browser.get("/api/private/").status_code == 200)


THIEF: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.66", "HTTP_USER_AGENT": "Thief/1"}

PASSIVE: dict[str, Callable[[ApiClient], Any]] = {
    "a header": lambda b: b.get("/api/private/", headers={"Session-Activity": "passive"}),
    "a prefetch": lambda b: b.get("/page/", headers={"Sec-Purpose": "prefetch"}),
    "a prerender": lambda b: b.get("/page/", headers={"Sec-Purpose": "prefetch;prerender"}),
    "a view": lambda b: b.get("/api/passive/"),
    "an async view": lambda b: b.get("/api/passive-async/"),
}


@pytest.mark.parametrize("call", PASSIVE.values(), ids=PASSIVE)
def test_a_passive_request_makes_nothing_last_longer_and_writes_nothing(
    clock: Any,
    browser: ApiClient,
    alice: User,
    django_assert_num_queries: Any,
    call: Callable[[ApiClient], Any],
) -> None:
    """A76, A88"""
    browser.log_in()
    before = Session.objects.values().get()

    for minutes in (20, 40, 59):
        clock.move_to(NOON + minutes * MINUTE)
        with django_assert_num_queries(1):
            assert call(browser).status_code == 200
    assert Session.objects.values().get() == before
    clock.move_to(NOON + HOUR)

    assert not is_logged_in(browser)


def test_what_a_passive_request_writes_is_saved_and_does_not_count(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()
    clock.move_to(NOON + 10 * MINUTE)

    browser.get("/api/note/?a=1", HTTP_SESSION_ACTIVITY="passive", **THIEF)

    row = Session.objects.get()
    assert '"a":"1"' in row.data
    assert (row.last_seen_at, row.expires_at) == (NOON, NOON + HOUR)
    assert (row.ip, row.user_agent) == ("203.0.113.66", "Thief/1")
    assert row.passive_seen_at == NOON + 10 * MINUTE


FROM_ELSEWHERE: dict[str, Callable[[ApiClient], Any]] = {
    "a header": lambda b: b.get("/api/private/", HTTP_SESSION_ACTIVITY="passive", **THIEF),
    "a prefetch": lambda b: b.get("/page/", HTTP_SEC_PURPOSE="prefetch", **THIEF),
    "a view": lambda b: b.get("/api/passive/", **THIEF),
    "an async view": lambda b: b.get("/api/passive-async/", **THIEF),
    "an endpoint": lambda b: b.get(AUTH + "user/", HTTP_SESSION_ACTIVITY="passive", **THIEF),
}


@pytest.mark.parametrize("call", FROM_ELSEWHERE.values(), ids=FROM_ELSEWHERE)
def test_a_passive_request_from_elsewhere_is_seen_and_makes_nothing_last_longer(
    clock: Any,
    browser: ApiClient,
    alice: User,
    django_assert_num_queries: Any,
    call: Callable[[ApiClient], Any],
) -> None:
    browser.log_in()
    before = Session.objects.values().get()

    clock.move_to(NOON + SECOND)
    with django_assert_num_queries(2) as captured:
        assert call(browser).status_code == 200

    assert captured[1]["sql"].startswith("UPDATE")
    assert Session.objects.values().get() == before | {
        "ip": "203.0.113.66",
        "user_agent": "Thief/1",
        "passive_seen_at": NOON + SECOND,
    }
    with django_assert_num_queries(1):
        call(browser)
    clock.move_to(NOON + HOUR)
    assert not is_logged_in(browser)


@pytest.mark.parametrize(
    "there", [{"REMOTE_ADDR": "203.0.113.66"}, {"HTTP_USER_AGENT": "Thief/1"}], ids=["ip", "agent"]
)
def test_one_of_address_and_agent_is_enough(
    clock: Any, browser: ApiClient, alice: User, there: dict[str, Any]
) -> None:
    browser.log_in()

    browser.get("/api/passive/", **there)

    assert Session.objects.get().passive_seen_at == NOON


def test_passive_requests_from_many_places_write_once_a_minute(
    clock: Any, browser: ApiClient, alice: User, django_assert_num_queries: Any
) -> None:
    browser.log_in()
    browser.get("/api/passive/", REMOTE_ADDR="203.0.113.1")

    clock.move_to(NOON + MINUTE - SECOND)
    with django_assert_num_queries(2):
        for address in ("203.0.113.2", "203.0.113.3"):
            browser.get("/api/passive/", REMOTE_ADDR=address)
    assert Session.objects.get().ip == "203.0.113.1"
    clock.move_to(NOON + MINUTE)
    browser.get("/api/passive/", REMOTE_ADDR="203.0.113.2")

    assert Session.objects.get().ip == "203.0.113.2"


def test_of_two_passive_requests_at_once_one_is_written(clock: Any, alice: User) -> None:
    session = SessionStore()
    session.save()
    both = [SessionStore(session.session_key) for _ in range(2)]
    for each, address in zip(both, ("203.0.113.1", "203.0.113.2"), strict=True):
        each.keys()
        each.passive, each.meta = True, {"REMOTE_ADDR": address}

    for each in both:
        each.touch()

    assert Session.objects.get().ip == "203.0.113.1"


def test_a_passive_request_from_a_clock_that_was_ahead_hides_nobody(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()
    Session.objects.update(passive_seen_at=NOON + HOUR)

    browser.get("/api/passive/", **THIEF)

    row = Session.objects.get()
    assert (row.ip, row.passive_seen_at) == ("203.0.113.66", NOON)


def test_activity_after_a_passive_request_is_written_as_ever(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()
    clock.move_to(NOON + MINUTE)
    browser.get("/api/passive/", **THIEF)

    clock.move_to(NOON + MINUTE + SECOND)
    browser.get("/api/private/")

    row = Session.objects.get()
    assert (row.ip, row.last_seen_at) == ("127.0.0.1", NOON + MINUTE + SECOND)
    assert row.expires_at == NOON + MINUTE + SECOND + HOUR


def test_the_list_shows_who_was_there_passively_and_when(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    stolen = signed_in()
    browser.log_in()
    clock.move_to(NOON + 10 * MINUTE)

    stolen.get("/api/passive/", **THIEF)

    other = browser.get(AUTH + "sessions/").json()["sessions"][1]
    assert (other["ip"], other["user_agent"]) == ("203.0.113.66", "Thief/1")
    assert other["last_seen_at"] == "2026-11-24T12:10:00Z"
    assert other["expires_at"] == "2026-11-24T13:00:00Z"


def test_of_a_session_without_a_row_nothing_is_recorded() -> None:
    session = SessionStore()

    session.touch()  # without a database: this test has none

    assert session.info is None


@override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=1))
def test_the_record_of_an_ended_session_tells_it_too(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()
    clock.move_to(NOON + 10 * MINUTE)
    browser.get("/api/passive/", **THIEF)

    browser.log_out()

    kept = EndedSession.objects.get()
    assert (kept.ip, kept.last_seen_at) == ("203.0.113.66", NOON + 10 * MINUTE)
