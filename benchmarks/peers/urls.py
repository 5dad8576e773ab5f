"""The same view in the frameworks that sit on Django's sessions, and allauth's endpoints."""

from typing import Any

from django.contrib.auth.views import LoginView
from django.http import HttpRequest
from django.urls import include, path
from ninja import NinjaAPI
from ninja.security import django_auth
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from session_auth.contrib.ninja import SessionAuth
from session_auth.contrib.rest_framework import SessionAuthentication as OurAuthentication

USERNAME = "alice"


class Open(APIView):
    authentication_classes = ()
    permission_classes = ()
    renderer_classes = (JSONRenderer,)

    def get(self, request: Request) -> Response:
        return Response({"username": USERNAME})


class Private(APIView):
    authentication_classes = (SessionAuthentication,)
    permission_classes = (IsAuthenticated,)
    renderer_classes = (JSONRenderer,)

    def get(self, request: Request) -> Response:
        return Response({"username": request.user.get_username()})


class PrivateOnOurs(Private):
    authentication_classes = (OurAuthentication,)


api = NinjaAPI(docs_url=None)


@api.get("/open/")
def open_to_all(request: HttpRequest) -> dict[str, Any]:
    return {"username": USERNAME}


@api.get("/private/", auth=django_auth)
def private(request: HttpRequest) -> dict[str, Any]:
    return {"username": request.user.get_username()}


@api.get("/private-on-ours/", auth=SessionAuth())
def private_on_ours(request: HttpRequest) -> dict[str, Any]:
    return private(request)


urlpatterns = [
    path("drf/open/", Open.as_view()),
    path("drf/private/", Private.as_view()),
    path("drf/private-on-ours/", PrivateOnOurs.as_view()),
    path("ninja/", api.urls),
    path("allauth/", include("allauth.headless.urls")),
    path("django/login/", LoginView.as_view(success_url="/", redirect_authenticated_user=False)),
]
