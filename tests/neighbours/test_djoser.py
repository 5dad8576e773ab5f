"""djoser, with a session at each login: its endpoints beside ours."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import include, path

from tests.api_client import PASSWORD, ApiClient, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("djoser/", include("djoser.urls")),
    path("djoser/", include("djoser.urls.authtoken")),
]
NEW_PASSWORD = "another horse, another battery"


@pytest.fixture(autouse=True)
def with_sessions(settings: Any) -> None:
    settings.DJOSER = {"CREATE_SESSION_ON_LOGIN": True}


def test_its_login_opens_a_session(alice: User, browser: ApiClient) -> None:
    body = {"username": "alice", "password": PASSWORD}

    assert browser.call("POST", "/djoser/token/login/", body).status_code == 200
    assert browser.user()["username"] == "alice"


def test_its_guesses_are_counted(alice: User, browser: ApiClient) -> None:
    answers = [
        browser.call(
            "POST", "/djoser/token/login/", {"username": "alice", "password": f"wrong {n}"}
        )
        for n in range(6)
    ]

    assert [answer.status_code for answer in answers] == [400] * 5 + [429]


def test_a_password_changed_there_ends_the_other_sessions(alice: User) -> None:
    here, other = signed_in(), signed_in()
    body = {"new_password": NEW_PASSWORD, "current_password": PASSWORD}

    assert here.call("POST", "/djoser/users/set_password/", body).status_code == 204
    assert (here.user()["username"], other.user()) == ("alice", None)
