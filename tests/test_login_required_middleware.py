"""Django's ``LoginRequiredMiddleware`` leaves to our views, and to our decorators, who comes in."""

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View

from session_auth.decorators import LoginRequiredMixin, login_required, passive
from session_auth.http import JSONView, json_response
from session_auth.views import LoginView
from tests import views
from tests.api_client import AUTH, ApiClient
from tests.settings import MIDDLEWARE

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class Unmarked(JSONView):
    """A view of a project that relies on the middleware."""

    def get(self, request: HttpRequest) -> JsonResponse:
        return json_response({"secret": 1})


class Marked(Unmarked):
    login_required = False


class Behind(LoginRequiredMixin, Unmarked):
    pass


@method_decorator(login_required, name="dispatch")
class DecoratedJSON(Unmarked):
    pass


@method_decorator(login_required, name="dispatch")
class Decorated(View):
    pass


class OwnLogin(LoginView):
    """A view of a project in place of ours."""


GUARDED: dict[str, Any] = {
    "behind/": Behind.as_view(),
    "decorated-json/": DecoratedJSON.as_view(),
    "decorated/": Decorated.as_view(),
    "passive/": passive(login_required(views.echo)),
    "private/": views.private,
    "private-async/": views.private_async,
    "private-class/": views.Private.as_view(),
    "private-class-async/": views.PrivateAsync.as_view(),
    "recent/": views.recent,
    "recent-async/": views.recent_async,
    "recent-class/": views.Recent.as_view(),
}
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("own/login/", OwnLogin.as_view()),
    path("unmarked/", Unmarked.as_view()),
    path("marked/", Marked.as_view()),
    path("marked-in-urls/", Unmarked.as_view(login_required=False)),
    *(path(each, view) for each, view in GUARDED.items()),
]


@pytest.fixture(autouse=True)
def middleware() -> Iterator[None]:
    path = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    with override_settings(MIDDLEWARE=[*MIDDLEWARE, path]):
        yield


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "csrf/", 200),
        ("GET", "user/", 200),
        ("GET", "sessions/", 401),
        ("POST", "login/", 400),
        ("POST", "logout/", 200),
        ("POST", "reauthenticate/", 401),
        ("POST", "password/change/", 401),
        ("POST", "password/reset/", 400),
        ("POST", "password/reset/check/", 400),
        ("POST", "password/reset/confirm/", 400),
        ("DELETE", "sessions/", 401),
        ("DELETE", "sessions/x/", 401),
    ],
)
def test_the_endpoints_answer_visitors_as_the_contract_says(
    browser: ApiClient, settings: Any, method: str, path: str, status: int
) -> None:
    settings.SESSION_AUTH_PASSWORD_RESET_URL = "https://example.org/{uid}/{token}"

    assert browser.call(method, AUTH + path, {}).status_code == status


def test_users_can_log_in(alice: User, browser: ApiClient) -> None:
    assert browser.log_in().status_code == 200
    assert browser.user() == {"id": alice.pk, "username": "alice"}
    assert browser.get("/private/").status_code == 200


def test_so_they_can_by_a_view_of_the_projects_own(alice: User, browser: ApiClient) -> None:
    assert browser.call("POST", "/own/login/", {}).status_code == 400


@pytest.mark.parametrize("path", GUARDED)
def test_behind_our_decorators_visitors_get_401(path: str) -> None:
    response = Client().get(f"/{path}")

    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("path", GUARDED)
def test_under_asgi_too(path: str) -> None:
    response: Any = async_to_sync(AsyncClient().get)(f"/{path}")

    assert response.status_code == 401


@pytest.mark.parametrize("path", ["/marked/", "/marked-in-urls/"])
def test_a_view_of_the_project_that_is_marked_is_left_to_itself(path: str) -> None:
    assert Client().get(path).json() == {"secret": 1}


def test_one_that_nobody_has_marked_stays_behind_the_middleware() -> None:
    for_a_person = Client().get("/unmarked/", headers={"Sec-Fetch-Mode": "navigate"})
    for_a_script = Client().get("/unmarked/")

    assert for_a_person.status_code == 302
    assert for_a_person.headers["Location"].startswith("/accounts/login/")
    assert (for_a_script.status_code, for_a_script.json()["code"]) == (401, "not_authenticated")
