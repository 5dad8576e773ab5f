"""The smallest views that there are: what a benchmark measures must be around them."""

from importlib.util import find_spec

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from benchmarks import least

USERNAME = "alice"


def open_to_all(request: HttpRequest) -> HttpResponse:
    return HttpResponse(USERNAME)


def private(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


async def open_to_all_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse(USERNAME)


async def private_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await request.auser()).get_username())


urlpatterns = [
    path("open/", open_to_all),
    path("private/", private),
    path("async/open/", open_to_all_async),
    path("async/private/", private_async),
    path("least/", least.private),
    path("async/least/", least.private_async),
    path("auth/", include("session_auth.urls")),
]
if find_spec("rest_framework"):
    urlpatterns.append(path("peers/", include("benchmarks.peers.urls")))
