"""The list of sessions, and each way in which a session ends, with its reason."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.contrib.admin.utils import quote
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Model
from django.http import HttpRequest
from django.test import Client, override_settings
from django.test.client import AsyncClient

from session_auth.engines.database import SessionStore
from session_auth.engines.values import Record
from session_auth.keys import digest, new_session_key
from session_auth.models import Session
from session_auth.sessions import end_session, end_sessions, list_sessions
from session_auth.signals import EndReason, session_ended
from tests.api_client import AUTH, PASSWORD, ApiClient

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LOCKS = 0 if connection.features.has_select_for_update else 1
"""What it costs a database without row locks to take rows away."""


@pytest.fixture
def ends() -> Iterator[list[tuple[str, Any, str]]]:
    """The ends that were signalled: session id, user id, reason."""
    seen: list[tuple[str, Any, str]] = []

    def note(*, session_id: str, user_id: Any, reason: EndReason, **kwargs: object) -> None:
        seen.append((session_id, user_id, str(reason)))

    session_ended.connect(note)
    yield seen
    session_ended.disconnect(note)


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob", password=PASSWORD)


def signed_in(username: str = "alice", user_agent: str = "") -> ApiClient:
    browser = ApiClient(headers={"User-Agent": user_agent})
    browser.log_in(username)
    return browser


def id_of(browser: ApiClient) -> str:
    return digest(browser.session_key())


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
        "last_seen_at": "2026-11-24T12:02:00Z",
        "expires_at": "2026-12-08T12:02:00Z",
        "ip": "127.0.0.1",
        "user_agent": "Laptop",
        "device": "Laptop",
    }
    assert [s["current"] for s in listed] == [True, False, False]


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

    with django_assert_num_queries(2 + 1):
        here.get(AUTH + "sessions/")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "sessions/"),
        ("DELETE", "sessions/"),
        ("DELETE", f"sessions/{digest(new_session_key())}/"),
        ("POST", "reauthenticate/"),
    ],
)
def test_whoever_is_not_logged_in_gets_401(browser: ApiClient, method: str, path: str) -> None:
    response = browser.call(method, AUTH + path)

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


def test_a_user_ends_all_sessions_but_the_current_one(
    alice: User, bob: User, ends: list[Any], django_assert_num_queries: Any
) -> None:
    here, *others = [signed_in() for _ in range(4)]
    foreign = signed_in("bob")

    with django_assert_num_queries(2 + 2 + LOCKS):
        response = here.call("DELETE", AUTH + "sessions/")

    assert response.json() == {"ended": 3}
    assert here.user() is not None
    assert foreign.user() is not None
    assert [other.user() for other in others] == [None] * 3
    assert sorted(ends) == sorted((id_of(b), alice.pk, "ended_by_user") for b in others)


@pytest.mark.django_db(transaction=True)
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


# A recent login


@pytest.mark.parametrize("path", ["sessions/", "sessions/x/"])
def test_ending_sessions_asks_for_a_recent_login(
    clock: Any, alice: User, ends: list[Any], path: str
) -> None:
    here = signed_in()
    signed_in()
    clock.move_to(NOON + timedelta(minutes=15, seconds=1))

    response = here.call("DELETE", AUTH + path)

    assert response.status_code == 403
    assert response.json() == {
        "error": "Prove your password again: the last time is too long ago.",
        "code": "reauthentication_required",
    }
    assert Session.objects.count() == 2
    assert ends == []


def test_proving_the_password_again_renews_the_session_and_keeps_its_data(
    clock: Any, alice: User, ends: list[Any]
) -> None:
    here = signed_in()
    here.call("POST", "/api/note/?cart=3")
    old_key, old_token = here.session_key(), here.csrf_token()
    clock.move_to(NOON + timedelta(days=29))
    Session.objects.update(
        expires_at=NOON + timedelta(days=30), last_seen_at=NOON + timedelta(days=28)
    )

    response = here.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})

    assert response.status_code == 200
    assert response.json()["user"] == {"id": alice.pk, "username": "alice"}
    assert here.session_key() != old_key
    assert here.csrf_token() != old_token
    assert here.get("/api/note/").json()["cart"] == "3"
    row = Session.objects.get()
    assert row.id == id_of(here)
    assert row.authenticated_at == NOON + timedelta(days=29)
    assert row.expires_at == NOON + timedelta(days=29 + 14)
    assert ends == []
    thief = ApiClient()
    thief.cookies["sessionid"] = old_key
    assert thief.user() is None


def test_after_the_proof_sessions_can_be_ended(clock: Any, alice: User) -> None:
    here = signed_in()
    signed_in()
    clock.move_to(NOON + timedelta(hours=1))
    here.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})

    assert here.call("DELETE", AUTH + "sessions/").json() == {"ended": 1}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"password": "wrong"}, 401, "invalid_credentials"),
        ({"password": ""}, 400, "invalid_request"),
        ({}, 400, "invalid_request"),
        ({"password": 1}, 400, "invalid_request"),
        ({"password": PASSWORD, "username": "bob"}, 400, "invalid_request"),
    ],
)
def test_a_proof_that_fails_changes_nothing(
    clock: Any, alice: User, body: object, status: int, code: str
) -> None:
    here = signed_in()
    clock.move_to(NOON + timedelta(hours=1))
    key = here.session_key()

    response = here.call("POST", AUTH + "reauthenticate/", body)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert here.session_key() == key
    assert Session.objects.get().authenticated_at == NOON


def test_a_backend_that_finds_somebody_else_proves_nothing(alice: User, bob: User) -> None:
    here = signed_in()

    model_backend = "django.contrib.auth.backends.ModelBackend"
    with override_settings(AUTHENTICATION_BACKENDS=[model_backend, f"{__name__}.AlwaysBob"]):
        response = here.call("POST", AUTH + "reauthenticate/", {"password": "any"})

    assert response.status_code == 401
    assert response.json()["code"] == "invalid_credentials"


class AlwaysBob(BaseBackend):
    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User:
        return User.objects.get(username="bob")


RECENT = ["/api/recent/", "/api/recent-async/", "/api/recent-5/"]


@pytest.mark.parametrize("path", RECENT)
def test_a_view_can_ask_for_a_recent_login(clock: Any, alice: User, path: str) -> None:
    here = signed_in()
    age = timedelta(minutes=5 if path == "/api/recent-5/" else 15)

    assert Client().get(path).status_code == 401
    clock.move_to(NOON + age)
    assert here.get(path).status_code == 200
    clock.move_to(NOON + age + timedelta(seconds=1))
    assert here.get(path).json()["code"] == "reauthentication_required"


@override_settings(SESSION_AUTH_RECENT_LOGIN=timedelta(hours=1))
def test_what_is_recent_is_a_setting(clock: Any, alice: User) -> None:
    here = signed_in()

    clock.move_to(NOON + timedelta(hours=1))

    assert here.get("/api/recent/").status_code == 200


def test_a_recent_login_is_asked_for_under_asgi_too(clock: Any, alice: User) -> None:
    client = AsyncClient()

    async def early_and_late() -> list[int]:
        await client.aforce_login(alice)
        early = await client.get("/api/recent-async/")
        clock.move_to(NOON + timedelta(hours=1))
        late = await client.get("/api/recent-async/")
        return [early.status_code, late.status_code]

    assert async_to_sync(early_and_late)() == [200, 403]


# The other ends


def test_a_logout_is_told_once(alice: User, ends: list[Any]) -> None:
    here = signed_in()
    session_id = id_of(here)

    here.log_out()
    here.log_out()

    assert ends == [(session_id, alice.pk, "logout")]


def test_a_session_that_had_no_user_ends_in_silence(browser: ApiClient, ends: list[Any]) -> None:
    browser.call("POST", "/api/note/?cart=3")

    browser.get("/api/flush/")

    assert Session.objects.count() == 0
    assert ends == []


def test_a_new_login_replaces_the_session_in_the_same_browser(alice: User, ends: list[Any]) -> None:
    here = signed_in()
    first = id_of(here)

    here.log_in()

    assert ends == [(first, alice.pk, "replaced")]


@pytest.mark.parametrize(
    ("days", "active", "reason"),
    [(14, False, "idle"), (30, True, "absolute"), (31, False, "absolute")],
)
def test_a_timeout_is_told_at_the_next_request(
    clock: Any, alice: User, ends: list[Any], days: int, active: bool, reason: str
) -> None:
    here = signed_in()
    for day in range(1, days) if active else ():
        clock.move_to(NOON + timedelta(days=day))
        here.user()
    clock.move_to(NOON + timedelta(days=days))

    assert here.user() is None
    assert here.user() is None

    assert ends == [(id_of(here), alice.pk, reason)]
    assert Session.objects.count() == 0


class OvertakenStore(SessionStore):
    """Between its look at the row and its end, another request finds the session alive."""

    def read(self, session_id: str) -> Record | None:
        record = super().read(session_id)
        Session.objects.update(last_seen_at=NOON + timedelta(days=13))
        return record


def test_a_timeout_spares_a_session_that_another_request_found_alive(
    clock: Any, alice: User, ends: list[Any]
) -> None:
    here = signed_in()
    clock.move_to(NOON + timedelta(days=14))

    assert OvertakenStore(here.session_key()).load() == {}

    assert Session.objects.count() == 1
    assert ends == []


def test_a_changed_password_ends_other_sessions_and_spares_fresh_cookies(
    alice: User, ends: list[Any]
) -> None:
    here = signed_in()
    alice.set_password("a new password for alice")
    alice.save()

    response = here.get("/api/private/")

    assert response.json()["code"] == "session_ended"
    assert not response.cookies
    assert ends == [(id_of(here), alice.pk, "password_changed")]
    assert Session.objects.count() == 0


def deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def deactivate_in_bulk(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def delete_by_sql(user: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM auth_user WHERE id = %s", [user.pk])


@pytest.mark.parametrize("change", [deactivate, deactivate_in_bulk])
def test_who_is_deactivated_loses_all_sessions_for_good(
    alice: User, ends: list[Any], change: Callable[[User], None]
) -> None:
    here, there = signed_in(), signed_in()
    change(alice)

    assert here.get("/api/private/").json()["code"] == "session_ended"
    User.objects.update(is_active=True)

    assert [browser.user() for browser in (here, there)] == [None, None]
    assert sorted(ends) == sorted((id_of(b), alice.pk, "deactivated") for b in (here, there))
    assert Session.objects.count() == 0


@pytest.mark.parametrize("delete", [User.delete, delete_by_sql])
def test_who_is_deleted_loses_all_sessions(
    alice: User, ends: list[Any], delete: Callable[[User], None]
) -> None:
    here, user_id = signed_in(), alice.pk
    delete(alice)

    assert here.user() is None
    assert ends == [(id_of(here), user_id, "deleted")]
    assert Session.objects.count() == 0


@pytest.mark.parametrize("change", [deactivate, User.delete])
def test_the_sessions_end_with_the_change_and_not_at_the_next_request(
    alice: User, ends: list[Any], change: Callable[[User], object]
) -> None:
    signed_in()

    change(alice)

    assert Session.objects.count() == 0
    assert len(ends) == 1


def test_a_backend_that_was_removed_ends_nothing(alice: User, ends: list[Any]) -> None:
    here = signed_in()

    with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.AlwaysBob"]):
        assert here.user() is None

    assert here.user() is not None
    assert ends == []


@override_settings(SESSION_AUTH_MAX_SESSIONS=2)
def test_the_oldest_sessions_make_way_for_new_ones(
    clock: Any, alice: User, bob: User, ends: list[Any]
) -> None:
    foreign = signed_in("bob")
    browsers = []
    for minute in range(4):
        clock.move_to(NOON + timedelta(minutes=minute))
        browsers.append(signed_in())

    assert [browser.user() is not None for browser in browsers] == [False, False, True, True]
    assert foreign.user() is not None
    assert ends == [(id_of(b), alice.pk, "evicted") for b in browsers[:2]]


class UsersElsewhere:
    def db_for_write(self, model: type[Model], **hints: object) -> str | None:
        return "elsewhere" if model is User else None


@override_settings(SESSION_AUTH_MAX_SESSIONS=1, DATABASE_ROUTERS=[f"{__name__}.UsersElsewhere"])
def test_the_number_is_kept_to_where_users_are_in_another_database(alice: User) -> None:
    for _ in range(2):
        session = SessionStore()
        session[SESSION_KEY] = str(alice.pk)
        session.save()

    assert Session.objects.get().id == digest(str(session.session_key))


@override_settings(SESSION_AUTH_MAX_SESSIONS=1)
def test_visitors_without_a_user_are_not_counted() -> None:
    for _ in range(3):
        ApiClient().call("POST", "/api/note/?cart=1")

    assert Session.objects.count() == 3


def test_each_end_is_logged_once_without_a_secret(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "session_auth.security")
    here = signed_in()
    key, session_id = here.session_key(), id_of(here)

    here.log_out()

    [record] = [r for r in caplog.records if r.name == "session_auth.security"]
    assert record.getMessage() == (
        f"session_ended reason=logout user_id={alice.pk} session_id={session_id}"
    )
    assert (
        vars(record).items()
        >= {
            "event": "session_ended",
            "reason": "logout",
            "user_id": alice.pk,
            "session_id": session_id,
        }.items()
    )
    assert key not in caplog.text


def test_a_receiver_that_raises_stops_no_end(alice: User, ends: list[Any]) -> None:
    def fail(**kwargs: object) -> None:
        raise RuntimeError("A receiver of the project fails.")

    here = signed_in()
    session_ended.connect(fail)
    try:
        response = here.log_out()
    finally:
        session_ended.disconnect(fail)

    assert response.status_code == 200
    assert len(ends) == 1


# From Python and from the command line


def test_python_lists_and_ends_sessions(alice: User, bob: User) -> None:
    here, there, foreign = signed_in(), signed_in(), signed_in("bob")

    assert {session.id for session in list_sessions(alice)} == {id_of(here), id_of(there)}
    assert end_session(alice, id_of(foreign)) is False
    assert end_session(alice, id_of(there)) is True
    assert end_session(alice, id_of(there)) is False
    assert end_sessions(alice) == 1
    assert [browser.user() is None for browser in (here, there, foreign)] == [True, True, False]


def test_the_command_ends_the_sessions_of_a_user(
    alice: User, bob: User, ends: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    here, foreign = signed_in(), signed_in("bob")

    call_command("end_sessions", "--user", "alice")

    assert capsys.readouterr().out == "Ended 1 sessions.\n"
    assert ends == [(id_of(here), alice.pk, "ended_by_admin")]
    assert foreign.user() is not None


def test_the_command_ends_everybodys_sessions(alice: User, bob: User, ends: list[Any]) -> None:
    signed_in(), signed_in("bob"), ApiClient().call("POST", "/api/note/?cart=1")

    call_command("end_sessions", "--all")

    assert Session.objects.count() == 0
    assert {(user_id, reason) for _, user_id, reason in ends} == {
        (alice.pk, "ended_by_admin"),
        (bob.pk, "ended_by_admin"),
    }


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


# In the admin


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    return client


LIST = "/admin/session_auth/session/"


def test_staff_find_sessions_by_user_and_see_no_key(staff: Client, alice: User, bob: User) -> None:
    here, foreign = signed_in(), signed_in("bob")

    page = staff.get(LIST, {"q": "alice"}).content.decode()

    assert id_of(here)[:8] in page
    assert id_of(foreign)[:8] not in page
    assert here.session_key() not in page


def test_staff_look_at_a_session_and_cannot_change_it(staff: Client, alice: User) -> None:
    here = signed_in()
    path = f"{LIST}{quote(id_of(here))}/change/"

    page = staff.get(path).content.decode()

    assert id_of(here) in page
    assert here.session_key() not in page
    assert 'name="_save"' not in page
    assert staff.get(LIST + "add/").status_code == 403
    assert staff.post(path, {"ip": "x"}).status_code == 403


def test_staff_end_the_sessions_that_they_select(
    staff: Client, alice: User, bob: User, ends: list[Any]
) -> None:
    here, foreign = signed_in(), signed_in("bob")

    staff.post(
        LIST,
        {"action": "delete_selected", "_selected_action": [id_of(here)], "post": "yes"},
    )

    assert ends == [(id_of(here), alice.pk, "ended_by_admin")]
    assert (here.user(), foreign.user() is not None) == (None, True)


def test_staff_end_one_session(staff: Client, alice: User, ends: list[Any]) -> None:
    here = signed_in()

    staff.post(f"{LIST}{quote(id_of(here))}/delete/", {"post": "yes"})

    assert ends == [(id_of(here), alice.pk, "ended_by_admin")]
