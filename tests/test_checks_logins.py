"""Rules for the ways in: passwords, backends, and what other frameworks let in."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from django.contrib import auth
from django.contrib.auth import login
from django.contrib.auth import login as django_login
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.test import modify_settings, override_settings
from django.urls import path
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.security import APIKeyCookie, django_auth
from rest_framework.authentication import (
    BasicAuthentication,
    SessionAuthentication,
    TokenAuthentication,
)
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.decorators import api_view, authentication_classes
from rest_framework.request import Request
from rest_framework.views import APIView

from session_auth import flows
from session_auth.backends import ThrottleMixin
from session_auth.contrib import ninja as our_ninja
from session_auth.contrib import rest_framework as our_rest_framework
from session_auth.decorators import cross_site_login
from session_auth.http import JSONView
from tests.checking import deployed, found, ids

pytestmark = pytest.mark.django_db

OURS = "session_auth.backends.ModelBackend"
DJANGOS = "django.contrib.auth.backends.ModelBackend"


class Throttled(ThrottleMixin):
    pass


class Legacy(ModelBackend):
    """The pitfall: under async, Django's own is called instead."""

    def authenticate(self, *args: Any, **credentials: Any) -> Any: ...


class ThrottledLegacy(ThrottleMixin, Legacy):
    pass


class FromBase(BaseBackend):
    def authenticate(self, *args: Any, **credentials: Any) -> Any: ...

    def get_user(self, user_id: Any) -> Any: ...


class Both(Legacy):
    async def aauthenticate(self, *args: Any, **credentials: Any) -> Any: ...


class AsyncMixin:
    async def aauthenticate(self, *args: Any, **credentials: Any) -> Any: ...


class Mixed(AsyncMixin, Legacy):
    pass


class OfItsOwn:
    def authenticate(self, *args: Any, **credentials: Any) -> Any: ...

    def has_perm(self, *args: Any) -> Any: ...


class Permissions(BaseBackend):
    def has_perm(self, *args: Any, **options: Any) -> Any: ...

    def get_all_permissions(self, *args: Any, **options: Any) -> Any: ...


class Users(ModelBackend):
    def get_user(self, user_id: Any) -> Any: ...


@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        ([OURS], []),
        ([DJANGOS, f"{__name__}.Throttled"], []),
        ([DJANGOS], ["session_auth.W003"]),
    ],
)
def test_guesses_in_the_admin_are_counted(backends: list[str], expected: list[str]) -> None:
    assert ids(AUTHENTICATION_BACKENDS=backends, ROOT_URLCONF=__name__) == expected


@modify_settings(INSTALLED_APPS={"remove": "django.contrib.admin"})
def test_without_the_admin_no_backend_has_to_count() -> None:
    assert ids(AUTHENTICATION_BACKENDS=[DJANGOS], ROOT_URLCONF=__name__) == []


@pytest.mark.parametrize(
    ("backend", "methods"),
    [
        (DJANGOS, []),
        ("django.contrib.auth.backends.RemoteUserBackend", []),
        ("django.contrib.auth.backends.AllowAllUsersModelBackend", []),
        (f"{__name__}.FromBase", []),
        (f"{__name__}.Both", []),
        (f"{__name__}.Mixed", []),
        (f"{__name__}.Legacy", ["authenticate"]),
        (f"{__name__}.ThrottledLegacy", ["authenticate"]),
        (f"{__name__}.Users", ["get_user"]),
        (f"{__name__}.Permissions", ["get_all_permissions", "has_perm"]),
        (f"{__name__}.OfItsOwn", ["authenticate"]),
    ],
)
def test_a_backend_that_does_something_else_under_async_is_found(
    backend: str, methods: list[str]
) -> None:
    with modify_settings(AUTHENTICATION_BACKENDS={"append": backend}):
        messages = found()

    assert messages == [("session_auth.W005", message) for found_id, message in messages]
    assert [message.split("() is not")[0] for found_id, message in messages] == [
        f"{backend}.{method}" for method in methods
    ]


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
@pytest.mark.parametrize(("asgi", "expected"), [(None, 0), ("config.asgi.application", 1)])
def test_a_backend_of_a_package_is_told_of_where_async_is_used(
    folder: str, asgi: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = f"/venv/{folder}/somebody/backends.py"
    monkeypatch.setattr("session_auth.checks.logins.getfile", lambda backend: where)

    with modify_settings(AUTHENTICATION_BACKENDS={"append": f"{__name__}.Legacy"}):
        assert ids(ASGI_APPLICATION=asgi) == ["session_auth.W005"] * expected


def test_what_is_called_instead_is_named() -> None:
    with modify_settings(AUTHENTICATION_BACKENDS={"append": f"{__name__}.Legacy"}):
        [(_, message)] = found()
    assert message.endswith(f"Django calls aauthenticate() there, which is that of {DJANGOS}.")

    with modify_settings(AUTHENTICATION_BACKENDS={"append": f"{__name__}.OfItsOwn"}):
        [(_, message)] = found()
    assert message.endswith("Django calls aauthenticate() there, which is missing.")


numbers = count()


class OwnCsrf(SessionAuthentication):
    def enforce_csrf(self, request: Request) -> None: ...


class Renamed(SessionAuthentication):
    pass


class CustomToken(TokenAuthentication):
    pass


class Key(APIKeyCookie):
    def authenticate(self, request: HttpRequest, key: str | None) -> Any: ...


def page(request: HttpRequest) -> Any: ...


def drf(*classes: type) -> Any:
    class Api(APIView):
        authentication_classes = classes

    return Api.as_view()


def ninja(*auth: Callable[..., Any]) -> Any:
    api = NinjaAPI(urls_namespace=f"api-{next(numbers)}", openapi_url=None)
    api.get("open/")(page)
    api.post("open/", auth=auth or None)(page)
    return next(url.callback for url in api.urls[0] if getattr(url, "name", None) == "page")


def routes(*views: Any) -> list[Any]:
    return [path(f"v{number}/", view) for number, view in enumerate(views, start=1)]


class Urls:
    def __init__(self, *views: Any) -> None:
        self.urlpatterns = routes(*views)


urlpatterns: list[Any] = []


def with_views(*views: Any, deploy: bool = False, **settings: Any) -> list[str]:
    check = deployed if deploy else ids
    return check(ROOT_URLCONF=Urls(*views), **settings)


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ([LoginView.as_view()], True),
        ([drf(BasicAuthentication)], True),
        ([ObtainAuthToken.as_view()], True),
        ([HttpResponse, drf(), drf(TokenAuthentication)], False),
    ],
)
@modify_settings(INSTALLED_APPS={"remove": "django.contrib.admin"})
def test_other_views_that_take_passwords_count_guesses(views: list[Any], expected: bool) -> None:
    without = with_views(*views, AUTHENTICATION_BACKENDS=[DJANGOS])

    assert ("session_auth.W004" in without) is expected
    assert "session_auth.W004" not in with_views(*views)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (drf(SessionAuthentication), ["session_auth.W007"]),
        (drf(BasicAuthentication, Renamed), ["session_auth.W007"]),
        (drf(OwnCsrf), []),
        (drf(BasicAuthentication), []),
        (drf(our_rest_framework.SessionAuthentication), []),
        (ninja(django_auth), ["session_auth.W008"]),
        (ninja(HttpResponse, Key()), ["session_auth.W008"]),
        (ninja(Key(csrf=False)), []),
        (ninja(our_ninja.SessionAuth()), []),
        (ninja(HttpResponse), []),
        (ninja(), []),
    ],
)
def test_a_framework_that_checks_csrf_in_its_own_way_is_found(
    view: Any, expected: list[str]
) -> None:
    assert with_views(view) == expected


# Logins that no CSRF check stands before


def log_in_by_name(request: Any) -> Any:  # pragma: no cover # read, never called
    login(request, request.user)


def log_in_by_module(request: Any) -> Any:  # pragma: no cover # read, never called
    auth.login(request, request.user)


def log_in_by_alias(request: Any) -> Any:  # pragma: no cover # read, never called
    django_login(request, request.user)


async def log_in_async(request: Any) -> Any:  # pragma: no cover # read, never called
    await auth.alogin(request, request.user)


def log_in_inside(request: Any) -> Any:  # pragma: no cover # read, never called
    return lambda user: flows.log_in(request, user)


@api_view(["POST"])  # type: ignore[untyped-decorator]  # as all of REST framework
@authentication_classes([])  # type: ignore[untyped-decorator]  # likewise
def log_in_by_api_view(request: Any) -> Any:  # pragma: no cover # read, never called
    login(request._request, request.user)


def log_in_by_decorator() -> Any:
    attempts, view = 3, log_in_by_name

    def decorated(request: Any) -> Any:  # pragma: no cover # read, never called
        return [view(request) for _ in range(attempts)]

    return decorated


class LogInView(View):
    def post(self, request: Any) -> Any:  # pragma: no cover # read, never called
        return self.enter(request)

    def enter(self, request: Any) -> Any:  # pragma: no cover # read, never called
        login(request, request.user)


class Callback(View):
    def get(self, request: Any) -> Any:  # pragma: no cover # read, never called
        login(request, request.user)


class OfOurs(JSONView):
    def post(self, request: Any) -> Any:  # pragma: no cover # read, never called
        login(request, request.user)


def drf_login(*classes: type) -> Any:
    class Login(LogInView, APIView):
        authentication_classes = classes

    return Login.as_view()


def ninja_login(*auth: Any) -> Any:
    api = NinjaAPI(urls_namespace=f"api-{next(numbers)}", openapi_url=None)
    api.post("in/", auth=list(auth) or None)(log_in_by_name)
    return next(url.callback for url in api.urls[0] if getattr(url, "name", None) != "api-root")


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (csrf_exempt(log_in_by_name), True),
        (csrf_exempt(log_in_by_module), True),
        (csrf_exempt(log_in_by_alias), True),
        (csrf_exempt(log_in_async), True),
        (csrf_exempt(log_in_inside), True),
        (csrf_exempt(LogInView.as_view()), True),
        (log_in_by_api_view, True),
        (csrf_exempt(log_in_by_decorator()), True),
        (drf_login(), True),
        (drf_login(BasicAuthentication), True),
        (drf_login(OwnCsrf), True),
        (ninja_login(), True),
        (ninja_login(Key(csrf=False)), True),
        (log_in_by_name, False),
        (csrf_exempt(page), False),
        (csrf_exempt(count), False),
        (csrf_exempt(Callback.as_view()), False),
        (cross_site_login(csrf_exempt(log_in_by_name)), False),
        (OfOurs.as_view(), False),
        (drf_login(our_rest_framework.SessionAuthentication), False),
        (drf(), False),
        (ninja_login(our_ninja.SessionAuth(required=False)), False),
        (ninja(), False),
    ],
)
def test_a_login_that_no_check_stands_before_is_found(view: Any, expected: bool) -> None:
    assert with_views(view) == (["session_auth.W016"] if expected else [])


def test_a_login_that_ninja_checks_itself_is_reported_once() -> None:
    assert with_views(ninja_login(django_auth)) == ["session_auth.W008"]


def test_a_login_in_drfs_own_is_for_another_rule() -> None:
    assert with_views(drf_login(SessionAuthentication)) == ["session_auth.W007"]


def test_tokens_that_never_end_are_found() -> None:
    assert with_views(drf(CustomToken), deploy=True) == ["session_auth.W105"]
    assert with_views(drf(OwnCsrf), deploy=True) == []


def test_the_first_views_are_named() -> None:
    with override_settings(ROOT_URLCONF=Urls(*[drf(Renamed)] * 5)):
        [(_, message)] = found()

    assert "in these views: v1/, v2/, v3/ and 2 more." in message
