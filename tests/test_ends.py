"""Each way in which a session ends, with its reason."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import override_settings
from django.utils import timezone

from session_auth.engines import database
from session_auth.engines.database import DatabaseRows
from session_auth.keys import digest, new_session_key
from session_auth.models import Session
from session_auth.sessions.values import Record
from session_auth.signals import session_ended
from tests.api_client import ApiClient, id_of, signed_in
from tests.clock import NOON
from tests.storing import SessionStore

pytestmark = pytest.mark.django_db


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


class OvertakenRows(DatabaseRows):
    """After one request has found the session timed out, another one finds it alive and uses it."""

    def read_with_user(
        self, session_id: str, fetched: Sequence[Any] | None = None
    ) -> tuple[Record | None, Callable[[], Any] | None]:
        found = super().read_with_user(session_id, fetched)
        Session.objects.update(last_seen_at=NOON + timedelta(days=13))
        return found


def test_a_timeout_spares_a_session_that_another_request_found_alive(
    clock: Any, alice: User, ends: list[Any]
) -> None:
    here = signed_in()
    clock.move_to(NOON + timedelta(days=14))

    session = SessionStore(here.session_key())
    session.rows = OvertakenRows()  # type: ignore[misc]  # of this session alone
    assert session.load() == {}

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
    """A72"""
    here, there = signed_in(), signed_in()
    change(alice)

    assert here.get("/api/private/").json()["code"] == "session_ended"
    User.objects.update(is_active=True)

    assert [browser.user() for browser in (here, there)] == [None, None]
    assert sorted(ends) == sorted((id_of(b), alice.pk, "deactivated") for b in (here, there))
    assert Session.objects.count() == 0


@pytest.mark.parametrize("delete", [User.delete, delete_by_sql])
def test_who_is_deleted_loses_all_sessions(
    alice: User,
    ends: list[Any],
    delete: Callable[[User], None],
    django_capture_on_commit_callbacks: Any,
) -> None:
    """A73"""
    here, user_id = signed_in(), alice.pk
    with django_capture_on_commit_callbacks(execute=True):
        delete(alice)

    assert here.user() is None
    assert ends == [(id_of(here), user_id, "deleted")]
    assert Session.objects.count() == 0


@pytest.mark.parametrize("change", [deactivate, User.delete])
def test_the_sessions_end_with_the_change_and_not_at_the_next_request(
    alice: User,
    ends: list[Any],
    change: Callable[[User], object],
    django_capture_on_commit_callbacks: Any,
) -> None:
    signed_in()

    with django_capture_on_commit_callbacks(execute=True):
        change(alice)

    assert Session.objects.count() == 0
    assert len(ends) == 1


def test_a_backend_that_was_removed_ends_nothing(alice: User, ends: list[Any]) -> None:
    here = signed_in()

    with override_settings(AUTHENTICATION_BACKENDS=["tests.test_recent_login.AlwaysBob"]):
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


def many_sessions(user: User, count: int) -> None:
    now = timezone.now()
    Session.objects.bulk_create(
        Session(
            id=digest(new_session_key()),
            user=user,
            data="{}",
            created_at=now - timedelta(days=1),
            last_seen_at=now,
            expires_at=now + timedelta(days=1),
        )
        for _ in range(count)
    )


@pytest.mark.parametrize("can_return", [True, False])
def test_unless_told_otherwise_a_user_has_a_thousand_sessions_at_most(
    alice: User, ends: list[Any], can_return: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that logs in each minute and never logs out must not fill the table."""
    monkeypatch.setattr(database, "can_return", lambda alias: can_return)
    many_sessions(alice, 999)
    first = signed_in()
    assert (Session.objects.count(), ends) == (1000, [])

    second = signed_in()

    assert Session.objects.count() == 1000
    assert [reason for _, _, reason in ends] == ["evicted"]
    assert None not in (first.user(), second.user())


@override_settings(SESSION_AUTH_MAX_SESSIONS=None)
def test_without_a_limit_a_user_has_as_many_as_they_like(alice: User) -> None:
    many_sessions(alice, 1500)

    signed_in()

    assert Session.objects.count() == 1501


def test_a_limit_that_is_new_counts_at_the_next_login(alice: User, ends: list[Any]) -> None:
    many_sessions(alice, 3000)

    here = signed_in()

    assert Session.objects.count() == 1000
    assert len(ends) == 2001
    assert here.user() is not None


@override_settings(SESSION_AUTH_MAX_SESSIONS=1)
def test_visitors_without_a_user_are_not_counted() -> None:
    for _ in range(3):
        ApiClient().call("POST", "/api/note/?cart=1")

    assert Session.objects.count() == 3


def test_each_end_is_logged_once_without_a_secret(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    here = signed_in()
    session_id = id_of(here)

    here.log_out()

    [record] = [r for r in caplog.records if r.getMessage().startswith("session_ended")]
    assert record.getMessage() == (
        "session_ended method=POST path=/api/auth/logout/ ip=127.0.0.1 reason=logout "
        f"session_id={session_id} user_id={alice.pk} by={alice.pk}"
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


def test_a_new_login_in_a_browser_replaces_its_session_and_makes_the_oldest_way(
    alice: User, ends: list[Any]
) -> None:
    browsers = [signed_in() for _ in range(3)]
    first, replaced = id_of(browsers[0]), id_of(browsers[2])

    with override_settings(SESSION_AUTH_MAX_SESSIONS=2):
        browsers[2].log_in()

    assert sorted(ends) == sorted([(first, alice.pk, "evicted"), (replaced, alice.pk, "replaced")])
    assert [browser.user() is not None for browser in browsers] == [False, True, True]
