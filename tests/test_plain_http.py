"""Over plain HTTP, a page is redirected, and what may carry a secret is refused: ASVS 4.1.2."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware
from django.test import AsyncClient, Client, modify_settings, override_settings

from session_auth import plain_http
from session_auth.urls import urlpatterns
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.test_cost import calls

SECURITY = "django.middleware.security.SecurityMiddleware"
REFUSED = {"error": "Use https.", "code": "https_required"}
FORM = {"username": "alice", "password": PASSWORD}


@pytest.fixture(autouse=True)
def site_with_https() -> Iterator[None]:
    """Django's own middleware stands at the top, as ``startproject`` puts it."""
    with (
        override_settings(SECURE_SSL_REDIRECT=True),
        modify_settings(MIDDLEWARE={"prepend": SECURITY}),
    ):
        yield


ENDPOINTS = [
    AUTH + str(pattern.pattern).replace("<str:session_id>", "some")
    for pattern in urlpatterns
    if pattern.name != "second_factor_page"
]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_an_endpoint_refuses_and_does_not_redirect(path: str, method: str) -> None:
    response = ApiClient().call(method, path, None if method == "GET" else FORM)

    assert response.json() == REFUSED
    assert (response.status_code, response.cookies.output()) == (403, "")
    assert "Location" not in response
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/admin/login/", "/page/", "/no-such-page/", "/api/articles/"])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_form_that_is_sent_is_refused(path: str, method: str) -> None:
    response = getattr(Client(), method)(path, FORM if method == "post" else "{}")

    assert response.status_code == 403
    assert response.content.decode() == (json.dumps(REFUSED) if "/api/" in path else "Use https.")
    assert "Location" not in response


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_a_page_is_redirected(method: str) -> None:
    response = getattr(Client(), method)("/admin/login/?next=/page/")

    assert response.status_code == 301
    assert response["Location"] == "https://testserver/admin/login/?next=/page/"


@override_settings(SESSION_AUTH_API_PATHS=())
def test_an_endpoint_is_known_wherever_it_is() -> None:
    response = Client().get(AUTH + "user/")

    assert (response.status_code, response.json()) == (403, REFUSED)


def other_urls(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """A middleware that serves other pages, as one for several hosts does."""

    def answer(request: HttpRequest) -> HttpResponse:
        request.urlconf = "session_auth.urls"
        return get_response(request)

    return answer


@override_settings(SESSION_AUTH_API_PATHS=())
def test_an_endpoint_is_known_on_whichever_host_it_is() -> None:
    with modify_settings(MIDDLEWARE={"prepend": f"{__name__}.other_urls"}):
        response = Client().get("/user/")

    assert (response.status_code, response.json()) == (403, REFUSED)


@override_settings(SECURE_REDIRECT_EXEMPT=[r"^page/"])
def test_what_the_project_exempts_is_let_through() -> None:
    assert Client().get("/page/untouched/").status_code == 200


@override_settings(SECURE_REDIRECT_EXEMPT=[r"^api/auth/"])
def test_an_endpoint_that_is_exempt_refuses_by_itself() -> None:
    response = ApiClient().call("POST", AUTH + "login/", FORM)

    assert (response.status_code, response.json()) == (403, REFUSED)


@pytest.mark.django_db
@override_settings(SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
def test_the_word_of_the_proxy_counts(alice: User) -> None:
    headers = {
        "Host": "testserver",
        "Origin": "https://testserver",
        "X-Forwarded-Proto": "https",
    }
    browser = ApiClient()
    browser.get(AUTH + "csrf/", headers=headers)

    over_https = browser.call("POST", AUTH + "login/", FORM, headers=headers)
    headers["X-Forwarded-Proto"] = "http"
    over_http = browser.call("POST", AUTH + "login/", FORM, headers=headers)

    assert (over_https.status_code, over_http.status_code) == (200, 403)


def test_the_word_of_a_client_does_not(client: Client) -> None:
    """Where no proxy is known, anybody can write the header."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on", "Front-End-Https": "on"}

    told = [client.post(path, FORM, headers=headers) for path in ("/page/", AUTH + "login/")]

    assert [response.status_code for response in told] == [403, 403]
    assert client.get("/page/", headers=headers).status_code == 301


@override_settings(SECURE_SSL_REDIRECT=False)
def test_without_the_setting_nothing_is_refused(client: Client) -> None:
    assert client.get(AUTH + "csrf/").status_code == 200


def test_async_is_the_same() -> None:
    async def statuses() -> list[int]:
        client = AsyncClient()
        told = await client.post(AUTH + "login/", FORM, content_type="application/json")
        page = await client.get("/page/")
        return [told.status_code, page.status_code]

    assert async_to_sync(statuses)() == [403, 301]


def test_a_refusal_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "session_auth.security"):
        Client().post(AUTH + "login/", FORM, content_type="application/json")

    [told] = [record.getMessage() for record in caplog.records if record.name.startswith("session")]
    assert told == (
        "refused method=POST path=/api/auth/login/ ip=127.0.0.1 user_id=None status=403 "
        "code=https_required"
    )


class OwnMiddleware(SecurityMiddleware):
    """As projects have it that let a probe of their network through."""

    def process_request(self, request: HttpRequest) -> Any:
        if request.META["REMOTE_ADDR"] == "10.0.0.1":
            return None
        return super().process_request(request)


def test_a_subclass_of_the_project_refuses_too() -> None:
    mine = {"remove": SECURITY, "prepend": f"{__name__}.OwnMiddleware"}

    with modify_settings(MIDDLEWARE=mine):
        refused = Client().post("/page/", FORM)
        let_through = Client(REMOTE_ADDR="10.0.0.1").get("/page/untouched/")

    assert (refused.status_code, let_through.status_code) == (403, 200)


@override_settings(MIDDLEWARE=[SECURITY])
def test_a_request_over_https_costs_no_call_more() -> None:
    class Browser(Client):
        def request(self, **request: Any) -> Any:
            return super().request(**request | {"wsgi.url_scheme": "https"})

    ours = calls(Browser(), "/page/untouched/")
    with mock.patch.object(SecurityMiddleware, "process_request", plain_http._djangos_answer):
        djangos = calls(Browser(), "/page/untouched/")

    assert ours <= djangos
