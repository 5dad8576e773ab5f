"""docs/tokens.md: an API that takes tokens and sessions, on the way from one to the other."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import include, path
from django.utils.module_loading import import_string
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenObtainPairView

from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.test_docs import DOCS, blocks, section

[BLOCK] = blocks("python", section("From tokens to sessions", (DOCS / "tokens.md").read_text()))
SETTINGS: dict[str, Any] = {}
exec(BLOCK, SETTINGS)  # noqa: S102 # our own docs


class Name(APIView):
    authentication_classes = tuple(
        map(import_string, SETTINGS["REST_FRAMEWORK"]["DEFAULT_AUTHENTICATION_CLASSES"])
    )
    permission_classes = tuple(
        map(import_string, SETTINGS["REST_FRAMEWORK"]["DEFAULT_PERMISSION_CLASSES"])
    )

    def get(self, request: Request) -> Response:
        return Response(request.user.get_username())

    post = get


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token-auth/", obtain_auth_token),
    path("api/name/", Name.as_view()),
]
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:The HMAC key is"),  # the SECRET_KEY of the tests
    pytest.mark.urls(__name__),
]


def token_of(browser: ApiClient, password: str = PASSWORD) -> Any:
    body = {"username": "alice", "password": password}
    return browser.post("/api/token/", body, "application/json")


def test_a_call_is_let_in_by_its_token_or_by_its_session(alice: User, browser: ApiClient) -> None:
    bearer = {"Authorization": f"Bearer {token_of(browser).json()['access']}"}
    calls = [
        browser.get("/api/name/"),
        browser.get("/api/name/", headers=bearer),
        browser.post("/api/name/", headers=bearer),  # a token needs no CSRF token
        signed_in().get("/api/name/"),
        signed_in().post("/api/name/"),
        signed_in().call("POST", "/api/name/"),
    ]

    assert [call.status_code for call in calls] == [401, 200, 200, 200, 403, 200]
    assert calls[4].json()["code"] == "csrf_failed"


def test_an_old_token_is_refused_even_beside_a_session(alice: User) -> None:
    response = signed_in().get("/api/name/", headers={"Authorization": "Bearer old"})

    assert response.status_code == 401


def test_no_sign_out_ends_a_token(alice: User) -> None:
    browser = signed_in()
    bearer = {"Authorization": f"Bearer {token_of(browser).json()['access']}"}
    browser.call("POST", AUTH + "logout/")

    assert browser.get("/api/name/").status_code == 401
    assert browser.get("/api/name/", headers=bearer).status_code == 200


def test_guesses_at_the_views_for_tokens_are_counted_with_the_others(
    alice: User, browser: ApiClient
) -> None:
    for n in range(4):
        assert token_of(browser, f"wrong {n}").status_code == 401
    body = {"username": "alice", "password": "wrong 4"}
    assert browser.post("/api/token-auth/", body, "application/json").status_code == 400

    assert token_of(browser, "wrong 5").status_code == 429
    assert browser.log_in().status_code == 429
