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
from django.utils.crypto import get_random_string

from session_auth.csrf import csrf_secret

USERNAME = "alice"
DJANGOS_ENGINE = "django.contrib.sessions.backends."
DJANGOS_MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)
ENGINE = "session_auth.engines.database"
REDIS = "session_auth.engines.redis"
REDIS_IN_THREADS = "benchmarks.redis_in_threads"
OUR_ENGINES = (ENGINE, REDIS, REDIS_IN_THREADS)
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
    has_async_view: bool = False
    """Whether there is a view for ASGI at the same path below ``/async``."""

    base: str = "no auth"
    """The same view without authentication, in the same framework."""

    def path_for(self, *, asgi: bool) -> str:
        return f"/async{self.path}" if asgi and self.has_async_view else self.path


NO_AUTH = Subject(name="no auth", middleware=(), path="/open/", has_async_view=True)
DJANGO = Subject(name="Django db", has_async_view=True)
OURS = Subject(name="session_auth", middleware=MIDDLEWARE, engine=ENGINE, has_async_view=True)
ON_REDIS = Subject(
    name="session_auth on Redis",
    middleware=MIDDLEWARE,
    engine=REDIS,
    has_async_view=True,
)
IN_THREADS = Subject(
    name="the same, in threads",
    middleware=MIDDLEWARE,
    engine=REDIS_IN_THREADS,
    has_async_view=True,
)
ENGINES = (NO_AUTH, DJANGO, OURS, ON_REDIS, IN_THREADS)
"""What is compared with our engine for Redis; under WSGI, the last two are one."""

LEAST = Subject(
    name="the least",
    middleware=("benchmarks.least.Nothing",) * 3,
    engine=ENGINE,
    path="/least/",
    has_async_view=True,
)
KEPT = Subject(
    name="the least, kept",
    middleware=(
        "benchmarks.least.KeptSession",
        "benchmarks.least.KeptCsrf",
        "benchmarks.least.KeptUser",
    ),
    engine=ENGINE,
    has_async_view=True,
)
UNUSED = (
    Subject(name="Django, unused", path="/open/", has_async_view=True),
    Subject(
        name="session_auth, unused",
        middleware=MIDDLEWARE,
        engine=ENGINE,
        path="/open/",
        has_async_view=True,
    ),
)
CACHED = (
    Subject(name="Django cached_db", engine=DJANGOS_ENGINE + "cached_db", has_async_view=True),
    Subject(name="Django cache", engine=DJANGOS_ENGINE + "cache", has_async_view=True),
)
COOKIES = Subject(
    name="Django signed_cookies", engine=DJANGOS_ENGINE + "signed_cookies", has_async_view=True
)
FRAMEWORKS = (
    Subject(name="DRF, no auth", middleware=(), path="/peers/drf/open/", base="DRF, no auth"),
    Subject(name="DRF on Django db", path="/peers/drf/private/", base="DRF, no auth"),
    Subject(
        name="DRF on session_auth",
        middleware=MIDDLEWARE,
        engine=ENGINE,
        path="/peers/drf/private-on-ours/",
        base="DRF, no auth",
    ),
    Subject(name="Ninja, no auth", middleware=(), path="/peers/ninja/open/", base="Ninja, no auth"),
    Subject(name="Ninja on Django db", path="/peers/ninja/private/", base="Ninja, no auth"),
    Subject(
        name="Ninja on session_auth",
        middleware=MIDDLEWARE,
        engine=ENGINE,
        path="/peers/ninja/private-on-ours/",
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


def subjects() -> tuple[Subject, ...]:
    """Return those that can run here."""
    chosen: tuple[Subject, ...] = (NO_AUTH, DJANGO, OURS, LEAST, KEPT, *UNUSED, COOKIES)
    if hasattr(settings, "CACHES") and "redis" in settings.CACHES["default"]["BACKEND"]:
        chosen += CACHED
    if find_spec("rest_framework"):
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


def cookies(subject: Subject, key: str) -> str:
    """Return what a browser sends: both cookies, the one for CSRF being that of the session."""
    secret = csrf_secret(key) if subject.engine in OUR_ENGINES else get_random_string(32)
    return f"{settings.SESSION_COOKIE_NAME}={key}; {settings.CSRF_COOKIE_NAME}={secret}"


def check(name: str, status: str, body: bytes) -> None:
    """Refuse to measure an error page: each answer has to be 200 and to name the caller."""
    if not status.startswith("200") or USERNAME.encode() not in body:
        raise SystemExit(f"{name} answers {status} {body!r}")


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
        "HTTP_COOKIE": cookies(subject, key),
        "wsgi.input": BytesIO(),
        "wsgi.url_scheme": "http",
    }
    status = ""

    def start_response(line: str, headers: Any, exc_info: Any = None, /) -> Any:
        nonlocal status
        status = line

    def request() -> None:
        response: Any = handler(environ.copy(), start_response)
        check(subject.name, status, response.content)
        response.close()

    return request


def asgi_request(subject: Subject, key: str) -> Request:
    path = subject.path_for(asgi=True)
    return asgi_call(ASGIHandler(), subject.name, path, cookies(subject, key))


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
        unread = [{"type": "http.request"}]
        sent: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return unread.pop() if unread else await asyncio.Future()

        async def send(message: Mapping[str, Any]) -> None:
            sent.append(message)

        await app(dict(scope), receive, send)
        check(name, str(sent[0]["status"]), b"".join(each.get("body", b"") for each in sent))

    return request


def make_requests(chosen: tuple[Subject, ...], *, asgi: bool) -> dict[str, Request]:
    make = asgi_request if asgi else wsgi_request
    requests = {}
    for subject in chosen:
        with override_settings(MIDDLEWARE=subject.middleware, SESSION_ENGINE=subject.engine):
            requests[subject.name] = make(subject, log_in(subject.engine))
    return requests
