"""Session and user come with one statement, unless that would say something else than Django."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User, UserManager
from django.db.models import QuerySet
from django.test import override_settings

from session_auth.engines import lookup
from session_auth.engines.database import SessionStore
from session_auth.sessions.users import look_up_user
from tests.api_client import AUTH, ApiClient, signed_in

pytestmark = pytest.mark.django_db

Counted = Any
"""pytest-django's ``django_assert_num_queries``."""

MODEL_BACKEND = "session_auth.backends.ModelBackend"


@pytest.fixture
def changed_user_model() -> Iterator[None]:
    """Let the user model differ for one test, which no setting can."""
    lookup.forget(setting="AUTH_USER_MODEL")
    yield
    lookup.forget(setting="AUTH_USER_MODEL")


def user_by(browser: ApiClient) -> Any:
    return browser.get("/api/private/").json().get("username")


def test_a_session_and_its_user_are_one_statement(
    alice: User, django_assert_num_queries: Counted
) -> None:
    here = signed_in()

    with django_assert_num_queries(1):
        assert user_by(here) == "alice"


def test_a_session_of_nobody_is_one_statement(
    browser: ApiClient, django_assert_num_queries: Counted
) -> None:
    browser.call("POST", "/api/note/?cart=3")

    with django_assert_num_queries(1):
        assert browser.user() is None


def test_the_user_is_as_django_makes_them(alice: User) -> None:
    alice.first_name, alice.last_login = "Älice", None
    alice.save()
    here = signed_in()
    session = SessionStore(here.session_key())
    session.load()
    assert session._make_user is not None

    joined, fresh = session._make_user(), User.objects.get()

    assert {f.attname: getattr(joined, f.attname) for f in User._meta.fields} == {
        f.attname: getattr(fresh, f.attname) for f in User._meta.fields
    }
    assert (joined._state.db, joined._state.adding) == ("default", False)
    assert joined.get_deferred_fields() == set()


class NoBobs(ModelBackend):
    def get_user(self, user_id: int) -> User | None:
        user = super().get_user(user_id)
        return None if user is None or user.username == "bob" else user


@override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.NoBobs"])
def test_a_backend_with_a_get_user_of_its_own_is_asked(
    alice: User, bob: User, django_assert_num_queries: Counted
) -> None:
    alices, bobs = signed_in(), signed_in("bob")

    with django_assert_num_queries(2):
        assert user_by(alices) == "alice"
    assert user_by(bobs) is None


def test_the_session_of_a_backend_that_was_removed_is_anonymous(alice: User) -> None:
    here = signed_in()

    with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.NoBobs"]):
        assert user_by(here) is None


def test_a_backend_that_is_added_again_counts_at_once(alice: User) -> None:
    here = signed_in()
    with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.NoBobs"]):
        ApiClient().user()

    with override_settings(AUTHENTICATION_BACKENDS=[MODEL_BACKEND]):
        assert user_by(here) == "alice"


class HidesAlice(UserManager[User]):
    def get_queryset(self) -> QuerySet[User]:
        return super().get_queryset().exclude(username="alice")


def test_a_default_manager_that_filters_is_asked(
    alice: User, bob: User, changed_user_model: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    alices, bobs = signed_in(), signed_in("bob")
    manager = HidesAlice()
    manager.model = User
    monkeypatch.setitem(vars(User._meta), "default_manager", manager)
    lookup.forget(setting="AUTH_USER_MODEL")

    assert (user_by(alices), user_by(bobs)) == (None, "bob")


def test_a_user_in_two_tables_is_asked_for_by_django(
    alice: User,
    changed_user_model: None,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Counted,
) -> None:
    """Multi-table inheritance: a join of the session with one of them would not do."""
    here = signed_in()
    monkeypatch.setattr(User._meta, "get_parent_list", lambda: [User])
    lookup.forget(setting="AUTH_USER_MODEL")

    with django_assert_num_queries(2):
        assert user_by(here) == "alice"


def test_a_column_that_the_database_works_out_is_asked_for_by_django(
    alice: User,
    changed_user_model: None,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Counted,
) -> None:
    """As fields do that are decrypted by the database: their SQL has parameters."""

    def decrypted(compiler: object, sql: str, params: list[object]) -> tuple[str, list[object]]:
        return f"REPLACE({sql}, %s, %s)", [*params, "secret", ""]

    here = signed_in()
    monkeypatch.setattr(User._meta.get_field("email"), "select_format", decrypted)
    lookup.forget(setting="AUTH_USER_MODEL")

    with django_assert_num_queries(2):
        assert user_by(here) == "alice"


class UsersElsewhere:
    """Users are read from a replica, which in these tests is the same database."""

    def db_for_read(self, model: type, **hints: object) -> str | None:
        return "replica" if model is User else None


@pytest.mark.django_db(databases=["default", "replica"], transaction=True)
def test_users_are_read_from_where_the_router_says(alice: User) -> None:
    here = signed_in()

    with override_settings(DATABASE_ROUTERS=[f"{__name__}.UsersElsewhere"]):
        response = here.get("/api/private/")

    assert response.json() == {"username": "alice"}
    user: Any = response.wsgi_request.user
    assert user._state.db == "replica"


def test_a_view_that_makes_somebody_else_of_its_caller_gets_them(
    alice: User, bob: User, rf: Any
) -> None:
    here = signed_in()
    User.objects.update(password="the same")  # and so is what Django makes a hash of
    bob.refresh_from_db()
    request = rf.get("/")
    request.session = SessionStore(here.session_key())
    request.session[SESSION_KEY] = str(bob.pk)
    request.session[HASH_SESSION_KEY] = bob.get_session_auth_hash()

    assert look_up_user(request) == bob


def test_a_hash_that_is_wrong_ends_the_session(alice: User, ends: list[Any]) -> None:
    here = signed_in()
    alice.set_password("another")
    alice.save()

    assert user_by(here) is None
    assert [reason for _, _, reason in ends] == ["password_changed"]


def test_a_fallback_of_the_secret_key_still_counts_and_is_renewed(
    alice: User, django_assert_num_queries: Counted
) -> None:
    """A71"""
    here = signed_in()

    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["for-tests-only"]):
        assert user_by(here) == "alice"
        with django_assert_num_queries(1):
            assert user_by(here) == "alice"


def test_a_user_who_was_deactivated_is_nobody(alice: User) -> None:
    here = signed_in()
    User.objects.update(is_active=False)

    assert here.get(AUTH + "user/").json() == {"user": None}
