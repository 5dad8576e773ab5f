"""Switching a running site from Django's engines logs nobody out."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends import cached_db, db
from django.contrib.sessions.models import Session as OldSession
from django.core.checks import run_checks
from django.test import override_settings

from session_auth.engines.database import SessionStore
from session_auth.keys import digest
from session_auth.models import Session
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.test_races import at_once

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ENGINES = {"db": db, "cached_db": cached_db}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    module = ENGINES[request.param]
    with override_settings(SESSION_AUTH_ADOPT_FROM=module.__name__):
        yield module


def old_login(engine: Any, user: User, **data: object) -> ApiClient:
    """Return a browser that has logged in before the switch."""
    session = engine.SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.update(data)
    session.save()
    browser = ApiClient()
    browser.cookies["sessionid"] = session.session_key
    return browser


def test_a_session_is_taken_over_with_its_cookie_and_its_data(engine: Any, alice: User) -> None:
    browser = old_login(engine, alice, cart=3)

    response = browser.get(AUTH + "user/")

    assert response.json()["user"] == {"id": alice.pk, "username": "alice"}
    assert not response.cookies
    assert browser.get("/api/note/").json()["cart"] == 3
    row = Session.objects.get()
    assert (row.id, row.user) == (digest(browser.session_key()), alice)
    assert OldSession.objects.count() == 0
    assert engine.SessionStore(browser.session_key()).load() == {}


def test_a_session_that_was_taken_over_outlives_the_setting(engine: Any, alice: User) -> None:
    browser = old_login(engine, alice)
    browser.user()

    with override_settings(SESSION_AUTH_ADOPT_FROM=None):
        assert browser.user() is not None


def test_without_the_setting_nothing_is_taken_over(alice: User) -> None:
    browser = old_login(db, alice)

    assert browser.user() is None
    assert OldSession.objects.count() == 1


def test_a_session_whose_time_was_up_is_not_taken_over(engine: Any, alice: User) -> None:
    with time_machine.travel(NOON, tick=False):
        browser = old_login(engine, alice)
    with time_machine.travel(NOON + timedelta(days=14), tick=False):
        assert browser.user() is None

    assert Session.objects.count() == 0


def test_an_old_login_is_not_a_recent_one(engine: Any, alice: User) -> None:
    browser = old_login(engine, alice)

    assert browser.get("/api/recent/").json()["code"] == "reauthentication_required"
    assert browser.get(AUTH + "user/").json()["session"]["methods"] == {}
    browser.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})
    assert browser.get("/api/recent/").status_code == 200


def test_a_logout_as_the_first_request_ends_the_session(engine: Any, alice: User) -> None:
    browser = old_login(engine, alice)
    key = browser.session_key()

    browser.log_out()

    browser.cookies["sessionid"] = key
    assert browser.user() is None
    assert (Session.objects.count(), OldSession.objects.count()) == (0, 0)


def test_a_login_as_the_first_request_ends_the_old_session(engine: Any, alice: User) -> None:
    browser = old_login(engine, alice, planted=True)
    key = browser.session_key()

    browser.log_in()

    assert Session.objects.get().id == digest(browser.session_key())
    thief = ApiClient()
    thief.cookies["sessionid"] = key
    assert thief.user() is None


def test_deleting_a_session_that_was_not_taken_over_yet_deletes_it(
    engine: Any, alice: User
) -> None:
    browser = old_login(engine, alice)

    SessionStore().delete(browser.session_key())

    assert browser.user() is None
    assert OldSession.objects.count() == 0


def test_flushing_a_session_that_was_not_taken_over_yet_ends_it(engine: Any, alice: User) -> None:
    browser = old_login(engine, alice)

    SessionStore(browser.session_key()).flush()

    assert browser.user() is None
    assert (Session.objects.count(), OldSession.objects.count()) == (0, 0)


def test_a_session_that_has_ended_here_is_not_taken_over_again(
    engine: Any, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request found the old row before another took the session over and logged out."""
    browser = old_login(engine, alice)
    first = OldSession.objects.filter().first
    overtaken: list[str] = []

    def found_and_overtaken(rows: Any) -> Any:
        row = first()
        if not overtaken:
            overtaken.append("once")
            browser.log_out()
        return row

    key = browser.session_key()
    with monkeypatch.context() as patch:
        patch.setattr("django.db.models.query.QuerySet.first", found_and_overtaken)
        late = SessionStore(key)
        assert late.load() == {}

    assert Session.objects.count() == 0


@pytest.mark.parametrize("junk", ["a" * 32, "x" * 40, "short"])
def test_an_unknown_cookie_is_anonymous_all_the_same(engine: Any, junk: str) -> None:
    browser = ApiClient()
    browser.cookies["sessionid"] = junk

    response = browser.get(AUTH + "user/")

    assert response.json() == {"user": None}
    assert not response.cookies
    assert Session.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_requests_at_once_take_a_session_over_once(engine: Any, alice: User) -> None:
    key = old_login(engine, alice, cart=3).session_key()

    carts = at_once(*[lambda: SessionStore(key).load().get("cart")] * 8)

    assert carts == [3] * 8
    assert Session.objects.count() == 1


def test_a_check_reminds_of_the_setting(engine: Any) -> None:
    assert [m.id for m in run_checks() if str(m.id).startswith("session_auth")] == [
        "session_auth.I001"
    ]
