"""Channels: consumers log users in and out, without a request."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.auth import AuthMiddlewareStack, login, logout
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import User

from session_auth.contrib.channels import ClientInfoMiddleware
from session_auth.models import Session
from tests.api_client import ApiClient, signed_in
from tests.neighbours.connections import ADDRESS, say

pytestmark = pytest.mark.django_db(transaction=True)
BACKEND = "session_auth.backends.ModelBackend"


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


APP = AuthMiddlewareStack(ClientInfoMiddleware(Consumer.as_asgi()))


def tell(text: str, key: str = "") -> list[str]:
    said: str = async_to_sync(say)(APP, text, key=key)
    return said.split()


def with_key(key: str) -> ApiClient:
    browser = ApiClient()
    browser.cookies["sessionid"] = key
    return browser


def test_a_consumer_knows_the_user(alice: User) -> None:
    assert tell("who", signed_in().session_key())[0] == "alice"
    assert tell("who")[0] == "AnonymousUser"


def test_its_logout_ends_the_session(alice: User, ends: list[Any]) -> None:
    browser = signed_in()

    assert tell("log out", browser.session_key())[0] == "AnonymousUser"

    assert browser.user() is None
    assert [reason for _, _, reason in ends] == ["logout"]


def test_its_login_opens_a_session_that_the_list_shows_with_its_client(alice: User) -> None:
    name, key = tell("alice")

    assert name == "alice"
    [listed] = with_key(key).get("/api/auth/sessions/").json()["sessions"]
    assert (listed["ip"], listed["user_agent"]) == (ADDRESS, "Tester/1")


def test_its_login_as_somebody_else_ends_the_session_before(alice: User, bob: User) -> None:
    browser = signed_in()

    name, key = tell("bob", browser.session_key())

    assert (name, browser.user()) == ("bob", None)
    assert with_key(key).user()["username"] == "bob"
    assert Session.objects.count() == 1
