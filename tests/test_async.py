"""Sync and async are equals: the same behaviour, and a thread only for calls that may block."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from asgiref.sync import SyncToAsync, async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.test.client import AsyncClient
from django.utils import timezone

from session_auth import middleware
from session_auth.models import Session
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.clock import NOON
from tests.settings import MIDDLEWARE

pytestmark = pytest.mark.django_db

OURS = "session_auth.middleware."


class AsyncApiClient:
    """An ``ApiClient`` whose requests go through the async handler."""

    def __init__(self, browser: ApiClient) -> None:
        self.client = AsyncClient(enforce_csrf_checks=True, raise_request_exception=False)
        self.client.cookies = browser.cookies
        self.token = browser.csrf_token()

    def get(self, path: str, **extra: Any) -> Any:
        return async_to_sync(self.client.get)(path, **extra)

    def post(self, path: str, data: Any = None, **extra: Any) -> Any:
        headers = {"X-CSRFToken": self.token} | extra.pop("headers", {})
        extra.setdefault("content_type", "application/json")
        return async_to_sync(self.client.post)(path, data, headers=headers, **extra)


class SyncApiClient:
    def __init__(self, browser: ApiClient) -> None:
        self.client = ApiClient(raise_request_exception=False)
        self.client.cookies = browser.cookies
        self.token = browser.csrf_token()
        self.get = self.client.get

    def post(self, path: str, data: Any = None, **extra: Any) -> Any:
        headers = {"X-CSRFToken": self.token} | extra.pop("headers", {})
        extra.setdefault("content_type", "application/json")
        return self.client.post(path, data, headers=headers, **extra)


@pytest.fixture(params=[SyncApiClient, AsyncApiClient])
def here(request: pytest.FixtureRequest, alice: User) -> Any:
    """A browser of alice's, on a sync server or an async one."""
    return request.param(signed_in())


@pytest.fixture(params=[SyncApiClient, AsyncApiClient])
def stranger(request: pytest.FixtureRequest, db: None) -> Any:
    browser = ApiClient()
    browser.get(AUTH + "csrf/")
    return request.param(browser)


def test_sync_and_async_views_know_the_user(here: Any) -> None:
    for path in ("/api/private/", "/api/private-async/", "/api/private-class-async/"):
        response = here.get(path)

        assert (response.status_code, response.json()) == (200, {"username": "alice"})
        assert not response.cookies
        assert "Cookie" in response.headers["Vary"]


def test_a_stranger_is_told_to_log_in(stranger: Any) -> None:
    for path in ("/api/private/", "/api/private-async/"):
        assert stranger.get(path).json()["code"] == "not_authenticated"


def test_a_view_that_leaves_the_session_alone_varies_by_nothing(here: Any) -> None:
    response = here.get("/page/untouched/")

    assert "Vary" not in response.headers


def test_what_a_view_writes_is_saved(here: Any) -> None:
    here.get("/api/note/?a=1")

    assert here.get("/api/note/").json()["a"] == "1"


def test_a_view_that_fails_saves_nothing(here: Any) -> None:
    assert here.get("/api/broken/").status_code == 500

    assert "broken" not in here.get("/api/note/").json()


def test_a_session_that_ends_in_mid_request_is_401(here: Any) -> None:
    response = here.get("/api/ended-meanwhile/")

    assert (response.status_code, response.json()["code"]) == (401, "session_ended")


def test_a_logout_ends_the_session_and_takes_the_cookie(here: Any) -> None:
    response = here.post(AUTH + "logout/")

    assert response.json() == {"message": "Logged out"}
    assert response.cookies["sessionid"].value == ""
    assert not Session.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_logout_outlives_the_rollback_of_its_request(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    assert here.get("/api/logout-and-fail/").status_code == 500

    assert not Session.objects.exists()


@override_settings(SESSION_SAVE_EVERY_REQUEST=True)
def test_a_session_can_be_saved_with_every_request(clock: Any, here: Any) -> None:
    clock.move_to(NOON.replace(hour=13))

    response = here.get("/page/untouched/")

    assert "sessionid" in response.cookies
    assert Session.objects.get().last_seen_at == NOON.replace(hour=13)


def test_activity_is_noted(clock: Any, here: Any) -> None:
    clock.move_to(NOON.replace(hour=13))

    here.get("/api/private/")

    assert Session.objects.get().last_seen_at == NOON.replace(hour=13)


def test_an_unsafe_call_without_a_token_is_refused(here: Any) -> None:
    for path in ("/api/note/?a=1", "/page/note/?a=1"):
        response = here.post(path, headers={"X-CSRFToken": ""})

        assert response.status_code == 403
    assert "a" not in here.get("/api/note/").json()


def test_the_token_may_come_in_a_form(here: Any) -> None:
    response = here.post(
        "/page/note/?a=1",
        f"csrfmiddlewaretoken={here.token}",
        content_type="application/x-www-form-urlencoded",
        headers={"X-CSRFToken": ""},
    )

    assert response.status_code == 200


@override_settings(CSRF_USE_SESSIONS=True)
def test_the_token_may_be_kept_in_the_session(here: Any) -> None:
    here.token = here.get(AUTH + "csrf/").json()["csrfToken"]

    assert here.post("/api/note/?a=1").status_code == 200
    assert here.post("/api/note/?a=1", headers={"X-CSRFToken": "x"}).status_code == 403


# Hooks of a project, which may ask a database: they get a thread under ASGI


class ProjectsSession(middleware.SessionMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.META["seen"] = [User.objects.count()]


class ProjectsCsrf(middleware.CsrfViewMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.META["seen"].append(User.objects.count())

    def process_view(self, request: HttpRequest, *view: Any) -> Any:
        request.META["seen"].append(User.objects.count())
        return super().process_view(request, *view)


class ProjectsAuthentication(middleware.AuthenticationMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.META["seen"].append(User.objects.count())


class AuthenticationThatLooksBack(middleware.AuthenticationMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers["X-Users"] = str(User.objects.count())
        return response


def with_replaced(**classes: str) -> list[str]:
    return [
        f"{__name__}.{classes[name]}" if (name := path.removeprefix(OURS)) in classes else path
        for path in MIDDLEWARE
    ]


def test_hooks_of_a_subclass_are_called(here: Any) -> None:
    replaced = with_replaced(
        SessionMiddleware="ProjectsSession",
        CsrfViewMiddleware="ProjectsCsrf",
        AuthenticationMiddleware="ProjectsAuthentication",
    )
    with override_settings(MIDDLEWARE=replaced):
        response = here.get("/api/private/")
        refusal = here.post("/api/note/", headers={"X-CSRFToken": ""})

    assert response.json() == {"username": "alice"}
    request = getattr(response, "wsgi_request", None) or response.asgi_request
    assert request.META["seen"] == [1, 1, 1, 1]
    assert refusal.json()["code"] == "csrf_failed"


def test_a_hook_that_a_subclass_adds_is_called(here: Any) -> None:
    replaced = with_replaced(AuthenticationMiddleware="AuthenticationThatLooksBack")
    with override_settings(MIDDLEWARE=replaced):
        response = here.get("/api/private/")

    assert (response.json(), response.headers["X-Users"]) == ({"username": "alice"}, "1")


def sync_only(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    def call(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers["X-Sync"] = "yes"
        return response

    return call


def test_a_middleware_that_is_sync_only_may_stand_among_ours(here: Any) -> None:
    chain = [*MIDDLEWARE[:3], f"{__name__}.sync_only", *MIDDLEWARE[3:]]
    with override_settings(MIDDLEWARE=chain):
        response = here.get("/api/private-async/")

    assert (response.json(), response.headers["X-Sync"]) == ({"username": "alice"}, "yes")


class TakesTheSessionAway:
    sync_capable = async_capable = True

    def __new__(cls, get_response: Any) -> Any:
        def call(request: HttpRequest) -> Any:
            del request.session
            return get_response(request)

        return markcoroutinefunction(call) if iscoroutinefunction(get_response) else call


def test_a_request_without_a_session_is_left_alone(here: Any) -> None:
    chain = [OURS + "SessionMiddleware", f"{__name__}.TakesTheSessionAway"]
    with override_settings(MIDDLEWARE=chain):
        response = here.get("/page/untouched/")

    assert (response.status_code, dict(response.cookies)) == (200, {})


def test_without_a_session_middleware_the_remedy_is_said(here: Any) -> None:
    with override_settings(MIDDLEWARE=[OURS + "AuthenticationMiddleware"]):
        here.client.raise_request_exception = True
        with pytest.raises(Exception, match="requires session middleware"):
            here.get("/api/private-async/")


# Threads


async def hops(
    client: ApiClient,
    path: str,
    *headers: tuple[bytes, bytes],
    method: str = "GET",
    body: dict[str, str] | None = None,
) -> int:
    """Return how many calls of one request ran in a thread."""
    counted = 0
    call: Callable[..., Awaitable[Any]] = SyncToAsync.__call__

    async def count(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal counted
        counted += 1
        return await call(self, *args, **kwargs)

    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    content = b"" if body is None else json.dumps(body).encode()
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [
            (b"host", b"testserver"),
            (b"cookie", cookies.encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"x-csrftoken", client.csrf_token().encode()),
            *headers,
        ],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }
    messages = [{"type": "http.request", "body": content}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.Future()

    async def send(message: Any) -> None:
        sent.append(message)

    handler = ASGIHandler()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SyncToAsync, "__call__", count)
        await handler(scope, receive, send)
    assert sent[0]["status"] < 300
    return counted


DJANGOS = 2
"""The threads of Django's handler: for the signals at the start and the end of a request."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "ours"), [("/page/untouched-async/", 0), ("/api/private-async/", 1)]
)
@override_settings(MIDDLEWARE=[path for path in MIDDLEWARE if path.startswith(OURS)])
def test_a_request_takes_a_thread_for_its_lookup_alone(alice: User, path: str, ours: int) -> None:
    assert async_to_sync(hops)(signed_in(), path) == DJANGOS + ours


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("activity", "written"), [(b"active", 1), (b"passive", 0)])
@override_settings(MIDDLEWARE=[path for path in MIDDLEWARE if path.startswith(OURS)])
def test_only_activity_takes_a_thread_to_be_recorded(
    activity: bytes, written: int, alice: User
) -> None:
    here = signed_in()
    Session.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))

    counted = async_to_sync(hops)(here, "/api/private-async/", (b"session-activity", activity))

    assert counted == DJANGOS + 1 + written


# What a project's own views call


@pytest.mark.parametrize("client", [SyncApiClient, AsyncApiClient])
@pytest.mark.parametrize("path", ["/api/steps/", "/api/steps-async/"])
def test_the_flows_do_the_same_for_sync_and_async_views(
    alice: User, client: Any, path: str
) -> None:
    stranger, _, _ = ApiClient(), signed_in(), signed_in()
    stranger.get(AUTH + "csrf/")
    here = client(stranger)

    response = here.post(f"{path}?name=alice&password={PASSWORD}")

    assert response.json() == {"seen": ["alice", ["link", "password"], 3, True, False, 1, 1, False]}
    assert not Session.objects.exists()


class NotingHasher(MD5PasswordHasher):
    algorithm = "noting"
    threads: ClassVar[set[int]] = set()

    def verify(self, password: str, encoded: str) -> bool:
        self.threads.add(threading.get_ident())
        return super().verify(password, encoded)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("login/", {"username": "alice", "password": PASSWORD}),
        ("reauthenticate/", {"password": PASSWORD}),
        ("password/change/", {"old_password": PASSWORD, "new_password": PASSWORD + "!"}),
    ],
)
@override_settings(PASSWORD_HASHERS=[f"{__name__}.NotingHasher"])
def test_a_password_is_never_hashed_in_the_event_loop(path: str, body: dict[str, str]) -> None:
    User.objects.create_user("alice", password=PASSWORD)
    here = signed_in()
    NotingHasher.threads.clear()

    async def call() -> int:
        await hops(here, AUTH + path, method="POST", body=body)
        return threading.get_ident()

    loops_thread = async_to_sync(call)()

    assert NotingHasher.threads
    assert loops_thread not in NotingHasher.threads
