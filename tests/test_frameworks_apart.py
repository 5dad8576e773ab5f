"""What Django REST framework and Django Ninja have each for themselves is answered as the rest."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from session_auth.contrib.rest_framework import SessionAuthentication, exception_handler
from tests.api_client import ApiClient
from tests.frameworks import assert_refused, raised

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.frameworks"),
    pytest.mark.usefixtures("drf_handler"),
]
ARTICLE = {"title": "Hello"}


@pytest.fixture
def here(alice: User, browser: ApiClient) -> ApiClient:
    browser.log_in()
    return browser


def test_drf_without_the_handler_answers_refusals_too(here: ApiClient) -> None:
    with override_settings(REST_FRAMEWORK={}):
        response = here.post("/api/drf/articles/", ARTICLE, content_type="application/json")

    assert response.status_code == 403
    assert response.json()["code"] == "csrf_failed"


@pytest.mark.django_db(transaction=True)
def test_drf_undoes_what_a_refused_request_has_done(
    here: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    response = here.get("/api/drf/rename-and-refuse/")

    alice.refresh_from_db()
    assert response.json()["code"] == "user_changed"
    assert alice.first_name == ""


def test_drf_asks_for_a_login_as_recent_as_the_view_says(here: ApiClient, clock: Any) -> None:
    here.log_in()
    clock.shift(timedelta(minutes=6))

    assert here.get("/api/drf/recent/").status_code == 200
    assert here.get("/api/drf/recent-5/").json()["code"] == "reauthentication_required"


def test_a_machine_gets_its_token_without_one_for_csrf(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As REST framework's ``ObtainAuthToken``, whose app need not be installed."""

    class ObtainAuthToken(APIView):
        authentication_classes = (SessionAuthentication,)

        def get_exception_handler(self) -> Any:
            return exception_handler

        def post(self, request: Request) -> Response:
            return Response({"user": str(request.user)})

    post = RequestFactory().post
    assert ObtainAuthToken.as_view()(post("/")).status_code == 403

    monkeypatch.setattr(ObtainAuthToken, "__module__", "rest_framework.authtoken.views")

    assert ObtainAuthToken.as_view()(post("/")).data == {"user": "AnonymousUser"}


def test_drf_methods_that_are_not_there_are_named(here: ApiClient) -> None:
    response = here.call("DELETE", "/api/drf/articles/")

    hint = 'Method "DELETE" not allowed.'
    assert_refused(response, 405, "This cannot be done here.", "method_not_allowed", hint=hint)
    assert response.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_ninjas_methods_that_are_not_there_are_named(here: ApiClient) -> None:
    response = here.call("DELETE", "/api/ninja/articles/")

    allowed = response.headers["Allow"]
    hint = f"This method is not allowed here. Use {allowed}."
    assert_refused(response, 405, "This cannot be done here.", "method_not_allowed", hint=hint)
    assert set(allowed.split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("message", {"__all__": ["The article is closed."]}),
        ("field", {"title": ["Too long."]}),
        ("nested", {"lines.1.title": ["Too long."], "__all__": ["The article is closed."]}),
    ],
)
def test_drf_messages_go_by_their_fields(
    name: str, fields: dict[str, list[str]], here: ApiClient
) -> None:
    response = raised(here, "drf", name)

    assert_refused(
        response,
        400,
        "Some fields are missing or not valid.",
        "invalid_request",
        fields=fields,
    )


@pytest.mark.parametrize(("name", "body"), [("own", {"reason": "teapot"}), ("list", ["teapot"])])
def test_drf_bodies_of_somebody_elses_form_are_left_alone(
    name: str, body: object, here: ApiClient
) -> None:
    response = raised(here, "drf", name)

    assert response.status_code == 500
    assert response.json() == body


def test_drf_views_that_say_nobody_is_logged_in_are_believed(here: ApiClient) -> None:
    response = raised(here, "drf", "nobody")

    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"
    assert response.headers["WWW-Authenticate"] == "Session"


def test_drf_views_that_ask_for_no_session_are_told_of_none() -> None:
    response = raised(Client(), "drf", "nobody")
    without = Client().get("/api/drf/raise-without-sessions/nobody/")

    assert "credentials: 'same-origin'" in response.json()["hint"]
    assert without.status_code == 403
    assert without.json() == {
        "error": "Log in first.",
        "code": "not_authenticated",
        "hint": "Authentication credentials were not provided.",
    }


def test_drf_failures_of_another_scheme_keep_their_code(here: ApiClient) -> None:
    response = raised(here, "drf", "failed")

    assert_refused(response, 401, "The token is not known.", "authentication_failed")


# Django Ninja


@pytest.mark.parametrize(
    ("name", "status", "error", "code"),
    [
        ("not-known", 401, "Log in first.", "not_authenticated"),
        ("http-400", 400, "This is no date.", "invalid_request"),
        ("http-401", 401, "The token is not known.", "not_authenticated"),
        ("http-404", 404, "No such article.", "not_found"),
        ("http-418", 418, "A teapot.", "error"),
    ],
)
def test_ninja_errors_keep_their_status(
    name: str, status: int, error: str, code: str, here: ApiClient
) -> None:
    response = raised(here, "ninja", name)

    assert_refused(response, status, error, code)


def test_ninja_names_what_is_wrong_in_a_query(here: ApiClient) -> None:
    response = here.get("/api/ninja/page/?number=x")

    assert response.status_code == 400
    assert list(response.json()["fields"]) == ["number"]


def test_ninja_leaves_unchecked_what_its_view_exempts(here: ApiClient) -> None:
    response = here.post("/api/ninja/unchecked/", {}, content_type="application/json")

    assert response.json() == {"author": "alice"}
