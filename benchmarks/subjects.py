"""What is compared: whole stacks, from the server's interface to the view and back."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.test import override_settings

USERNAME = "alice"
DJANGOS_ENGINE = "django.contrib.sessions.backends."
DJANGOS_MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
ENGINE = "session_auth.engines.database"
MIDDLEWARE = (
    "session_auth.middleware.SessionMiddleware",
    "session_auth.middleware.CsrfViewMiddleware",
    "session_auth.middleware.AuthenticationMiddleware",
)

Request = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    name: str
    middleware: tuple[str, ...] = DJANGOS_MIDDLEWARE
    engine: str = DJANGOS_ENGINE + "db"
    path: str = "/private/"
    base: str = "no auth"
    """The same view without authentication, in the same framework."""


NO_AUTH = Subject(name="no auth", middleware=(), path="/open/")
DJANGO = Subject(name="Django db")
OURS = Subject(name="session_auth", middleware=MIDDLEWARE, engine=ENGINE)
UNUSED = Subject(name="session_auth, unused", middleware=MIDDLEWARE, engine=ENGINE, path="/open/")
SUBJECTS = (NO_AUTH, DJANGO, OURS, UNUSED)
CACHED = (
    Subject(name="Django cached_db", engine=DJANGOS_ENGINE + "cached_db"),
    Subject(name="Django cache", engine=DJANGOS_ENGINE + "cache"),
)
COOKIES = Subject(name="Django signed_cookies", engine=DJANGOS_ENGINE + "signed_cookies")
FRAMEWORKS = (
    Subject(name="DRF, no auth", middleware=(), path="/peers/drf/open/", base="DRF, no auth"),
    Subject(name="DRF on Django db", path="/peers/drf/private/", base="DRF, no auth"),
    Subject(
        name="DRF on session_auth",
        middleware=MIDDLEWARE,
        engine=ENGINE,
        path="/peers/drf/private/",
        base="DRF, no auth",
    ),
    Subject(name="Ninja, no auth", middleware=(), path="/peers/ninja/open/", base="Ninja, no auth"),
    Subject(name="Ninja on Django db", path="/peers/ninja/private/", base="Ninja, no auth"),
    Subject(
        name="Ninja on session_auth",
        middleware=MIDDLEWARE,
        engine=ENGINE,
        path="/peers/ninja/private/",
        base="Ninja, no auth",
    ),
    Subject(
        name="allauth: GET auth/session",
        middleware=(*DJANGOS_MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"),
        path="/peers/allauth/browser/v1/auth/session",
    ),
    Subject(
        name="session_auth: GET user/", middleware=MIDDLEWARE, engine=ENGINE, path="/auth/user/"
    ),
)


def subjects(*, asgi: bool) -> tuple[Subject, ...]:
    """Return those that can run here; frameworks of sync views are compared under WSGI."""
    chosen: tuple[Subject, ...] = (*SUBJECTS, COOKIES)
    if hasattr(settings, "CACHES") and "redis" in settings.CACHES["default"]["BACKEND"]:
        chosen += CACHED
    if find_spec("rest_framework") and not asgi:
        chosen += FRAMEWORKS
    return chosen


def log_in(engine: str) -> str:
    """Return the key of a new session of the user, as a login stores it."""
    user, _ = get_user_model()._default_manager.get_or_create(username=USERNAME)
    request = HttpRequest()
    request.session = import_module(engine).SessionStore()
    login(request, user)
    request.session.save()
    return str(request.session.session_key)


def check(name: str, body: bytes) -> None:
    if USERNAME.encode() not in body:
        raise SystemExit(f"{name} answers {body!r}")


def start_response(status: str, headers: Any, exc_info: Any = None, /) -> Any:
    """Stand in for a server."""


def wsgi_request(subject: Subject, key: str) -> Request:
    handler = WSGIHandler()
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": subject.path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_USER_AGENT": "benchmark",
        "HTTP_COOKIE": f"sessionid={key}",
        "wsgi.input": BytesIO(),
        "wsgi.url_scheme": "http",
    }

    def request() -> None:
        response: Any = handler(environ.copy(), start_response)
        check(subject.name, response.content)
        response.close()

    return request


def asgi_request(subject: Subject, key: str) -> Request:
    return asgi_call(ASGIHandler(), subject.name, f"/async{subject.path}", f"sessionid={key}")


def asgi_call(app: Any, name: str, path: str, cookie: str) -> Request:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "server": ("localhost", 80),
        "client": ("192.0.2.1", 1),
        "headers": [(b"user-agent", b"benchmark"), (b"cookie", cookie.encode())],
    }

    async def request() -> None:
        messages = [{"type": "http.request"}]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else await asyncio.Future()

        async def send(message: Mapping[str, Any]) -> None:
            if message.get("body"):
                check(name, message["body"])

        await app(dict(scope), receive, send)

    return request


def make_requests(*, asgi: bool) -> dict[str, Request]:
    make = asgi_request if asgi else wsgi_request
    requests = {}
    for subject in subjects(asgi=asgi):
        with override_settings(MIDDLEWARE=subject.middleware, SESSION_ENGINE=subject.engine):
            requests[subject.name] = make(subject, log_in(subject.engine))
    return requests
