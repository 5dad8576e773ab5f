"""What happens to a session while a WebSocket or a stream of it is opened, or closed."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import alogin
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIHandler
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.test import override_settings
from django.urls import path

from session_auth import asgi
from session_auth.asgi import LiveSessions
from session_auth.backends import ModelBackend
from session_auth.decorators import login_required
from session_auth.sessions import end_all_sessions, end_sessions, watching
from tests import urls, views
from tests.api_client import ApiClient, signed_in
from tests.live import CLOSED, LIVE, Call, Server, echo, opened, wait_until
from tests.settings import MIDDLEWARE
from tests.storing import SessionStore

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Django does not close the body of a request that it cancels.
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile:ResourceWarning"),
]

ACTIVE = LiveSessions(echo, activity=True)


@pytest.fixture(autouse=True)
def no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no look find what must come at once."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 60.0)


def watched(server: Server) -> list[str]:
    """Return the ids of the sessions that the event loop watches over."""

    async def ids() -> list[str]:
        return list(watching.watch()._open)

    return asyncio.run_coroutine_threadsafe(ids(), server.loop).result(5)


# Streams: what becomes of the session in the view


@login_required
async def ending(request: HttpRequest) -> HttpResponseBase:
    """Open a stream for a user whose sessions somebody ends meanwhile."""
    await sync_to_async(end_sessions)(await request.auser())
    return await views.stream(request)


@login_required
async def renewing(request: HttpRequest) -> HttpResponseBase:
    await request.session.acycle_key()
    return await views.stream(request)


async def logging_in(request: HttpRequest) -> HttpResponseBase:
    """As a middleware does that knows the user by what the server says."""
    await alogin(request, await User.objects.aget(), "session_auth.backends.ModelBackend")
    return await views.stream(request)


@login_required
async def renewed_elsewhere(request: HttpRequest) -> HttpResponseBase:
    other = SessionStore(request.session.session_key)
    await other.acycle_key()
    return await views.stream(request)


urlpatterns = [
    *urls.urlpatterns,
    path("ending/", ending),
    path("renewing/", renewing),
    path("logging-in/", logging_in),
    path("renewed-elsewhere/", renewed_elsewhere),
]


@pytest.fixture
def site() -> Iterator[Any]:
    ours = [each for each in MIDDLEWARE if "session_auth" in each]
    with override_settings(MIDDLEWARE=ours, ROOT_URLCONF=__name__):
        yield LiveSessions(ASGIHandler())


def test_a_session_that_ends_in_the_view_opens_no_stream(
    server: Server, site: Any, alice: User
) -> None:
    stream = server.request(site, "/ending/", signed_in().session_key())

    assert stream.next()["status"] == 401
    assert b"session_ended" in stream.next()["body"]
    stream.result()


@pytest.mark.parametrize("view", ["renewing", "logging-in", "renewed-elsewhere"])
def test_a_session_with_a_key_of_the_view_ends_its_stream(
    server: Server, site: Any, alice: User, view: str
) -> None:
    key = "" if view == "logging-in" else signed_in().session_key()
    stream = server.request(site, f"/{view}/", key)
    assert stream.next()["status"] == 200
    assert stream.next()["body"] == b"data: 1\n\n"

    end_sessions(alice)

    assert b"session_ended" in stream.next()["body"]
    stream.result()


# WebSockets: what happens while one is opened, and while activity is recorded


class Meanwhile(ModelBackend):
    """Finds a user, and does in that moment what ``calls`` has."""

    def get_user(self, user_id: Any) -> Any:
        while calls:
            calls.pop()()
        return User.objects.get(pk=user_id)


calls: list[Callable[[], None]] = []


def signed_in_by_another_backend(alice: User) -> ApiClient:
    browser = ApiClient()
    browser.force_login(alice, f"{__name__}.Meanwhile")
    return browser


@override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.Meanwhile"])
def test_a_new_key_during_the_handshake_is_watched_over(server: Server, alice: User) -> None:
    session = SessionStore(signed_in_by_another_backend(alice).session_key())
    calls.append(session.cycle_key)
    socket = opened(server, str(session.session_key))

    assert watched(server) == [id_of_session(session)]
    session.flush()

    assert socket.next() == CLOSED


@override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.Meanwhile"])
def test_a_handshake_that_fails_leaves_nothing(server: Server, alice: User) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    calls.append(fail)
    socket = server.socket(LIVE, signed_in_by_another_backend(alice).session_key())

    with pytest.raises(ZeroDivisionError):
        socket.result()
    assert not watched(server)


class Marking:
    """Holds up whoever records activity, until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_begun, self.may_go_on = threading.Event(), threading.Event()
        self.is_done = threading.Event()
        self._mark_seen = type(SessionStore.rows).mark_seen
        monkeypatch.setattr(type(SessionStore.rows), "mark_seen", self)

    def __get__(self, rows: Any, owner: type) -> Callable[..., bool]:
        def mark_seen(*args: Any, **kwargs: Any) -> bool:
            self.has_begun.set()
            assert self.may_go_on.wait(10)
            try:
                return self._mark_seen(rows, *args, **kwargs)
            finally:
                self.is_done.set()

        return mark_seen


@pytest.fixture
def marking(monkeypatch: pytest.MonkeyPatch) -> Marking:
    return Marking(monkeypatch)


def active(server: Server, browser: ApiClient, marking: Marking) -> Call:
    """Return a WebSocket over which something came, which is being recorded."""
    marking.may_go_on.set()
    socket = opened(server, browser.session_key(), ACTIVE)
    marking.may_go_on.clear()
    marking.has_begun.clear()
    marking.is_done.clear()
    assert socket.is_quiet(0.2)
    socket.say("hello")
    assert socket.next()["text"] == "hello"
    assert marking.has_begun.wait(5)
    return socket


@override_settings(SESSION_AUTH_LAST_SEEN_INTERVAL=timedelta(seconds=0.1))
def test_a_socket_that_is_closed_while_activity_is_recorded_leaves_nothing(
    server: Server, alice: User, marking: Marking
) -> None:
    socket = active(server, signed_in(), marking)
    socket.send({"type": "websocket.disconnect", "code": 1001})
    socket.result()

    marking.may_go_on.set()

    assert marking.is_done.wait(5)
    wait_until(lambda: not watched(server))


@override_settings(SESSION_AUTH_LAST_SEEN_INTERVAL=timedelta(seconds=0.1))
def test_a_new_key_while_activity_is_recorded_is_watched_over(
    server: Server, alice: User, marking: Marking
) -> None:
    browser = signed_in()
    socket = active(server, browser, marking)
    session = SessionStore(browser.session_key())
    session.cycle_key()

    marking.may_go_on.set()

    assert marking.is_done.wait(5)
    wait_until(lambda: watched(server) == [id_of_session(session)])
    assert socket.is_quiet(0.2)
    session.flush()
    assert socket.next() == CLOSED


# Transactions


@pytest.mark.parametrize(
    "end", [lambda user: end_all_sessions(), end_sessions], ids=["everybody's", "of a user"]
)
def test_an_end_closes_a_socket_once_it_is_committed(
    server: Server, alice: User, ends: list[Any], end: Callable[[User], int]
) -> None:
    socket = opened(server, signed_in().session_key())

    with transaction.atomic():
        assert end(alice) == 1
        transaction.set_rollback(True)
    assert socket.is_quiet(0.2)
    assert ends == []
    with transaction.atomic():
        assert end(alice) == 1
        assert socket.is_quiet(0.2)

    assert socket.next() == CLOSED
    assert len(ends) == 1


# What is closed already


async def brief(scope: Any, receive: Any, send: Any) -> None:
    """Close the connection, and work on."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
    else:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n"})
    await asyncio.sleep(0.8)
    done.append(scope["type"])


done: list[str] = []


@pytest.mark.parametrize("kind", ["websocket", "http"])
def test_what_an_application_does_after_it_has_closed_is_not_stopped(
    server: Server, alice: User, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "GRACE_SECONDS", 0.1)
    done.clear()
    browser, app = signed_in(), LiveSessions(brief)
    open_it = server.socket if kind == "websocket" else partial(server.request, path="/")
    call = open_it(app, key=browser.session_key())
    call.next(), call.next()

    browser.log_out()

    call.result()
    assert call.is_quiet()
    assert done == [kind]


def id_of_session(session: Any) -> str:
    assert session.info is not None
    return str(session.info.id)
