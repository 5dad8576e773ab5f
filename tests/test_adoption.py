"""Switching a running site from Django's engines logs nobody out."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends import cache, cached_db, db, signed_cookies
from django.contrib.sessions.models import Session as OldSession
from django.core.cache import caches
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection
from django.db.models import QuerySet
from django.test import Client, override_settings

from session_auth.backends import ModelBackend
from session_auth.keys import digest
from session_auth.models import AdoptedSession, Session
from session_auth.sessions import adoption, end_all_sessions, end_session, end_sessions
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of
from tests.storing import SessionStore
from tests.test_races import at_once

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
ENGINES = {"db": db, "cached_db": cached_db, "cache": cache, "signed_cookies": signed_cookies}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    module = ENGINES[request.param]
    caches["default"].clear()
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
    assert engine.SessionStore(browser.session_key()).load()["cart"] == 3  # for the way back


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
    with time_machine.travel(NOON + timedelta(days=14, seconds=1), tick=False):
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
    has_table = issubclass(engine.SessionStore, db.SessionStore)
    owner, name = (QuerySet, "first") if has_table else (engine.SessionStore, "load")
    original = getattr(owner, name)
    overtaken: list[str] = []

    def found_and_overtaken(self: Any) -> Any:
        found = original(self)
        if not overtaken:
            overtaken.append("once")
            browser.log_out()
        return found

    key = browser.session_key()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, found_and_overtaken)
        late = SessionStore(key)
        assert late.load() == {}

    assert overtaken
    assert Session.objects.count() == 0


# The way back: whoever was signed in before the switch is so after it, unless they have logged out


def gone_back(engine: Any) -> Any:
    middleware = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    return override_settings(
        MIDDLEWARE=middleware, SESSION_ENGINE=engine.__name__, SESSION_AUTH_ADOPT_FROM=None
    )


def name_at(browser: ApiClient) -> str | None:
    name: str | None = browser.get("/api/private/").json().get("username")
    return name


def test_going_back_loses_nobody(engine: Any, alice: User) -> None:
    browser, idle = old_login(engine, alice), old_login(engine, alice, n=1)
    assert name_at(browser) == "alice"

    with gone_back(engine):
        assert (name_at(browser), name_at(idle)) == ("alice", "alice")
    assert name_at(browser) == "alice"


ENDS = {
    "a logout": lambda browser, alice: browser.log_out(),
    "a login": lambda browser, alice: browser.log_in(),
    "a proof": lambda browser, alice: browser.call(
        "POST", AUTH + "reauthenticate/", {"password": PASSWORD}
    ),
    "from the list": lambda browser, alice: end_session(alice, id_of(browser)),
    "all of the user": lambda browser, alice: end_sessions(alice),
    "everybody's": lambda browser, alice: end_all_sessions(),
    "a new password": lambda browser, alice: change_password(alice),
}


def change_password(user: User) -> None:
    user.set_password("a password of today")
    user.save()


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_has_ended_is_not_alive_after_going_back(engine: Any, alice: User, end: Any) -> None:
    browser = old_login(engine, alice)
    key = browser.session_key()
    assert browser.user() is not None

    end(browser, alice)
    browser.cookies["sessionid"] = key

    assert OldSession.objects.count() == 0
    assert browser.user() is None
    if engine is not signed_cookies:  # a signed cookie cannot be taken back
        with gone_back(engine):
            assert name_at(browser) is None
    assert browser.user() is None


@pytest.mark.django_db(transaction=True)
@override_settings(SESSION_AUTH_ADOPT_FROM=db.__name__)
def test_a_logout_whose_view_fails_ends_the_old_row_too(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    browser = old_login(db, alice)
    key = browser.session_key()
    browser.raise_request_exception = False

    assert browser.get("/api/logout-and-fail/").status_code == 500

    browser.cookies["sessionid"] = key
    assert browser.user() is None
    assert OldSession.objects.count() == 0


def test_the_last_of_many_is_forgotten_too(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "BATCH_ROWS", 2)
    with override_settings(SESSION_AUTH_ADOPT_FROM=db.__name__):
        for _ in range(5):
            old_login(db, alice).user()

        end_sessions(alice)

    assert OldSession.objects.count() == 0


# Backends


class Stricter(ModelBackend):
    """Stands for the backend by which a project has replaced another."""


DJANGOS_BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.mark.parametrize(
    ("before", "after", "is_kept"),
    [
        (DJANGOS_BACKEND, ["session_auth.backends.ModelBackend"], True),
        (DJANGOS_BACKEND, [f"{__name__}.Stricter"], True),
        (DJANGOS_BACKEND, ["django.contrib.auth.backends.RemoteUserBackend"], True),
        ("django.contrib.auth.backends.RemoteUserBackend", [DJANGOS_BACKEND], False),
        ("gone.Backend", [DJANGOS_BACKEND], False),
    ],
)
@override_settings(SESSION_AUTH_ADOPT_FROM=db.__name__)
def test_a_session_goes_on_by_the_backend_that_has_replaced_its_own(
    alice: User, before: str, after: list[str], is_kept: bool
) -> None:
    with override_settings(AUTHENTICATION_BACKENDS=[before]):
        browser = old_login(db, alice)

    with override_settings(AUTHENTICATION_BACKENDS=after):
        assert (browser.user() is not None) is is_kept


# The name of the cookie


NAMED = override_settings(
    SESSION_COOKIE_NAME="__Host-sessionid",
    SESSION_COOKIE_SECURE=True,
    SESSION_AUTH_ADOPT_FROM=db.__name__,
)


@NAMED
def test_the_cookie_is_found_under_its_old_name_and_sent_under_the_new(alice: User) -> None:
    browser = old_login(db, alice)

    response = browser.get(AUTH + "user/", secure=True)

    assert response.json()["user"]["username"] == "alice"
    [name] = response.cookies
    morsel = response.cookies[name]
    assert (name, morsel.value) == ("__Host-sessionid", browser.cookies["sessionid"].value)
    assert (morsel["secure"], morsel["httponly"]) == (True, True)
    assert not browser.get(AUTH + "user/", secure=True).cookies
    with override_settings(SESSION_AUTH_ADOPT_FROM=None):
        assert browser.get(AUTH + "user/", secure=True).json()["user"] is not None


@NAMED
def test_a_logout_expires_both_cookies_and_a_late_one_opens_nothing(alice: User) -> None:
    browser = old_login(db, alice)
    key = browser.session_key()
    browser.get(AUTH + "csrf/", secure=True)

    headers = {"Referer": "https://testserver/"}
    response = browser.call("POST", AUTH + "logout/", secure=True, headers=headers)

    assert response.status_code == 200
    assert {name: morsel["max-age"] for name, morsel in response.cookies.items()} == {
        "sessionid": 0,
        "__Host-sessionid": 0,
    } | {name: morsel["max-age"] for name, morsel in response.cookies.items() if "csrf" in name}
    thief = ApiClient()
    thief.cookies["sessionid"] = key
    assert thief.get(AUTH + "user/", secure=True).json() == {"user": None}


@NAMED
def test_the_new_name_goes_before_the_old(alice: User, bob: User) -> None:
    browser, bobs = old_login(db, alice), old_login(db, bob)
    browser.get(AUTH + "user/", secure=True)
    browser.cookies["sessionid"] = bobs.session_key()

    assert browser.get(AUTH + "user/", secure=True).json()["user"]["username"] == "alice"


@NAMED
def test_an_old_cookie_that_stands_twice_is_refused(alice: User) -> None:
    key = old_login(db, alice).session_key()

    response = Client(headers={"Cookie": f"sessionid={key}; sessionid={'x' * 32}"}).get(
        AUTH + "user/", secure=True
    )

    assert response.status_code == 400


@NAMED
def test_an_old_cookie_that_opens_nothing_is_left_alone() -> None:
    browser = ApiClient()
    browser.cookies["sessionid"] = "x" * 32

    response = browser.get(AUTH + "user/", secure=True)

    assert response.json() == {"user": None}
    assert not response.cookies


@pytest.mark.parametrize(
    "settings", [{"SESSION_AUTH_ADOPT_FROM": None}, {"SESSION_AUTH_ADOPT_COOKIE": "sid"}]
)
def test_no_other_name_is_read(alice: User, settings: dict[str, Any]) -> None:
    browser = old_login(db, alice)

    with NAMED, override_settings(**settings):
        assert browser.get(AUTH + "user/", secure=True).json() == {"user": None}


def test_the_notes_go_when_the_switch_is_over(engine: Any, alice: User) -> None:
    old_login(engine, alice).user()

    call_command("prune_sessions")
    assert AdoptedSession.objects.count() == 1
    assert str(AdoptedSession.objects.get()) == Session.objects.get().id

    with override_settings(SESSION_AUTH_ADOPT_FROM=None):
        call_command("prune_sessions")
    assert AdoptedSession.objects.count() == 0


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
