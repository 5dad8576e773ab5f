"""A WebSocket whose session ends, as its application sees it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest
from django.test import override_settings

from session_auth import asgi
from session_auth.asgi import LiveSessions
from session_auth.models import Session
from session_auth.sessions import end_sessions
from tests.api_client import ApiClient, signed_in
from tests.live import CLOSED, Call, Server, echo, opened, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_the_application_sends_afterwards_goes_nowhere(server: Server, alice: User) -> None:
    async def stubborn(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        for _ in range(3):
            await send({"type": "websocket.send", "text": "a secret"})

    browser = signed_in()
    socket = server.socket(LiveSessions(stubborn), browser.session_key())
    assert socket.next() == {"type": "websocket.accept"}

    browser.log_out()

    socket.result()
    assert socket.next() == CLOSED
    assert socket.is_quiet()


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "GRACE_SECONDS", 0.2)


def test_a_session_that_is_over_already_closes_the_socket(server: Server, alice: User) -> None:
    """As where the settings become stricter while the application renews the key."""

    async def renewing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await sync_to_async(_obey)(scope, "renew")
        await receive()
        await receive()

    browser = signed_in()
    socket = server.socket(LiveSessions(renewing), browser.session_key())
    assert socket.next() == {"type": "websocket.accept"}
    with override_settings(SESSION_AUTH_ABSOLUTE_TIMEOUT=timedelta(microseconds=1)):
        assert socket.next() == CLOSED


@pytest.mark.usefixtures("no_grace")
@pytest.mark.parametrize("asks", [True, False])
def test_an_application_that_does_not_return_is_cancelled(
    server: Server, alice: User, asks: bool
) -> None:
    ends = []

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while asks:
                await receive()
            await asyncio.sleep(60)
        finally:
            ends.append("cancelled")

    browser = signed_in()
    socket = server.socket(LiveSessions(deaf), browser.session_key())
    assert socket.next() == {"type": "websocket.accept"}

    browser.log_out()

    assert socket.next() == CLOSED
    socket.result()
    assert ends == ["cancelled"]


@pytest.mark.usefixtures("no_grace")
def test_a_client_that_takes_nothing_holds_nobody_up(server: Server, alice: User) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())
    socket.takes.clear()
    socket.say("hello")

    browser.log_out()

    socket.result()


def test_a_server_can_cancel_the_application(server: Server, alice: User) -> None:
    cancelled = []

    async def patient(scope: Any, receive: Any, send: Any) -> None:
        try:
            await echo(scope, receive, send)
        except asyncio.CancelledError:
            cancelled.append(scope["path"])
            raise

    socket = opened(server, signed_in().session_key(), LiveSessions(patient))

    socket.hang_up()

    wait_until(lambda: bool(cancelled))
    assert socket.is_quiet()
    assert cancelled == ["/"]


def test_a_lifespan_passes_as_it_is(server: Server) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    server.call(LiveSessions(app), {"type": "lifespan"}).result()

    assert seen == [{"type": "lifespan"}]


def _request(scope: Any) -> HttpRequest:
    request = HttpRequest()
    request.session = scope["session"]
    request.user = scope["user"]
    return request


async def consumer(scope: Any, receive: Any, send: Any) -> None:
    """Log users in and out, as consumers of Channels do."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await sync_to_async(_obey)(scope, message["text"])
        await send({"type": "websocket.send", "text": scope["session"].session_key or ""})


def _obey(scope: Any, name: str) -> None:
    session = scope["session"]
    if name == "renew":
        session.cycle_key()
    elif name:
        login(
            _request(scope), User.objects.get(username=name), "session_auth.backends.ModelBackend"
        )
        session.save()
    else:
        session["visited"] = True
        session.save()
    connection.close()


def asked(socket: Call, text: str) -> str:
    socket.say(text)
    return str(socket.next()["text"])


def test_a_session_that_the_application_opens_closes_its_socket_when_it_ends(
    server: Server, alice: User
) -> None:
    socket = server.socket(LiveSessions(consumer))
    assert socket.next() == {"type": "websocket.accept"}
    asked(socket, "")
    asked(socket, "alice")
    key = asked(socket, "renew")
    stored = Session.objects.get()
    assert (stored.ip, stored.user_agent) == ("9.9.9.9", "Tester/1")

    browser = ApiClient()
    browser.cookies["sessionid"] = key
    assert browser.user()["username"] == "alice"
    end_sessions(alice)

    assert socket.next() == CLOSED
