"""A new hash of the same password ends no session; a new password ends them all."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from session_auth.models import HashUpgrade
from session_auth.passwords import hashes
from session_auth.sessions import hash_upgrades
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.guessing import reauthenticate
from tests.password_calls import NEW, change

pytestmark = pytest.mark.django_db


class First(PBKDF2PasswordHasher):
    iterations = 1


class Second(First):
    """As each release of Django has it: the same algorithm, more work."""

    iterations = 2


class Third(First):
    iterations = 3


def release(hasher: type) -> Any:
    return override_settings(PASSWORD_HASHERS=[f"{__name__}.{hasher.__name__}"])


@pytest.fixture
def two() -> Iterator[tuple[ApiClient, ApiClient]]:
    """Two browsers in which alice is logged in, after a release that has a new hasher."""
    with release(First):
        User.objects.create_user("alice", password=PASSWORD)
        here, there = signed_in(), signed_in()
    with release(Second):
        yield here, there


def stored() -> str:
    return User.objects.get().password.split("$")[1]


BACKENDS = [
    "session_auth.backends.ModelBackend",
    "django.contrib.auth.backends.ModelBackend",
    "tests.test_throttling_names.EmailOrName",
]


@pytest.mark.parametrize(
    ("backend", "how"),
    [
        (backend, how)
        for backend in BACKENDS
        for how in ["reauthenticate", "log in elsewhere", "log in here", "the admin"]
        # Our code does not see a login that Django's own backend lets in elsewhere.
        if (backend, how) != (BACKENDS[1], "the admin")
    ],
)
def test_whoever_upgrades_a_hash_all_sessions_go_on(
    two: tuple[ApiClient, ApiClient], ends: list[Any], backend: str, how: str
) -> None:
    here, there = two
    User.objects.update(is_staff=True)
    calls: dict[str, Callable[[], Any]] = {
        "reauthenticate": lambda: reauthenticate(here, PASSWORD),
        "log in elsewhere": lambda: ApiClient().log_in(),
        "log in here": lambda: here.log_in(),
        "the admin": lambda: Client().post(
            "/admin/login/", {"username": "alice", "password": PASSWORD}
        ),
    }

    with override_settings(AUTHENTICATION_BACKENDS=list(dict.fromkeys([backend, BACKENDS[0]]))):
        assert calls[how]().status_code < 400

        assert stored() == "2"
        assert (here.user() is None, there.user() is None) == (False, False)
    assert [end for end in ends if end[2] == "password_changed"] == []


def test_a_session_sleeps_through_two_upgrades(two: tuple[ApiClient, ApiClient]) -> None:
    here, there = two
    reauthenticate(here, PASSWORD)
    with release(Third):
        reauthenticate(here, PASSWORD)

        assert stored() == "3"
        assert there.user() is not None


def test_no_session_makes_the_server_look_for_its_hash_without_end(
    two: tuple[ApiClient, ApiClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = two
    reauthenticate(here, PASSWORD)
    monkeypatch.setattr(hash_upgrades, "MOST_UPGRADES", 1)
    with release(Third):
        reauthenticate(here, PASSWORD)

        assert (here.user() is None, there.user() is None) == (False, True)


def test_a_session_that_follows_an_upgrade_does_so_once(two: tuple[ApiClient, ApiClient]) -> None:
    here, there = two
    reauthenticate(here, PASSWORD)
    there.user()

    with CaptureQueriesContext(connection) as queries:
        assert there.user() is not None

    assert len(queries) == 1


def test_an_upgrade_and_a_new_secret_key_end_no_session(two: tuple[ApiClient, ApiClient]) -> None:
    here, there = two
    with override_settings(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        here.user()
        assert reauthenticate(here, PASSWORD).status_code == 200

        assert (stored(), there.user() is None) == ("2", False)


def test_a_new_password_ends_all_sessions_also_after_an_upgrade(
    two: tuple[ApiClient, ApiClient],
) -> None:
    here, there = two
    reauthenticate(here, PASSWORD)
    User.objects.update(password=make_password(NEW))

    assert (here.user(), there.user()) == (None, None)


def test_no_chain_leads_past_a_new_password(two: tuple[ApiClient, ApiClient]) -> None:
    here, there = two
    reauthenticate(here, PASSWORD)
    change(here)
    User.objects.update(password=First().encode(NEW, "salt" * 6))
    assert ApiClient().log_in(password=NEW).status_code == 200

    assert stored() == "2"
    assert there.user() is None


class Changed(BaseBackend):
    """A backend that accepts the password to which the user has just changed."""

    def authenticate(self, request: Any, username: str = "", password: str = "") -> Any:  # type: ignore[override]  # its own credentials
        user = User.objects.get(username=username)
        user.password = make_password(NEW)
        user.save(update_fields=["password"])
        return user if user.check_password(password) else None


def test_a_change_between_the_look_at_a_user_and_the_check_is_no_upgrade(
    two: tuple[ApiClient, ApiClient],
) -> None:
    _, there = two
    with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.Changed"]):
        assert ApiClient().log_in(password=NEW).status_code == 200

    assert HashUpgrade.objects.count() == 0
    assert there.user() is None


def test_of_two_upgrades_at_once_the_one_that_loses_leads_nowhere(
    two: tuple[ApiClient, ApiClient],
) -> None:
    here, there = two
    stale = User.objects.get()
    reauthenticate(here, PASSWORD)

    assert hashes.check_password(stale, PASSWORD)

    assert there.user() is not None


def test_the_table_shows_no_hash(two: tuple[ApiClient, ApiClient]) -> None:
    before = User.objects.get()
    reauthenticate(two[0], PASSWORD)

    row = HashUpgrade.objects.get()
    shown = {str(row), row.before, row.after}
    assert shown.isdisjoint({before.password, before.get_session_auth_hash()})


def test_what_no_session_needs_is_pruned(two: tuple[ApiClient, ApiClient], clock: Any) -> None:
    reauthenticate(two[0], PASSWORD)
    clock.shift(timedelta(days=29))
    call_command("prune_sessions")
    assert HashUpgrade.objects.count() == 1
    clock.shift(timedelta(days=1))

    call_command("prune_sessions")

    assert HashUpgrade.objects.count() == 0


@override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=1))
def test_a_session_with_a_hash_of_nobody_knows_what_ends(
    two: tuple[ApiClient, ApiClient], ends: list[Any]
) -> None:
    here, _ = two
    session = here.session
    session["_auth_user_hash"] = "of nobody"
    session.save()

    assert here.call("GET", AUTH + "user/").json() == {"user": None}
    assert [reason for *_, reason in ends] == ["password_changed"]
