"""Refusals that a front-end developer can act on: the three classic pitfalls, explained."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory, override_settings

from session_auth.models import Session
from session_auth.views import csrf_failure
from tests.api_client import AUTH, ApiClient

pytestmark = pytest.mark.django_db
NOTE = "/api/note/"


def refusal(response: Any) -> str:
    assert response.status_code == 403
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json()["code"] == "csrf_failed"
    return str(response.json()["hint"])


@pytest.fixture(params=[NOTE, AUTH + "logout/"], ids=["the middleware", "our own views"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_missing_credentials_are_explained(path: str) -> None:
    response = Client(enforce_csrf_checks=True).post(path)

    # Forms are refused before: post() sends one, so ask as fetch() does.
    response = Client(enforce_csrf_checks=True).post(path, content_type="application/json")

    assert "no CSRF cookie" in refusal(response)
    assert "credentials: 'same-origin'" in refusal(response)


def test_a_missing_token_is_explained(browser: ApiClient, path: str) -> None:
    browser.get(AUTH + "csrf/")

    error = refusal(browser.post(path, content_type="application/json"))

    assert "the token is missing" in error
    assert "X-CSRFToken" in error


def test_a_cross_origin_call_is_explained(browser: ApiClient, path: str) -> None:
    response = browser.call("POST", path, headers={"Origin": "https://evil.example"})

    assert "another origin" in refusal(response)
    assert "CSRF_TRUSTED_ORIGINS" in refusal(response)


def test_an_opaque_origin_is_another_origin(browser: ApiClient, path: str) -> None:
    assert "another origin" in refusal(browser.call("POST", path, headers={"Origin": "null"}))


def test_over_https_a_call_that_tells_no_origin_is_explained(browser: ApiClient, path: str) -> None:
    response = browser.call("POST", path, secure=True)

    assert "neither an Origin nor a Referer" in refusal(response)


@pytest.mark.parametrize("token", ["a" * 32, "a" * 64, "short", "!" * 64])
def test_a_token_that_is_not_the_current_one_is_explained(
    browser: ApiClient, path: str, token: str
) -> None:
    response = browser.call("POST", path, headers={"X-CSRFToken": token})

    assert "is not that of this session" in refusal(response)


def test_a_malformed_cookie_is_refused(browser: ApiClient, path: str) -> None:
    browser.cookies["csrftoken"] = "short"

    assert "is not that of this session" in refusal(browser.call("POST", path))


@override_settings(CSRF_HEADER_NAME="HTTP_X_XSRF_TOKEN")
def test_the_name_of_the_header_is_the_projects(browser: ApiClient, path: str) -> None:
    assert "X-Xsrf-Token" in refusal(browser.call("POST", path))


def test_a_refusal_is_logged_where_django_logs_it(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    Client(enforce_csrf_checks=True).post(path, content_type="application/json")

    records = [record for record in caplog.records if record.name == "django.security.csrf"]
    assert [record.getMessage() for record in records] == [
        f"Forbidden (CSRF cookie not set.): {path}"
    ]


def test_with_the_token_the_call_goes_through(browser: ApiClient, path: str) -> None:
    assert browser.call("POST", path).status_code == 200


def test_pages_get_djangos_page(browser: ApiClient) -> None:
    response = browser.post("/page/note/")

    assert response.status_code == 403
    assert response.headers["Content-Type"].startswith("text/html")
    assert b"CSRF verification failed" in response.content


def test_an_api_outside_the_api_paths_gets_json(browser: ApiClient) -> None:
    assert "no CSRF cookie" in refusal(browser.post("/page/private-api/"))


@pytest.mark.parametrize(
    ("path", "content_type"), [("/api/x/", "application/json"), ("/page/", "text/html")]
)
def test_the_failure_view_serves_projects_on_djangos_own_middleware(
    rf: RequestFactory, path: str, content_type: str
) -> None:
    response = csrf_failure(rf.post(path), reason="CSRF token missing.")

    assert response.status_code == 403
    assert response.headers["Content-Type"].split(";")[0] == content_type


@override_settings(CSRF_USE_SESSIONS=True)
def test_the_token_can_live_in_the_session(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    token = client.get(AUTH + "csrf/").json()["csrfToken"]

    def log_in() -> Any:
        return client.post(
            AUTH + "login/",
            {"username": "alice", "password": "wrong"},
            content_type="application/json",
            headers={"X-CSRFToken": token},
        )

    assert "csrftoken" not in client.cookies
    assert log_in().status_code == 401
    assert Session.objects.count() == 1


@override_settings(CSRF_COOKIE_HTTPONLY=True)
def test_the_endpoint_gives_the_token_that_scripts_cannot_read(
    browser: ApiClient, alice: User
) -> None:
    token = browser.get(AUTH + "csrf/").json()["csrfToken"]

    response = browser.call("POST", NOTE, headers={"X-CSRFToken": token})

    assert response.status_code == 200
    assert browser.cookies["csrftoken"]["httponly"]
