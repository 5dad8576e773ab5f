"""Which account a name belongs to: e-mail addresses, any case, and names that differ in case."""

from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings

from session_auth.backends import ThrottleMixin
from tests.api_client import ApiClient
from tests.guessing import guess, reauthenticate
from tests.password_calls import NEW

pytestmark = pytest.mark.django_db


class ByEmail(ModelBackend):
    """Finds people by their address, or by their name."""

    def authenticate(
        self, request: Any, username: Any = None, password: Any = None, **more: Any
    ) -> Any:
        users = User.objects.filter(email__iexact=username) or User.objects.filter(
            username=username
        )
        user = users.first()
        return user if user and user.check_password(password) else None


class EmailOrName(ThrottleMixin, ByEmail):
    pass


by_email = override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.EmailOrName"])


@by_email
def test_address_and_name_are_one_account_with_one_count_and_its_devices(alice: User) -> None:
    here = ApiClient()
    assert here.log_in("Alice@example.org").status_code == 200

    assert guess(ApiClient(), 6, "alice@example.org") == [401] * 5 + [429]
    assert guess(ApiClient(), 1) == [429]
    assert here.log_in("alice@example.org").status_code == 200
    assert here.log_in().status_code == 200


@by_email
def test_an_address_of_two_users_is_counted_as_a_name(alice: User, bob: User) -> None:
    User.objects.update(email="both@example.org")

    assert guess(ApiClient(), 6, "both@example.org") == [401] * 5 + [429]
    assert guess(ApiClient(), 1) == [401]


@override_settings(
    AUTHENTICATION_BACKENDS=["session_auth.backends.ModelBackend", f"{__name__}.EmailOrName"]
)
def test_of_two_backends_the_one_that_takes_addresses_lets_in_by_address(alice: User) -> None:
    """The other backend may find users by rules that ours does not know."""
    here = ApiClient()
    assert here.log_in("alice@example.org").status_code == 200

    assert here.session["_auth_user_backend"] == f"{__name__}.EmailOrName"


@override_settings(AUTHENTICATION_BACKENDS=["session_auth.backends.ModelBackend"])
def test_by_name_alone_an_address_is_a_name_that_nobody_has(alice: User) -> None:
    assert ApiClient().log_in("alice@example.org").status_code == 401


# Names that differ by case


@pytest.fixture
def any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        type(User.objects),
        "get_by_natural_key",
        lambda self, name: self.get(username__iexact=name),
    )


@pytest.mark.parametrize(
    "backend", ["session_auth.backends.ModelBackend", f"{__name__}.EmailOrName"]
)
@pytest.mark.usefixtures("any_case")
def test_names_that_a_site_does_not_tell_apart_are_one_account(alice: User, backend: str) -> None:
    with override_settings(AUTHENTICATION_BACKENDS=[backend]):
        assert guess(ApiClient(), 6, "ALICE") == [401] * 5 + [429]
        assert guess(ApiClient(), 1) == [429]


@pytest.mark.usefixtures("any_case")
def test_a_site_that_does_not_tell_names_apart_lets_in_by_any(alice: User) -> None:
    assert ApiClient().log_in("ALICE").status_code == 200


# For MariaDB, as Django sets it up, two names are equal if only their case differs.
TWIN = "Alicia" if connection.vendor == "mysql" else "Alice"


@pytest.mark.parametrize("any_case_", [False, True])
def test_two_users_whose_names_differ_by_case_alone_log_in_each(
    alice: User, any_case_: bool, request: pytest.FixtureRequest
) -> None:
    twin = User.objects.create_user(TWIN, password=NEW)
    if any_case_:
        request.getfixturevalue("any_case")

    here = ApiClient()
    assert here.log_in(TWIN, NEW).json()["user"]["id"] == twin.pk
    assert reauthenticate(here, NEW).status_code == 200
    assert here.log_in().json()["user"]["id"] == alice.pk
    assert here.log_in("ALICE").status_code == (200 if TWIN == "Alicia" else 401)


def test_a_user_whose_name_is_alike_does_not_begin_the_hundred_anew(
    alice: User, clock: Any
) -> None:
    """Where anybody may sign up, as "Alice" say."""
    User.objects.create_user(TWIN, password=NEW)
    stranger = ApiClient()
    for _ in range(60):
        guess(stranger, 1)
        clock.shift(3600)
    assert ApiClient().log_in(TWIN, NEW).status_code == 200
    for _ in range(40):
        guess(stranger, 1)
        clock.shift(3600)

    assert stranger.log_in().status_code == 401
