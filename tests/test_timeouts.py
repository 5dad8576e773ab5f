"""When a session ends by itself, and what prolongs it."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings

from session_auth.client_info import client_info
from session_auth.middleware import SessionMiddleware
from session_auth.models import Session
from tests.api_client import AUTH, ApiClient
from tests.clock import NOON
from tests.outage import unreachable_database
from tests.storing import SessionStore

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def timeouts() -> Iterator[None]:
    with override_settings(
        SESSION_AUTH_IDLE_TIMEOUT=HOUR, SESSION_AUTH_ABSOLUTE_TIMEOUT=timedelta(hours=8)
    ):
        yield


def is_logged_in(browser: ApiClient, **extra: Any) -> bool:
    return bool(browser.get("/api/private/", **extra).status_code == 200)


# The two ends


def test_a_session_ends_when_it_was_idle_too_long(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()

    clock.move_to(NOON + HOUR - SECOND)
    assert is_logged_in(browser)
    clock.move_to(NOON + HOUR - SECOND + HOUR)
    response = browser.get("/api/private/")

    assert response.json()["code"] == "session_ended"
    assert not response.cookies


def test_a_session_ends_at_its_absolute_end_however_active_it_is(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()

    for hours in range(1, 16):
        clock.move_to(NOON + hours * HOUR / 2)
        assert is_logged_in(browser)
    clock.move_to(NOON + 8 * HOUR - SECOND)
    assert is_logged_in(browser)
    clock.move_to(NOON + 8 * HOUR)

    assert not is_logged_in(browser)


def test_a_session_without_a_user_ends_too(clock: Any, browser: ApiClient) -> None:
    browser.call("POST", "/api/note/?cart=1")

    clock.move_to(NOON + HOUR)

    assert browser.get("/api/note/").json() == {}


@pytest.mark.parametrize("setting", ["IDLE_TIMEOUT", "ABSOLUTE_TIMEOUT"])
def test_a_shorter_timeout_counts_for_sessions_that_began_before(
    clock: Any, browser: ApiClient, alice: User, setting: str
) -> None:
    browser.log_in()
    clock.move_to(NOON + 10 * MINUTE)

    with override_settings(**{f"SESSION_AUTH_{setting}": 10 * MINUTE}):
        assert not is_logged_in(browser)


@pytest.mark.parametrize("remember", [None, True])
def test_activity_moves_no_absolute_timeout_that_became_shorter(
    clock: Any, browser: ApiClient, alice: User, remember: bool | None
) -> None:
    browser.log_in(more={} if remember is None else {"remember": remember})
    for minutes in (4, 9):
        clock.move_to(NOON + minutes * MINUTE)
        assert is_logged_in(browser)
    clock.move_to(NOON + 10 * MINUTE)

    with override_settings(SESSION_AUTH_ABSOLUTE_TIMEOUT=10 * MINUTE):
        assert not is_logged_in(browser)


@pytest.mark.parametrize(
    ("setting", "remember"),
    [("IDLE_TIMEOUT", False), ("ABSOLUTE_TIMEOUT", False), ("ABSOLUTE_TIMEOUT", True)],
)
def test_a_shorter_timeout_counts_for_sessions_with_an_expiry_of_their_own(
    clock: Any, browser: ApiClient, alice: User, setting: str, remember: bool
) -> None:
    with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=remember):
        browser.log_in(more={"remember": remember})
    clock.move_to(NOON + 10 * MINUTE)

    with override_settings(**{f"SESSION_AUTH_{setting}": 10 * MINUTE}):
        assert not is_logged_in(browser)


@override_settings(SESSION_AUTH_IDLE_TIMEOUT=None, SESSION_COOKIE_AGE=120)
def test_without_a_setting_the_idle_timeout_is_djangos_age_of_the_cookie(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()

    clock.move_to(NOON + 2 * MINUTE)

    assert not is_logged_in(browser)


# Activity


def test_activity_is_written_once_a_minute_with_one_statement_and_no_cookie(
    clock: Any, browser: ApiClient, alice: User, django_assert_num_queries: Any
) -> None:
    browser.log_in()
    read = 1

    clock.move_to(NOON + MINUTE - SECOND)
    with django_assert_num_queries(read):
        browser.get("/api/private/")
    assert Session.objects.get().last_seen_at == NOON
    clock.move_to(NOON + MINUTE)
    with django_assert_num_queries(read + 1):
        response = browser.get("/api/private/")

    assert not response.cookies
    row = Session.objects.get()
    assert row.last_seen_at == NOON + MINUTE
    assert row.expires_at == NOON + MINUTE + HOUR
    assert row.version == 0


@override_settings(SESSION_AUTH_LAST_SEEN_INTERVAL=HOUR / 2)
def test_how_often_activity_is_written_is_a_setting(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()

    clock.move_to(NOON + HOUR / 2 - SECOND)
    browser.get("/api/private/")

    assert Session.objects.get().last_seen_at == NOON


def test_a_view_that_does_not_look_at_the_session_is_no_activity(
    clock: Any, browser: ApiClient, alice: User, django_assert_num_queries: Any
) -> None:
    browser.log_in()
    clock.move_to(NOON + 10 * MINUTE)

    with django_assert_num_queries(0):
        browser.get("/page/untouched/")


@pytest.mark.parametrize("value", ["active", "", "PASSIVE", "passive, passive"])
def test_anything_else_in_the_header_is_activity(
    clock: Any, browser: ApiClient, alice: User, value: str
) -> None:
    browser.log_in()
    clock.move_to(NOON + 10 * MINUTE)

    browser.get("/api/private/", headers={"Session-Activity": value})

    assert Session.objects.get().last_seen_at == NOON + 10 * MINUTE


def test_a_clock_that_was_ahead_makes_no_session_last_longer(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    """A75"""
    browser.log_in()
    Session.objects.update(last_seen_at=NOON + HOUR, expires_at=NOON + 2 * HOUR)

    clock.move_to(NOON + SECOND)
    assert is_logged_in(browser)
    row = Session.objects.get()
    assert row.last_seen_at == NOON + SECOND
    assert row.expires_at == NOON + SECOND + HOUR
    clock.move_to(NOON + SECOND + HOUR)

    assert not is_logged_in(browser)


def test_a_passive_call_is_told_no_end_that_a_clock_ahead_made(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()
    Session.objects.update(last_seen_at=NOON + HOUR, expires_at=NOON + 2 * HOUR)

    passive = {"Session-Activity": "passive"}
    session = browser.get(AUTH + "user/", headers=passive).json()["session"]

    assert session["idle_expires_at"] == "2026-11-24T13:00:00Z"


def test_a_touch_does_not_bring_an_ended_session_back(clock: Any) -> None:
    session = SessionStore()
    session.save()
    late = SessionStore(session.session_key)
    late.keys()
    session.flush()
    clock.move_to(NOON + 10 * MINUTE)

    late.touch()

    assert Session.objects.count() == 0


def test_a_session_without_a_row_has_nothing_to_touch(django_assert_num_queries: Any) -> None:
    session = SessionStore()

    with django_assert_num_queries(0):
        session.touch()
    assert session.deadlines() is None


@pytest.mark.django_db(transaction=True)
def test_an_answer_is_good_even_if_the_activity_cannot_be_written(
    clock: Any, rf: RequestFactory
) -> None:
    session = SessionStore()
    session["a"] = 1
    session.save()
    clock.move_to(NOON + 10 * MINUTE)
    request = rf.get("/", headers={"Cookie": f"sessionid={session.session_key}"})

    with ExitStack() as after_the_view:

        def view(request: HttpRequest) -> HttpResponse:
            assert request.session["a"] == 1
            after_the_view.enter_context(unreachable_database())
            return HttpResponse("Good")

        response: Any = SessionMiddleware(view)(request)

    assert response.status_code == 200


# set_expiry()


def test_seconds_are_an_idle_timeout_of_the_sessions_own(clock: Any) -> None:
    session = SessionStore()
    session.set_expiry(600)
    session.save()

    clock.move_to(NOON + 9 * MINUTE)
    session.touch()

    assert Session.objects.get().expires_at == NOON + 19 * MINUTE


def test_a_fixed_end_does_not_move(clock: Any) -> None:
    session = SessionStore()
    session.set_expiry(NOON + 2 * HOUR)
    session.save()

    clock.move_to(NOON + HOUR)
    session.touch()

    row = Session.objects.get()
    assert (row.last_seen_at, row.expires_at) == (NOON + HOUR, NOON + 2 * HOUR)
    clock.move_to(NOON + 2 * HOUR)
    assert not session.exists(session.session_key)


@pytest.mark.parametrize("expiry", [1_000_000, timedelta(days=400)])
def test_no_expiry_of_its_own_takes_a_session_past_the_absolute_end(
    clock: Any, expiry: Any
) -> None:
    session = SessionStore()
    session.set_expiry(expiry)
    session.save()

    assert Session.objects.get().expires_at == NOON + 8 * HOUR


# What the client sees


def test_user_tells_both_ends_as_they_are_after_the_call(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()
    clock.move_to(NOON + 10 * MINUTE)

    session = browser.get(AUTH + "user/").json()["session"]

    assert session["idle_expires_at"] == "2026-11-24T13:10:00Z"
    assert session["absolute_expires_at"] == "2026-11-24T20:00:00Z"
    assert session["expires_at"] == session["idle_expires_at"]


def test_user_tells_the_end_that_a_passive_call_leaves(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()
    clock.move_to(NOON + 10 * MINUTE)

    passive = {"Session-Activity": "passive"}
    session = browser.get(AUTH + "user/", headers=passive).json()["session"]

    assert session["idle_expires_at"] == "2026-11-24T13:00:00Z"


def test_a_fixed_end_is_told_as_such(clock: Any, browser: ApiClient, alice: User) -> None:
    browser.log_in()
    session = browser.session
    session.set_expiry(NOON + 2 * HOUR)
    session.save()

    told = browser.get(AUTH + "user/").json()["session"]

    assert told["idle_expires_at"] is None
    assert told["absolute_expires_at"] == told["expires_at"] == "2026-11-24T14:00:00Z"


def test_a_cookie_that_outlives_the_browser_lasts_until_the_absolute_end(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    response = browser.log_in(more={"remember": True})

    assert response.cookies["sessionid"]["max-age"] == 8 * 60 * 60


@pytest.mark.parametrize("remember", [True, False, None])
@pytest.mark.parametrize("at_browser_close", [True, False])
def test_to_be_remembered_changes_no_timeout(
    clock: Any, browser: ApiClient, alice: User, remember: bool | None, at_browser_close: bool
) -> None:
    with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=at_browser_close):
        browser.log_in(more={} if remember is None else {"remember": remember})

    assert Session.objects.get().expires_at == NOON + HOUR


# Who was seen


def test_the_row_knows_the_client_that_was_seen_last(
    clock: Any, browser: ApiClient, alice: User
) -> None:
    browser.log_in()
    before = Session.objects.get()
    clock.move_to(NOON + 10 * MINUTE)
    browser.get("/api/private/", REMOTE_ADDR="2001:db8::1", headers={"User-Agent": "Lynx/2.9"})

    after = Session.objects.get()
    assert (before.ip, before.user_agent) == ("127.0.0.1", "")
    assert (after.ip, after.user_agent) == ("2001:db8::1", "Lynx/2.9")


@pytest.mark.parametrize(
    ("address", "ip"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:0DB8:0000::0001", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        ("unix:", ""),
        ("192.0.2.1, 192.0.2.2", ""),
    ],
)
def test_an_address_is_one_or_nothing(address: str, ip: str) -> None:
    assert client_info({"REMOTE_ADDR": address}).ip == ip


def test_an_address_that_a_client_claims_is_not_believed() -> None:
    meta = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "198.51.100.1"}

    assert client_info(meta).ip == "192.0.2.1"


def test_a_user_agent_is_cut_and_fit_for_every_database(browser: ApiClient, alice: User) -> None:
    assert client_info({"HTTP_USER_AGENT": "a\0b" + "x" * 500}).user_agent == "ab" + "x" * 298
