"""dj-rest-auth, with sessions: its endpoints beside ours."""

import pytest
from django.contrib.auth.models import User
from django.urls import include, path

from tests.api_client import PASSWORD, ApiClient, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("dj/", include("dj_rest_auth.urls")),
]
NEW_PASSWORD = "another horse, another battery"


def test_its_login_and_logout_open_and_end_a_session(alice: User, browser: ApiClient) -> None:
    body = {"username": "alice", "password": PASSWORD}

    assert browser.post("/dj/login/", body).status_code == 403  # without the token
    assert browser.call("POST", "/dj/login/", body).status_code == 204
    assert browser.user()["username"] == "alice"
    key = browser.session_key()
    assert browser.call("POST", "/dj/logout/").status_code == 200
    browser.cookies["sessionid"] = key
    assert browser.user() is None


def test_its_guesses_are_counted(alice: User, browser: ApiClient) -> None:
    answers = [
        browser.call("POST", "/dj/login/", {"username": "alice", "password": f"wrong {n}"})
        for n in range(6)
    ]

    assert [answer.status_code for answer in answers] == [400] * 5 + [429]


def test_a_password_changed_there_ends_the_other_sessions(alice: User) -> None:
    here, other = signed_in(), signed_in()
    body = {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}

    assert here.call("POST", "/dj/password/change/", body).status_code == 200
    assert (here.user()["username"], other.user()) == ("alice", None)
