"""The URLs of tests, and what a project's own code does with a session."""

from collections.abc import Iterator

from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template import engines
from django.template.response import TemplateResponse
from django.urls import include, path


@login_required
def cycle(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    return HttpResponse()


def log_in(request: HttpRequest) -> HttpResponse:
    login(request, User.objects.get(username="alice"), "session_auth.backends.ModelBackend")
    return HttpResponse()


def lazy(request: HttpRequest) -> TemplateResponse:
    return TemplateResponse(request, engines["django"].from_string("{{ user.username }}"))


def streamed(request: HttpRequest) -> StreamingHttpResponse:
    def content() -> Iterator[str]:
        yield "Hello "
        yield request.user.get_username()

    return StreamingHttpResponse(content())


def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse("For everybody.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse(f"Nothing here, {request.user.get_username()}.", status=404)


handler404 = not_found

urlpatterns = [
    path("page/cycle/", cycle),
    path("page/log-in/", log_in),
    path("page/lazy/", lazy),
    path("page/streamed/", streamed),
    path("page/public/", public),
    path("", include("tests.urls")),
]
