"""To end all sessions of a user ends also those that are not stored yet."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import backends as djangos_backends
from django.contrib.auth.models import User
from django.contrib.sessions.backends import db as djangos_engine
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils import timezone

from session_auth.backends import ModelBackend
from session_auth.engines import everybody
from session_auth.models import EndedSession, Session, UserStamp
from session_auth.sessions import (
    end_all_sessions,
    end_sessions,
    end_sessions_of_users,
    list_sessions,
)
from session_auth.signals import EndReason
from tests.api_client import PASSWORD, ApiClient, id_of, signed_in
from tests.storing import SessionStore
from tests.test_adoption import old_login

pytestmark = pytest.mark.django_db

adopting = override_settings(SESSION_AUTH_ADOPT_FROM=djangos_engine.__name__)


def row_that_comes_late(browser: ApiClient) -> Callable[[], object]:
    """Return a function that stores the session of a login which is in progress."""
    columns = Session.objects.values().get(pk=id_of(browser))
    Session.objects.filter(pk=id_of(browser)).delete()
    return lambda: Session.objects.bulk_create([Session(**columns)])


def deactivated_and_activated(user: User) -> None:
    for is_active in (False, True):
        user.is_active = is_active
        user.save()


def given_a_password(user: User) -> None:
    user.set_password("another password for alice")
    user.save()


ENDS: list[Callable[[User], object]] = [
    end_sessions,
    deactivated_and_activated,
    given_a_password,
    lambda user: end_sessions_of_users(User.objects.filter(pk=user.pk)),
    lambda user: end_all_sessions(),
    lambda user: call_command("end_sessions", "--user", user.username),
]


@pytest.mark.parametrize("end", ENDS)
def test_a_login_that_was_in_flight_opens_nothing(alice: User, end: Callable[..., object]) -> None:
    here = signed_in()
    arrive = row_that_comes_late(here)

    end(alice)
    arrive()

    assert here.user() is None
    assert list_sessions(alice) == []


class EndsMeanwhile(ModelBackend):
    """Checks passwords as slowly as real hashers do: meanwhile all sessions are ended."""

    def authenticate(self, request: Any, **credentials: Any) -> Any:  # type: ignore[override]  # by name
        user = super().authenticate(request, **credentials)
        assert user is not None
        end_sessions(User.objects.get(pk=user.pk))
        return user


class EndsMeanwhileElsewhere(djangos_backends.ModelBackend):
    """Another backend, which counts nothing by itself."""

    def authenticate(self, request: Any, **credentials: Any) -> Any:  # type: ignore[override]  # by name
        user = super().authenticate(request, **credentials)
        assert user is not None
        end_sessions(User.objects.get(pk=user.pk))
        return user


@pytest.mark.parametrize("backend", [EndsMeanwhile, EndsMeanwhileElsewhere])
def test_a_login_whose_password_was_checked_before_the_end_opens_nothing(
    alice: User, backend: type
) -> None:
    with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.{backend.__name__}"]):
        here = signed_in()

        assert here.user() is None
    assert list_sessions(alice) == []


@override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.EndsMeanwhile"])
def test_so_does_a_login_by_the_admin() -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    here = Client()

    here.post("/admin/login/", {"username": "root", "password": PASSWORD})

    assert here.get("/admin/").status_code == 302


def test_who_ends_all_sessions_and_logs_in_then_is_logged_in(alice: User) -> None:
    """In one request: "sign me out everywhere else", with the password."""
    here = ApiClient()

    here.call("POST", f"/api/only-here/?password={PASSWORD}")

    assert here.user() is not None


@pytest.mark.parametrize("end", ENDS)
def test_a_login_after_the_end_opens_the_account(alice: User, end: Callable[..., object]) -> None:
    signed_in()

    end(alice)
    alice.set_password("a password of today")
    alice.save()

    assert signed_in(password="a password of today").user() is not None


def test_the_sessions_of_others_go_on(alice: User, bob: User) -> None:
    bobs = signed_in("bob")

    end_sessions(alice)

    assert bobs.user() is not None


@adopting
@pytest.mark.parametrize("end", ENDS)
def test_a_session_that_was_not_taken_over_yet_opens_nothing(
    alice: User, end: Callable[..., object]
) -> None:
    browser = old_login(djangos_engine, alice)

    end(alice)

    assert browser.user() is None
    assert browser.user() is None


@adopting
def test_ending_the_others_ends_those_that_were_not_taken_over(alice: User) -> None:
    here, elsewhere = signed_in(), old_login(djangos_engine, alice)

    assert here.call("DELETE", "/api/auth/sessions/", {}).status_code == 200

    assert (here.user() is not None, elsewhere.user()) == (True, None)


@adopting
def test_a_visitors_session_is_taken_over_whatever_has_ended(alice: User) -> None:
    store = djangos_engine.SessionStore()
    store["cart"] = 3
    store.save()
    browser = ApiClient()
    browser.cookies["sessionid"] = str(store.session_key)

    end_all_sessions()

    assert browser.get("/api/note/").json()["cart"] == 3


def test_stamps_go_when_no_session_can_be_older(alice: User, bob: User) -> None:
    end_sessions(alice)
    end_sessions(bob)
    UserStamp.objects.filter(user=alice).update(ended_before=timezone.now() - timedelta(days=31))

    with adopting:
        call_command("prune_sessions")
    assert UserStamp.objects.count() == 2
    call_command("prune_sessions", "--batch", "1")

    assert [stamp.user_id for stamp in UserStamp.objects.all()] == [bob.pk]
    assert str(UserStamp.objects.get()) == str(bob.pk)


@override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=1))
def test_the_end_of_everybodys_sessions_is_kept_for_each(alice: User, bob: User) -> None:
    alices, bobs = signed_in(), signed_in("bob")
    ApiClient().call("POST", "/api/note/?cart=1")
    before = {id_of(browser): Session.objects.get(pk=id_of(browser)) for browser in (alices, bobs)}

    assert end_all_sessions() == 3

    kept = {each.session_id: each for each in EndedSession.objects.all()}
    assert kept.keys() == before.keys()
    for session_id, row in before.items():
        record = kept[session_id]
        assert (record.user_id, record.reason) == (str(row.user_id), "ended_by_admin")
        assert (record.methods, record.created_at) == (row.methods, row.created_at)
        assert (record.last_seen_at, record.ip) == (row.last_seen_at, row.ip)


def test_sessions_of_several_users_end_with_the_reason_that_is_given(
    alice: User, bob: User, ends: list[Any]
) -> None:
    browsers = [signed_in(), signed_in("bob"), signed_in("bob")]
    users = User.objects.filter(username="bob")

    assert end_sessions_of_users(users, reason=EndReason.ENDED_BY_ADMIN) == 2

    assert sorted(ends) == sorted((id_of(b), bob.pk, "ended_by_admin") for b in browsers[1:])
    assert browsers[0].user() is not None


def test_a_session_in_whose_time_nothing_ended_is_looked_up_with_one_statement(
    alice: User, django_assert_num_queries: Any
) -> None:
    key = signed_in().session_key()
    end_sessions(User.objects.create_user("carol"))

    with django_assert_num_queries(1):
        assert SessionStore(key).load() != {}


class UsersElsewhere:
    """Users are in another database than sessions, as far as a router can say."""

    def db_for_write(self, model: type, **hints: Any) -> str | None:
        return "replica" if model is User else None

    db_for_read = db_for_write


@pytest.mark.django_db(transaction=True, databases=["default", "replica"])
@override_settings(
    DATABASE_ROUTERS=[f"{__name__}.UsersElsewhere"], SESSION_AUTH_KEEP_ENDED=timedelta(days=1)
)
def test_everybodys_sessions_end_where_users_are_in_another_database(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everybody, "BATCH_ROWS", 2)
    carol = User.objects.create_user("carol")
    arrive = row_that_comes_late(signed_in())
    signed_in("bob")

    assert end_all_sessions() == 1
    arrive()

    stamped = UserStamp.objects.values_list("user_id", flat=True)
    assert set(stamped) == {alice.pk, bob.pk, carol.pk}
    assert list_sessions(alice) == []
    assert EndedSession.objects.get().user_id == str(bob.pk)
