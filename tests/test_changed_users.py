"""A change of a user ends sessions with its reason, at once and for the right ones."""

from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.test import Client, override_settings

from session_auth.models import Session, UserStamp
from tests.api_client import PASSWORD, ApiClient, id_of, signed_in

pytestmark = pytest.mark.django_db

NEW = "another password for alice"


class ReadsUsersFromReplica:
    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "replica" if model is User else None


def test_a_password_that_staff_set_ends_all_sessions_of_the_user(
    alice: User, ends: list[Any]
) -> None:
    here = signed_in()
    root = User.objects.create_superuser("root", password=PASSWORD)
    staff = Client()
    staff.force_login(root)

    staff.post(
        f"/admin/auth/user/{alice.pk}/password/",
        {"password1": NEW, "password2": NEW, "usable_password": "true"},
    )

    assert ends == [(id_of(here), alice.pk, "password_changed")]
    assert [row.user_id for row in Session.objects.all()] == [root.pk]


def test_who_changes_their_own_password_in_the_admin_stays_signed_in(ends: list[Any]) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    here, there = Client(), signed_in("root")
    here.force_login(root)

    answer = here.post(
        "/admin/password_change/",
        {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW},
    )

    assert answer.status_code == 302
    assert ends == [(id_of(there), root.pk, "password_changed")]
    assert here.get("/admin/").status_code == 200


def test_a_save_that_sets_no_password_ends_nothing(alice: User, ends: list[Any]) -> None:
    here = signed_in()

    alice.first_name = "Alice"
    alice.save()
    User.objects.get(pk=alice.pk).save()

    assert (here.user() is not None, ends) == (True, [])


def test_a_new_user_has_nothing_to_end(ends: list[Any], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        User.objects.create_user("carol", password=PASSWORD, is_active=False)


def test_a_password_that_somebody_else_sets_ends_all_of_them(
    alice: User, bob: User, ends: list[Any]
) -> None:
    """bob's session in the request is no reason to keep a session of alice's."""
    signed_in()
    bobs = signed_in("bob")

    bobs.call("POST", f"/api/set-password/?name=alice&password={NEW}")

    assert [(user_id, reason) for _, user_id, reason in ends] == [(alice.pk, "password_changed")]
    assert UserStamp.objects.get().user_id == alice.pk
    assert bobs.user() is not None


def test_an_unread_session_is_spared_too_where_it_is_the_users_own(
    alice: User, ends: list[Any]
) -> None:
    here, there = signed_in(), signed_in()

    answer = here.call("POST", f"/api/set-password/?name=alice&password={NEW}")

    assert answer.status_code == 200
    assert [session_id for session_id, *_ in ends] == [id_of(there)]


class LetsInactiveIn(ModelBackend):
    def user_can_authenticate(self, user: Any) -> bool:
        return True


@override_settings(AUTHENTICATION_BACKENDS=["tests.test_changed_users.LetsInactiveIn"])
def test_an_inactive_user_keeps_sessions_where_a_backend_lets_them_in(ends: list[Any]) -> None:
    carol = User.objects.create_user("carol", password=PASSWORD, is_active=False)
    here = ApiClient()
    here.force_login(carol)

    carol.first_name = "Carol"
    carol.save()

    assert (here.user() is not None, ends) == (True, [])


# A replica that is behind: no session ends because of what it says of a user.

reading_from_replica = override_settings(
    DATABASE_ROUTERS=["tests.test_changed_users.ReadsUsersFromReplica"]
)


@pytest.fixture
def replica(monkeypatch: pytest.MonkeyPatch) -> dict[int, User | None]:
    """What the replica has of a user; for others, it is up to date."""
    behind: dict[int, User | None] = {}
    get_user = ModelBackend.get_user

    def look_up(self: ModelBackend, user_id: int) -> Any:
        return behind[user_id] if user_id in behind else get_user(self, user_id)

    monkeypatch.setattr(ModelBackend, "get_user", look_up)
    return behind


@reading_from_replica
@pytest.mark.django_db(transaction=True, databases=["default", "replica"])
def test_a_user_who_is_not_there_yet(
    alice: User, replica: dict[int, User | None], ends: list[Any]
) -> None:
    here = signed_in()

    replica[alice.pk] = None
    during = here.user()
    replica.clear()

    assert (during is not None, here.user() is not None, ends) == (True, True, [])


@reading_from_replica
@pytest.mark.django_db(transaction=True, databases=["default", "replica"])
def test_a_password_that_is_not_there_yet(
    alice: User, replica: dict[int, User | None], ends: list[Any]
) -> None:
    old = User.objects.get(pk=alice.pk)
    alice.set_password(NEW)
    alice.save()
    here = signed_in(password=NEW)

    replica[alice.pk] = old
    during = here.user()

    assert (during is not None, ends) == (True, [])


@reading_from_replica
@pytest.mark.django_db(transaction=True, databases=["default", "replica"])
def test_a_user_who_is_gone_everywhere(
    alice: User, replica: dict[int, User | None], ends: list[Any]
) -> None:
    here = signed_in()

    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert here.user() is None
    assert [reason for *_, reason in ends] == ["deactivated"]
