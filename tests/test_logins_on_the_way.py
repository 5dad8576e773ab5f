"""A middleware logs the user in, or out, before the CSRF check: the page could not know yet."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, override_settings
from django.urls import path
from django.utils.decorators import sync_only_middleware

from session_auth.flows import log_in
from session_auth.sessions import end_sessions
from tests.api_client import ApiClient
from tests.settings import MIDDLEWARE

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
FOREIGN = "f" * 32
SSO: dict[str, Any] = {"REMOTE_USER": "alice"}
BY_DJANGO = "django.contrib.auth.middleware.RemoteUserMiddleware"
PERSISTENT = "django.contrib.auth.middleware.PersistentRemoteUserMiddleware"
BY_OURS = f"{__name__}.remote_user"


@sync_only_middleware
def remote_user(get_response: Any) -> Any:
    """Log in by our own flow, as a project may whose proxy says who is calling."""

    def middleware(request: HttpRequest) -> Any:
        name = request.META.get("REMOTE_USER") or request.META.get("HTTP_REMOTE_USER")  # by ASGI
        if name and request.user.get_username() != name:
            user, _ = User.objects.get_or_create(username=name)
            user.backend = "django.contrib.auth.backends.RemoteUserBackend"  # as Django sets it
            log_in(request, user)
        return get_response(request)

    return middleware


def form(request: HttpRequest) -> HttpResponse:
    request.session.update(request.GET.items())
    return HttpResponse(get_token(request))


def save(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"by": request.user.get_username()})


urlpatterns = [path("form/", form), path("save/", save)]


@pytest.fixture(params=[BY_DJANGO, PERSISTENT, BY_OURS])
def middleware(request: pytest.FixtureRequest) -> Any:
    with override_settings(
        MIDDLEWARE=[*MIDDLEWARE, request.param],
        AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
    ):
        yield request.param


pytestmark.append(pytest.mark.usefixtures("middleware"))


def post(browser: ApiClient, token: str, **extra: Any) -> Any:
    response = browser.post("/save/", {"csrfmiddlewaretoken": token}, **extra)
    return response.json()["by"] if response.status_code == 200 else response.status_code


def test_the_token_of_a_visitor_is_good_for_the_request_that_logs_them_in(
    browser: ApiClient,
) -> None:
    token = browser.get("/form/").content.decode()

    assert post(browser, token, **SSO) == "alice"


def test_so_is_that_of_a_visitor_with_a_session(browser: ApiClient) -> None:
    token = browser.get("/form/?cart=1").content.decode()
    assert browser.session_key()

    assert post(browser, token, **SSO) == "alice"


def test_so_is_that_of_a_session_that_has_ended(browser: ApiClient) -> None:
    token = browser.get("/form/", **SSO).content.decode()
    end_sessions(User.objects.get(username="alice"))

    assert post(browser, token, **SSO) == "alice"


def test_so_is_that_of_the_user_before(browser: ApiClient) -> None:
    token = browser.get("/form/", REMOTE_USER="bob").content.decode()

    assert post(browser, token, **SSO) == "alice"


def test_a_planted_cookie_is_not(browser: ApiClient) -> None:
    browser.get("/form/", REMOTE_USER="bob")
    browser.cookies["csrftoken"] = FOREIGN

    assert post(browser, FOREIGN, **SSO) == 403


def test_a_foreign_token_is_not(browser: ApiClient) -> None:
    browser.get("/form/")

    assert post(browser, FOREIGN, **SSO) == 403


def test_the_tokens_of_the_answer_are_those_of_the_new_session(browser: ApiClient) -> None:
    before = browser.get("/form/").content.decode()
    token = browser.get("/form/", **SSO).content.decode()

    assert [post(browser, each, **SSO) for each in (before, token)] == [403, "alice"]


def test_whoever_is_logged_out_on_the_way_had_the_right_token(
    browser: ApiClient, middleware: str
) -> None:
    token = browser.get("/form/", **SSO).content.decode()

    assert post(browser, token) == ("" if middleware == BY_DJANGO else "alice")


def test_under_asgi_it_is_the_same(browser: ApiClient) -> None:
    token = browser.get("/form/").content.decode()
    client = AsyncClient(enforce_csrf_checks=True)
    client.cookies = browser.cookies

    response: Any = async_to_sync(client.post)(
        "/save/", {"csrfmiddlewaretoken": token}, REMOTE_USER="alice"
    )

    assert response.status_code == 200
    assert response.json() == {"by": "alice"}
