"""Channels: consumers know the user, log users in and out, and end with their session."""

from typing import Any

import pytest
from channels.auth import AuthMiddlewareStack, login, logout
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.auth.models import User
from django.urls import path

from session_auth.asgi import LiveSessions
from tests.api_client import ApiClient, signed_in
from tests.live import CLOSED, Server

pytestmark = pytest.mark.django_db(transaction=True)
BACKEND = "session_auth.backends.ModelBackend"
left: list[int] = []


class Consumer(AsyncWebsocketConsumer):
    async def receive(self, text_data: str = "", bytes_data: bytes = b"") -> None:
        if text_data == "log out":
            await logout(self.scope)
        elif text_data != "who":
            user = await User.objects.aget(username=text_data)
            await login(self.scope, user, BACKEND)
            await database_sync_to_async(self.scope["session"].save)()
        name = str(self.scope["user"])
        await self.send(f"{name} {self.scope['session'].session_key}")

    async def disconnect(self, code: int) -> None:
        left.append(code)


class Chat(WebsocketConsumer):
    """As in the tutorial of Channels."""

    def receive(self, text_data: str) -> None:
        self.send(text_data=f"{self.scope['user']}: {text_data}")

    def disconnect(self, close_code: int) -> None:
        left.append(close_code)


APP = LiveSessions(Consumer.as_asgi())
TUTORIAL = LiveSessions(
    ProtocolTypeRouter(
        {
            "websocket": AllowedHostsOriginValidator(
                AuthMiddlewareStack(URLRouter([path("", Chat.as_asgi())]))
            )
        }
    )
)


@pytest.fixture(autouse=True)
def nobody_has_left() -> None:
    left.clear()


def opened(server: Server, key: str = "", app: Any = APP) -> Any:
    socket = server.socket(app, key)
    assert socket.next()["type"] == "websocket.accept"
    return socket


def tell(socket: Any, text: str) -> list[str]:
    socket.say(text)
    said: str = socket.next()["text"]
    return said.split()


def with_key(key: str) -> ApiClient:
    browser = ApiClient()
    browser.cookies["sessionid"] = key
    return browser


def test_a_consumer_knows_the_user(server: Server, alice: User) -> None:
    assert tell(opened(server, signed_in().session_key()), "who")[0] == "alice"
    assert tell(opened(server), "who")[0] == "AnonymousUser"


@pytest.mark.parametrize("app", [APP, TUTORIAL])
def test_a_consumer_is_told_when_its_session_ends(server: Server, alice: User, app: Any) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key(), app)
    socket.say("who")
    assert "alice" in socket.next()["text"]

    browser.log_out()

    assert socket.next() == CLOSED
    socket.result()
    assert left == [4401]


def test_its_logout_ends_the_session(server: Server, alice: User, ends: list[Any]) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())

    socket.say("log out")

    assert socket.next() == CLOSED
    assert browser.user() is None
    assert [reason for _, _, reason in ends] == ["logout"]


def test_its_login_opens_a_session_that_the_list_shows_with_its_client(
    server: Server, alice: User
) -> None:
    socket = opened(server)

    name, key = tell(socket, "alice")

    assert name == "alice"
    browser = with_key(key)
    [listed] = browser.get("/api/auth/sessions/").json()["sessions"]
    assert (listed["ip"], listed["user_agent"]) == ("9.9.9.9", "Tester/1")
    browser.log_out()
    assert socket.next() == CLOSED


def test_its_login_as_somebody_else_ends_the_session_before(
    server: Server, alice: User, bob: User
) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())

    socket.say("bob")

    assert socket.next() == CLOSED
    assert browser.user() is None
