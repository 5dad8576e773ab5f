"""What clients see of a user, at each endpoint that tells of one."""

from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser, Group, User
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.urls import include, path

from session_auth.views import LoginView, describe_user
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.checking import ids
from tests.guessing import reauthenticate
from tests.password_calls import change
from tests.test_views import json_time

pytestmark = pytest.mark.django_db

NO_FUNCTION = None


def with_groups(user: User) -> dict[str, Any]:
    return {"name": user.username, "groups": [group.name for group in user.groups.all()]}


def forgotten(user: User) -> None:
    {"name": user.username}  # noqa: B018  # as where "return" was forgotten


async def asynchronous(user: User) -> dict[str, Any]:
    return {"name": user.username}  # pragma: no cover # the check refuses it before


class HelloView(LoginView):
    def describe_user(self, user: AbstractBaseUser) -> dict[str, Any]:
        return super().describe_user(user) | {"hello": user.get_username()}


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("hello/", HelloView.as_view()),
]


@override_settings(SESSION_AUTH_USER_FIELDS=["id", "email", "is_staff", "date_joined"])
def test_which_fields_are_shown_is_a_setting(browser: ApiClient, alice: User) -> None:
    response = browser.log_in()

    assert response.json()["user"] == {
        "id": alice.pk,
        "email": "alice@example.org",
        "is_staff": False,
        "date_joined": json_time(alice.date_joined),
    }
    assert browser.user() == response.json()["user"]


@override_settings(SESSION_AUTH_USER_FIELDS=f"{__name__}.with_groups")
def test_a_function_of_the_project_describes_the_user_everywhere(
    browser: ApiClient, alice: User
) -> None:
    alice.groups.add(Group.objects.create(name="editors"))

    told = [
        browser.log_in().json()["user"],
        browser.user(),
        reauthenticate(browser, PASSWORD).json()["user"],
        change(browser).json()["user"],
    ]

    assert told == [{"name": "alice", "groups": ["editors"]}] * 4


@pytest.mark.urls(__name__)
def test_one_view_may_tell_more(browser: ApiClient, alice: User) -> None:
    response = browser.call("POST", "/hello/", {"username": "alice", "password": PASSWORD})

    assert response.json()["user"] == {"id": alice.pk, "username": "alice", "hello": "alice"}
    assert browser.user() == {"id": alice.pk, "username": "alice"}


@override_settings(SESSION_AUTH_USER_FIELDS=["id", "username", "password"])
def test_the_hash_of_a_password_is_never_told(browser: ApiClient, alice: User) -> None:
    browser.raise_request_exception = False

    response = browser.post(AUTH + "login/", {}, content_type="application/json")

    assert response.status_code == 500
    assert alice.password.encode() not in response.content
    assert ids() == ["session_auth.E006"]


@override_settings(SESSION_AUTH_USER_FIELDS=f"{__name__}.forgotten")
def test_a_function_that_returns_no_dict_is_a_mistake_and_not_nobody(alice: User) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"forgotten\(\) .* returned NoneType. Return a"):
        describe_user(alice)


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ("nowhere.describe", "cannot be imported: No module named 'nowhere'"),
        (f"{__name__}.NO_FUNCTION", "is no function"),
        (f"{__name__}.asynchronous", "is async"),
        (f"{__name__}.with_groups", None),
    ],
)
def test_a_function_that_is_not_there_is_found(function: str, problem: str | None) -> None:
    with override_settings(SESSION_AUTH_USER_FIELDS=function):
        messages = [m.msg for m in run_checks() if m.id == "session_auth.E008"]

    expected = f"SESSION_AUTH_USER_FIELDS must not be '{function}', which {problem}."
    assert messages == ([expected] if problem else [])
