"""manage.py session_adopt, and the checks that keep a switch from signing people out."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends import cache, cached_db, db
from django.contrib.sessions.models import Session as OldSession
from django.core.cache import caches
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.test import override_settings

from session_auth.management import edits
from session_auth.models import AdoptedSession
from tests.checking import ids
from tests.settings import INSTALLED_APPS, MIDDLEWARE
from tests.test_adoption import DJANGOS_BACKEND, old_login

pytestmark = pytest.mark.django_db
DJANGOS = "django.contrib.sessions.backends."
OURS = "session_auth.backends.ModelBackend"
REMOTE = "django.contrib.auth.backends.RemoteUserBackend"
BEFORE = {f"session_auth.middleware.{name}": path for path, name in edits.MIDDLEWARE.items()}
urlpatterns: list[Any] = []


@pytest.fixture
def before() -> Iterator[None]:
    """The project as it was before the switch."""
    with override_settings(
        MIDDLEWARE=[BEFORE.get(path, path) for path in MIDDLEWARE],
        SESSION_ENGINE=DJANGOS + "cached_db",
        SESSION_COOKIE_NAME="shop",
        SESSION_SAVE_EVERY_REQUEST=True,
        AUTHENTICATION_BACKENDS=[REMOTE, DJANGOS_BACKEND],
        ROOT_URLCONF=__name__,
    ):
        yield


def told(capsys: Any, *options: str) -> list[str]:
    call_command("session_adopt", *options)
    return [line for line in capsys.readouterr().out.splitlines() if line]


def errors(*databases: str) -> list[str]:
    """Return the ids of the errors that ``check --database`` reports."""
    messages = run_checks(databases=list(databases))
    return [str(m.id) for m in messages if m.is_serious() and "session_auth" in str(m.id)]


def test_before_the_switch_it_prints_the_edits(before: None, alice: User, capsys: Any) -> None:
    old_login(cached_db, alice)

    lines = told(capsys)

    assert lines[:6] == [
        "User model:       auth.User",
        f"Backends:         {REMOTE}, {DJANGOS_BACKEND}",
        f"Engine:           {DJANGOS}cached_db",
        "Session cookie:   shop",
        "CSRF cookie:      csrftoken",
        "Living sessions:  1",
    ]
    assert [line for line in lines if line[0] in "+-"] == [
        '-    "django.contrib.sessions.middleware.SessionMiddleware",',
        '+    "session_auth.middleware.SessionMiddleware",',
        '-    "django.middleware.csrf.CsrfViewMiddleware",',
        '+    "session_auth.middleware.CsrfViewMiddleware",',
        '-    "django.contrib.auth.middleware.AuthenticationMiddleware",',
        '+    "session_auth.middleware.AuthenticationMiddleware",',
        '+SESSION_ENGINE = "session_auth.engines.database"',
        f'+SESSION_AUTH_ADOPT_FROM = "{DJANGOS}cached_db"',
        '+SESSION_AUTH_ADOPT_COOKIE = "shop"',
        f'-    "{DJANGOS_BACKEND}",',
        f'+    "{OURS}",',
        "-SESSION_SAVE_EVERY_REQUEST = True",
        "+from django.urls import include, path",
        '+    path("api/auth/", include("session_auth.urls")),',
    ]
    assert f'     "{REMOTE}",' in lines
    assert "manage.py migrate" in lines[-1]


def test_what_is_right_already_needs_no_edit(before: None, capsys: Any) -> None:
    with override_settings(
        AUTHENTICATION_BACKENDS=[DJANGOS_BACKEND],
        ROOT_URLCONF="tests.urls",
        SESSION_COOKIE_NAME="sessionid",
        SESSION_ENGINE=DJANGOS + "cache",
        SESSION_SAVE_EVERY_REQUEST=False,
    ):
        lines = told(capsys)

    assert "Living sessions:  nobody can count those of this engine" in lines
    assert f'+AUTHENTICATION_BACKENDS = ["{OURS}"]' in lines
    assert not any("urls" in line or "COOKIE" in line for line in lines if line[0] in "+-")


@pytest.mark.parametrize("engine", [db, cached_db])
def test_meanwhile_it_says_how_many_are_not_taken_over(
    engine: Any, alice: User, capsys: Any
) -> None:
    with override_settings(SESSION_AUTH_ADOPT_FROM=engine.__name__):
        browser = old_login(engine, alice)
        old_login(engine, alice, n=1)
        assert told(capsys)[-1] == "Sessions not taken over yet: 2"
        browser.user()
        assert told(capsys)[-1] == "Sessions not taken over yet: 1"

        with pytest.raises(CommandError, match="Sessions not taken over yet: 1"):
            told(capsys, "--finish")
        assert OldSession.objects.count() == 2

        assert "Rows of the old engine deleted: 2." in told(capsys, "--finish", "--sign-out")[0]
        assert browser.user() is not None
        assert engine.SessionStore(browser.session_key()).load() == {}
        assert told(capsys)[-1] == "Sessions not taken over yet: 0"


def test_of_a_cache_it_deletes_what_was_taken_over(alice: User, capsys: Any) -> None:
    caches["default"].clear()
    with override_settings(SESSION_AUTH_ADOPT_FROM=cache.__name__):
        browser, idle = old_login(cache, alice), old_login(cache, alice)
        browser.user()
        lines = told(capsys)
        assert f"the sessions of {cache.__name__} that" in lines[-1]
        assert not any("Living" in line for line in lines)  # which would be none of our engine's

        told(capsys, "--finish")

        assert cache.SessionStore(browser.session_key()).load() == {}
        assert cache.SessionStore(idle.session_key()).load() != {}
        assert (browser.user() is not None, idle.user() is not None) == (True, True)


def test_without_the_setting_it_refuses_while_sessions_live(alice: User, capsys: Any) -> None:
    assert "not set" in told(capsys)[-1]
    old_login(db, alice)

    assert errors("default") == ["session_auth.E023"]
    with pytest.raises(CommandError, match="signed out"):
        told(capsys)
    assert "E023" in capsys.readouterr().out
    told(capsys, "--finish", "--sign-out")
    assert errors("default") == []


def test_under_the_old_engine_nobody_would_be_signed_out(before: None, alice: User) -> None:
    old_login(cached_db, alice)

    assert {"session_auth.E023", "session_auth.E024"}.isdisjoint(errors("default"))


def test_lists_that_are_right_are_not_printed(before: None, capsys: Any) -> None:
    with override_settings(MIDDLEWARE=MIDDLEWARE):
        assert not any("MIDDLEWARE" in line for line in told(capsys))


def test_it_finishes_nothing_before_the_switch(before: None) -> None:
    with pytest.raises(CommandError, match="still runs on the old engine"):
        call_command("session_adopt", "--finish", "--sign-out")


def test_neighbours_are_named(capsys: Any) -> None:
    with override_settings(INSTALLED_APPS=[*INSTALLED_APPS, "rest_framework"]):
        assert "Neighbours:       rest_framework (see docs/compatibility.md)" in told(capsys)


# The checks


def test_living_sessions_are_seen_before_our_tables_are_there(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``migrate`` checks first: it must not go on and sign everybody out."""
    old_login(db, alice)
    monkeypatch.setattr(AdoptedSession._meta, "db_table", "not_there_yet")

    assert errors("default") == ["session_auth.E023"]


def test_without_a_database_to_ask_nothing_is_said_of_rows(alice: User) -> None:
    old_login(db, alice)

    assert errors() == []
    assert errors("replica") == []


def test_a_database_without_tables_is_asked_in_vain(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OldSession._meta, "db_table", "nowhere")

    assert errors("default") == []


@pytest.mark.parametrize("is_taken_over", [False, True])
@override_settings(SESSION_AUTH_ADOPT_FROM=db.__name__)
def test_a_backend_that_sessions_name_must_stay(alice: User, is_taken_over: bool) -> None:
    with override_settings(AUTHENTICATION_BACKENDS=[REMOTE]):
        browser = old_login(db, alice)
        if is_taken_over:
            browser.user()
        assert errors("default") == []

    with override_settings(AUTHENTICATION_BACKENDS=[OURS]):
        assert errors("default") == ["session_auth.E024"]


@override_settings(SESSION_AUTH_ADOPT_FROM=db.__name__)
def test_a_backend_may_be_replaced_by_its_child(alice: User) -> None:
    with override_settings(AUTHENTICATION_BACKENDS=[DJANGOS_BACKEND]):
        old_login(db, alice)
    store = db.SessionStore()
    store["cart"] = 1
    store.save()

    assert errors("default") == []


@pytest.mark.parametrize(
    ("engine", "found"),
    [
        (DJANGOS + "db", []),
        (DJANGOS + "signed_cookies", []),
        ("nowhere.engine", ["session_auth.E021"]),
        ("session_auth.keys", ["session_auth.E021"]),
        ("django.contrib.sites.models", ["session_auth.E021"]),  # whose app is not installed
        ("session_auth.engines.database", ["session_auth.E021"]),
        ("db", ["session_auth.E006"]),
    ],
)
def test_the_old_engine_must_be_there(engine: str, found: list[str]) -> None:
    with override_settings(SESSION_AUTH_ADOPT_FROM=engine):
        assert errors("default") == found


def test_an_old_engine_that_is_none_is_reported_once() -> None:
    assert ids(SESSION_AUTH_ADOPT_FROM="session_auth.engines.database") == ["session_auth.E021"]


def test_the_table_of_the_old_engine_must_stay_installed() -> None:
    installed = [name for name in INSTALLED_APPS if name != "django.contrib.sessions"]

    with override_settings(SESSION_AUTH_ADOPT_FROM=db.__name__, INSTALLED_APPS=installed):
        assert errors("default") == ["session_auth.E021"]


HOST = {"SESSION_COOKIE_SECURE": True, "SESSION_AUTH_ADOPT_FROM": db.__name__}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"SESSION_COOKIE_NAME": "__Host-sessionid"}, []),
        ({"SESSION_COOKIE_NAME": "shop"}, []),
        ({"SESSION_COOKIE_NAME": "__Host-shop"}, ["session_auth.E022"]),
        ({"SESSION_COOKIE_NAME": "__Host-shop", "SESSION_AUTH_ADOPT_FROM": None}, []),
        ({"SESSION_COOKIE_NAME": "__Secure-shop"}, ["session_auth.E022"]),
        ({"SESSION_COOKIE_NAME": "__Host-shop", "SESSION_AUTH_ADOPT_COOKIE": "shop"}, []),
        ({"SESSION_COOKIE_NAME": "__Host-shop", "SESSION_AUTH_ADOPT_COOKIE": "__Host-shop"}, []),
        ({"SESSION_AUTH_ADOPT_COOKIE": "a b"}, ["session_auth.E006"]),
    ],
)
def test_the_old_name_of_the_cookie_must_be_read(change: dict[str, Any], found: list[str]) -> None:
    with override_settings(**HOST | change):
        assert errors() == found
