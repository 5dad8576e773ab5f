"""The same small API as plain views, in Django REST framework and in Django Ninja."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.test import Client
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError
from ninja.security import django_auth
from ninja.throttling import BaseThrottle as NinjaThrottle
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication as DrfsOwn
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    NotAuthenticated,
    ValidationError,
)
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from session_auth import exceptions
from session_auth.contrib.ninja import SessionAuth, add_exception_handlers
from session_auth.contrib.rest_framework import HasRecentLogin, SessionAuthentication
from session_auth.flows import log_in, require_login, require_recent_login
from session_auth.http import JSONView, json_response, read_json

WAIT = 7
"""The seconds after which the throttles of both frameworks let callers in again."""


def sign_in(request: HttpRequest, username: str, password: str) -> dict[str, Any]:
    user = authenticate(request, username=username, password=password)
    if user is None:
        raise exceptions.InvalidCredentials
    log_in(request, user)
    return {"username": user.get_username()}


class PlainArticles(JSONView):
    def get(self, request: HttpRequest) -> JsonResponse:
        return json_response({"reader": require_login(request).get_username()})

    def post(self, request: HttpRequest) -> JsonResponse:
        author = require_login(request).get_username()
        data = read_json(request, {"title": str})
        if "title" not in data:
            raise exceptions.InvalidRequest(fields={"title": ["This field is required."]})
        return json_response({"author": author, "title": data["title"]})


class PlainLogin(JSONView):
    def post(self, request: HttpRequest) -> JsonResponse:
        return json_response(
            sign_in(request, **read_json(request, {"username": str, "password": str}))
        )


class PlainRecent(JSONView):
    def get(self, request: HttpRequest) -> JsonResponse:
        return json_response({"reader": require_recent_login(request).get_username()})


class PlainMissing(JSONView):
    def get(self, request: HttpRequest) -> JsonResponse:
        raise exceptions.NotFound


class Article(serializers.Serializer):
    title = serializers.CharField()


class View(APIView):
    authentication_classes: tuple[type, ...] = (SessionAuthentication,)
    renderer_classes = (JSONRenderer,)


class Articles(View):
    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        return Response({"reader": request.user.get_username()})

    def post(self, request: Request) -> Response:
        article = Article(data=request.data)
        article.is_valid(raise_exception=True)
        return Response({"author": request.user.get_username(), **article.validated_data})


class ArticlesOfDrfsOwn(Articles):
    authentication_classes = (DrfsOwn,)


class ArticlesForMachinesToo(Articles):
    authentication_classes = (TokenAuthentication, SessionAuthentication)


class Login(View):
    def post(self, request: Request) -> Response:
        return Response(sign_in(request._request, **request.data))


class Recent(View):
    permission_classes = (HasRecentLogin,)

    def get(self, request: Request) -> Response:
        return Response({"reader": request.user.get_username()})


class OfLastMinutes(HasRecentLogin):
    max_age = timedelta(minutes=5)


class Recent5(Recent):
    permission_classes = (OfLastMinutes,)


class Never(BaseThrottle):
    def allow_request(self, request: Request, view: APIView) -> bool:
        return False

    def wait(self) -> float:
        return WAIT


class Throttled(View):
    throttle_classes = (Never,)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


RAISED: dict[str, Callable[[], Exception]] = {
    "missing": lambda: Http404("No Article matches the given query."),
    "forbidden": lambda: PermissionDenied(),
    "why-forbidden": lambda: PermissionDenied("Only editors may do this."),
    "refused": lambda: exceptions.UserChanged(),
    "nobody": lambda: NotAuthenticated(),
    "failed": lambda: AuthenticationFailed("The token is not known."),
    "message": lambda: ValidationError("The article is closed."),
    "field": lambda: ValidationError({"title": "Too long."}),
    "nested": lambda: ValidationError(
        {
            "lines": [{}, {"title": ["Too long."]}],
            "non_field_errors": ["The article is closed."],
            "tags": [],
        }
    ),
    "own": lambda: APIException({"reason": "teapot"}),
    "list": lambda: APIException(["teapot"]),
    "broken": lambda: RuntimeError("The view fails."),
    "http-404": lambda: HttpError(404, "No such article."),
    "http-400": lambda: caused(HttpError(400, "This is no date."), ValueError()),
    "http-418": lambda: HttpError(418, "A teapot."),
    "not-known": lambda: AuthenticationError(),
    "http-401": lambda: HttpError(401, "The token is not known."),
}
"""What a view may raise, by the last part of its path."""


class Raise(View):
    def get(self, request: Request, name: str) -> Response:
        raise RAISED[name]()


class RenameAndRefuse(View):
    def get(self, request: Request) -> Response:
        User.objects.update(first_name="Alice")
        raise exceptions.UserChanged


class RaiseWithoutSessions(Raise):
    authentication_classes = ()


class Payload(Schema):
    title: str


class Credentials(Schema):
    username: str
    password: str


class NinjaNever(NinjaThrottle):
    def allow_request(self, request: HttpRequest) -> bool:
        return False

    def wait(self) -> float:
        return WAIT


def make_api(name: str) -> NinjaAPI:
    api = NinjaAPI(urls_namespace=name, docs_url=None, auth=SessionAuth())
    add_exception_handlers(api)
    return api


api = make_api("ninja")
async_api = make_api("ninja-async")


@api.get("articles/")
def read(request: HttpRequest) -> dict[str, Any]:
    return {"reader": request.user.get_username()}


@api.post("articles/")
def write(request: HttpRequest, payload: Payload) -> dict[str, Any]:
    return {"author": request.user.get_username(), "title": payload.title}


@api.post("own/articles/", auth=django_auth)
def write_with_ninjas_own(request: HttpRequest, payload: Payload) -> dict[str, Any]:
    return write(request, payload)


@api.post("login/", auth=SessionAuth(required=False))
def login(request: HttpRequest, payload: Credentials) -> dict[str, Any]:
    return sign_in(request, payload.username, payload.password)


@api.post("unchecked/")
@csrf_exempt
def unchecked(request: HttpRequest) -> dict[str, Any]:
    return {"author": request.user.get_username()}


@api.get("recent/")
def recent(request: HttpRequest) -> dict[str, Any]:
    return {"reader": require_recent_login(request).get_username()}


@api.get("throttled/", throttle=NinjaNever())
def throttled(request: HttpRequest) -> None:
    """Never called."""


@api.get("raise/{name}/", auth=None)
def raise_it(request: HttpRequest, name: str) -> None:
    raise RAISED[name]()


@api.get("page/", auth=None)
def page(request: HttpRequest, number: int) -> None:
    """Never called with a value that is not a number."""


@async_api.get("articles/")
async def read_async(request: HttpRequest) -> dict[str, Any]:
    return {"reader": (await request.auser()).get_username()}


@async_api.post("articles/")
async def write_async(request: HttpRequest, payload: Payload) -> dict[str, Any]:
    return {"author": (await request.auser()).get_username(), "title": payload.title}


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/plain/articles/", PlainArticles.as_view()),
    path("api/plain/login/", PlainLogin.as_view()),
    path("api/plain/recent/", PlainRecent.as_view()),
    path("api/plain/raise/missing/", PlainMissing.as_view()),
    path("api/drf/articles/", Articles.as_view()),
    path("api/drf/own/articles/", ArticlesOfDrfsOwn.as_view()),
    path("api/drf/machines/articles/", ArticlesForMachinesToo.as_view()),
    path("api/drf/login/", Login.as_view()),
    path("api/drf/recent/", Recent.as_view()),
    path("api/drf/recent-5/", Recent5.as_view()),
    path("api/drf/throttled/", Throttled.as_view()),
    path("api/drf/raise/<name>/", Raise.as_view()),
    path("api/drf/rename-and-refuse/", RenameAndRefuse.as_view()),
    path("api/drf/raise-without-sessions/<name>/", RaiseWithoutSessions.as_view()),
    path("api/ninja/", api.urls),
    path("api/ninja-async/", async_api.urls),
]


def raised(client: Client, framework: str, name: str) -> Any:
    return client.get(f"/api/{framework}/raise/{name}/")


def assert_refused(response: Any, status: int, error: str, code: str, **more: object) -> None:
    assert response.status_code == status
    assert response.json() == {"error": error, "code": code, **more}
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers.get("WWW-Authenticate") == ("Session" if status == 401 else None)
