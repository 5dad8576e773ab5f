"""The sessions of a user: listed, and ended from the list, from Python and by commands."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_out
from django.core.management import CommandError, call_command
from django.db import connection

from session_auth.keys import digest, new_session_key
from session_auth.models import Session
from session_auth.sessions import end_session, end_sessions, list_sessions
from tests import logged
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.clock import NOON
from tests.storing import SessionStore

pytestmark = pytest.mark.django_db

# The list


def test_the_list_shows_the_users_sessions_the_current_one_first(
    clock: Any, alice: User, bob: User
) -> None:
    here = signed_in(user_agent="Laptop")
    clock.move_to(NOON + timedelta(minutes=1))
    phone = signed_in(user_agent="Phone")
    clock.move_to(NOON + timedelta(minutes=2))
    tablet = signed_in(user_agent="Tablet")
    signed_in("bob")

    response = here.get(AUTH + "sessions/")

    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "no-store"
    listed = response.json()["sessions"]
    assert [s["id"] for s in listed] == [id_of(here), id_of(tablet), id_of(phone)]
    assert listed[0] == {
        "id": id_of(here),
        "current": True,
        "created_at": "2026-11-24T12:00:00Z",
        "methods": {"password": "2026-11-24T12:00:00Z"},
        "last_seen_at": "2026-11-24T12:02:00Z",
        "expires_at": "2026-12-08T12:02:00Z",
        "ip": "127.0.0.1",
        "user_agent": "Laptop",
        "device": "Laptop",
    }
    assert [s["current"] for s in listed] == [True, False, False]


def test_the_list_tells_how_and_when_its_user_proved_who_they_are(clock: Any, alice: User) -> None:
    here = signed_in()
    by_other_code = ApiClient()
    by_other_code.force_login(alice)
    clock.move_to(NOON + timedelta(hours=1))
    here.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})

    listed = here.get(AUTH + "sessions/").json()["sessions"]

    assert [session["methods"] for session in listed] == [
        {"password": "2026-11-24T13:00:00Z"},
        {"session_auth.backends.ModelBackend": "2026-11-24T12:00:00Z"},
    ]


def test_a_second_way_to_prove_it_stands_beside_the_first(clock: Any, alice: User) -> None:
    here = signed_in()
    clock.move_to(NOON + timedelta(hours=1))

    SessionStore(here.session_key()).prove("passkey")

    assert json.loads(Session.objects.get().methods) == {
        "password": "2026-11-24T12:00:00Z",
        "passkey": "2026-11-24T13:00:00Z",
    }


def test_a_session_whose_time_is_up_is_not_listed(clock: Any, alice: User) -> None:
    signed_in()
    clock.move_to(NOON + timedelta(days=14))
    here = signed_in()

    assert [s["id"] for s in here.get(AUTH + "sessions/").json()["sessions"]] == [id_of(here)]


def test_listing_costs_one_statement_more_than_any_call(
    alice: User, django_assert_num_queries: Any
) -> None:
    here = signed_in()
    for _ in range(5):
        signed_in()

    with django_assert_num_queries(1 + 1):
        here.get(AUTH + "sessions/")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "sessions/"),
        ("DELETE", "sessions/"),
        ("DELETE", f"sessions/{digest(new_session_key())}/"),
        ("POST", "reauthenticate/"),
        ("POST", "password/change/"),
    ],
)
@pytest.mark.parametrize("body", [None, {}, {"unknown": 1}, b"{", {"password": "x"}])
def test_whoever_is_not_logged_in_gets_401(
    browser: ApiClient, method: str, path: str, body: object
) -> None:
    """Whatever they send: what a body may hold is not asked before."""
    response = browser.call(method, AUTH + path, body)

    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"


# Ending from the list


def test_a_user_ends_another_session_of_theirs(alice: User, ends: list[Any]) -> None:
    here, phone = signed_in(), signed_in()

    response = here.call("DELETE", f"{AUTH}sessions/{id_of(phone)}/")

    assert (response.status_code, response.content) == (204, b"")
    assert phone.get("/api/private/").json()["code"] == "session_ended"
    assert here.user() is not None
    assert ends == [(id_of(phone), alice.pk, "ended_by_user")]


def test_ending_the_current_session_is_a_logout(alice: User, ends: list[Any]) -> None:
    here = signed_in()
    session_id = id_of(here)

    response = here.call("DELETE", f"{AUTH}sessions/{session_id}/")

    assert response.status_code == 204
    assert response.cookies["sessionid"].value == ""
    assert ends == [(session_id, alice.pk, "logout")]


def test_a_foreign_session_and_an_unknown_one_look_the_same(
    alice: User, bob: User, ends: list[Any]
) -> None:
    """A8"""
    here, foreign = signed_in(), signed_in("bob")

    answers = [
        here.call("DELETE", f"{AUTH}sessions/{session_id}/")
        for session_id in (id_of(foreign), digest(new_session_key()), "x", "x" * 500)
    ]

    assert {(a.status_code, a.content) for a in answers} == {
        (404, b'{"error": "You have no session with this id.", "code": "not_found"}')
    }
    assert foreign.user() is not None
    assert ends == []


def test_the_key_is_not_the_id(alice: User) -> None:
    here, phone = signed_in(), signed_in()

    response = here.call("DELETE", f"{AUTH}sessions/{phone.session_key()}/")

    assert response.status_code == 404
    logged.secrets.discard(phone.session_key())  # this client has put it into a path


def test_an_id_in_other_case_is_another_id(alice: User) -> None:
    """In MySQL and MariaDB, "a" and "A" would be equal if the columns did not say otherwise."""
    here, phone = signed_in(), signed_in()
    twin = id_of(phone).swapcase()

    response = here.call("DELETE", f"{AUTH}sessions/{twin}/")

    assert response.status_code == 404
    assert phone.user() is not None
    session = Session.objects.get(id=id_of(phone))
    session.id = twin
    session.save(force_insert=True)
    assert Session.objects.filter(id__in=[twin, id_of(phone)]).count() == 2


def test_a_user_ends_all_sessions_but_the_current_one(
    alice: User, bob: User, ends: list[Any], django_assert_num_queries: Any
) -> None:
    here, *others = [signed_in() for _ in range(4)]
    foreign = signed_in("bob")

    # Looked up, ended, devices thrown out; on MariaDB the user is locked, in a transaction.
    with django_assert_num_queries(6 if connection.vendor == "mysql" else 3):
        response = here.call("DELETE", AUTH + "sessions/")

    assert response.json() == {"ended": 3}
    assert here.user() is not None
    assert foreign.user() is not None
    assert [other.user() for other in others] == [None] * 3
    assert sorted(ends) == sorted((id_of(b), alice.pk, "ended_by_user") for b in others)


@pytest.mark.django_db(transaction=True)
def test_without_returning_the_same_sessions_end(
    alice: User, ends: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on MySQL, which cannot return what it deletes."""
    here, there = signed_in(), signed_in()
    monkeypatch.setattr(connection.features, "can_return_columns_from_insert", False)

    here.call("DELETE", AUTH + "sessions/")

    assert (here.user() is not None, there.user() is not None) == (True, False)
    assert ends == [(id_of(there), alice.pk, "ended_by_user")]


def test_an_end_outlives_the_transaction_of_the_request(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver fails after the logout, under ATOMIC_REQUESTS."""

    def fail(**kwargs: object) -> None:
        raise RuntimeError("A receiver of the project fails.")

    here = signed_in()
    here.raise_request_exception = False
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    user_logged_out.connect(fail)
    try:
        response = here.log_out()
    finally:
        user_logged_out.disconnect(fail)

    assert response.status_code == 500
    assert Session.objects.count() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/api/logout-and-fail/", "/page/logout-and-fail/"])
def test_a_logout_in_a_view_of_the_project_outlives_the_rollback_of_its_request(
    alice: User, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A64"""
    here = signed_in()
    key = here.session_key()
    here.raise_request_exception = False
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    response = here.get(path)

    assert response.status_code == 500
    assert response.cookies["sessionid"].value == ""
    assert Session.objects.count() == 0
    here.cookies["sessionid"] = key
    assert here.user() is None


@pytest.mark.django_db(transaction=True)
def test_without_a_transaction_a_logout_deletes_the_row_once(
    alice: User, django_assert_num_queries: Any
) -> None:
    here = signed_in()

    with django_assert_num_queries(2):
        here.log_out()


# From Python and from the command line


def test_python_lists_and_ends_sessions(alice: User, bob: User) -> None:
    here, there, foreign = signed_in(), signed_in(), signed_in("bob")

    assert {session.id for session in list_sessions(alice)} == {id_of(here), id_of(there)}
    assert end_session(alice, id_of(foreign)) is False
    assert end_session(alice, id_of(there)) is True
    assert end_session(alice, id_of(there)) is False
    assert end_sessions(alice) == 1
    assert [browser.user() is None for browser in (here, there, foreign)] == [True, True, False]


def test_an_anonymous_user_has_no_sessions_though_visitors_have(browser: ApiClient) -> None:
    browser.call("POST", "/api/note/?cart=1")
    [visit] = Session.objects.all()
    nobody = AnonymousUser()

    assert list_sessions(nobody) == []
    assert not end_session(nobody, visit.id)
    assert end_sessions(nobody) == 0
    assert Session.objects.get() == visit


def test_the_command_ends_the_sessions_of_a_user(
    alice: User, bob: User, ends: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    here, foreign = signed_in(), signed_in("bob")

    call_command("end_sessions", "--user", "alice")

    assert capsys.readouterr().out == "Sessions ended: 1\n"
    assert ends == [(id_of(here), alice.pk, "ended_by_admin")]
    assert foreign.user() is not None


def test_the_command_ends_everybodys_sessions(alice: User, bob: User, ends: list[Any]) -> None:
    signed_in(), signed_in("bob"), ApiClient().call("POST", "/api/note/?cart=1")

    call_command("end_sessions", "--all")

    assert Session.objects.count() == 0
    assert ends == [(None, None, "ended_by_admin")]


def test_the_command_knows_whose_sessions() -> None:
    with pytest.raises(CommandError, match="no user named 'nobody'"):
        call_command("end_sessions", "--user", "nobody")
    with pytest.raises(CommandError, match="required"):
        call_command("end_sessions")


@pytest.mark.parametrize("command", [["prune_sessions", "--batch=2"], ["clearsessions"]])
def test_what_has_expired_is_pruned_and_told(
    clock: Any, alice: User, ends: list[Any], command: list[str]
) -> None:
    old = [signed_in() for _ in range(5)]
    clock.move_to(NOON + timedelta(days=14))
    young = signed_in()

    call_command(*command)

    assert [row.id for row in Session.objects.all()] == [id_of(young)]
    assert sorted(ends) == sorted((id_of(b), alice.pk, "idle") for b in old)
