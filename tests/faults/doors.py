"""What visitors do, and how to see whether it was done: one half of the table of faults.

Alice has two browsers: one calls, and ``other`` is another of hers. A door is one call, by the
first or by somebody who is not logged in.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.db.models import F
from django.test import AsyncClient, Client
from django.utils.http import urlsafe_base64_encode

from session_auth.models import Session
from tests import logged
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.password_calls import NEW, OLD_AND_NEW


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is stored of alice."""

    sessions: dict[str, str] = field(default_factory=dict)
    """The data of each session, by its id."""

    password: str

    @classmethod
    def now(cls) -> "Truth":
        return cls(
            sessions=dict(Session.objects.values_list("id", "data")),
            password=User.objects.get().password,
        )


@dataclass(frozen=True, kw_only=True)
class World:
    """Alice, her two browsers, and a stranger's, before anything fails."""

    browser: ApiClient
    other: ApiClient
    stranger: ApiClient
    link: dict[str, str]
    before: Truth

    @classmethod
    def make(cls) -> "World":
        alice = User.objects.create_superuser("alice", "alice@example.org", PASSWORD)
        browser, other, stranger = signed_in(), signed_in(), ApiClient()
        stranger.get(AUTH + "csrf/")
        # So that whatever asks for a session has "last seen" to write, too.
        Session.objects.update(last_seen_at=F("last_seen_at") - timedelta(minutes=5))
        uid = urlsafe_base64_encode(str(alice.pk).encode())
        alice.refresh_from_db()
        link = {"uid": uid, "token": default_token_generator.make_token(alice)}
        return cls(browser=browser, other=other, stranger=stranger, link=link, before=Truth.now())


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request, of which the body may depend on the world."""

    method: str = "GET"
    path: str | Callable[[World], str]
    body: Callable[[World], dict[str, Any]] | None = None
    is_form: bool = False

    def path_in(self, world: World) -> str:
        return self.path if isinstance(self.path, str) else self.path(world)

    def is_of_api(self, world: World) -> bool:
        return self.path_in(world).startswith("/api/")

    def make(self, world: World, browser: ApiClient, *, asgi: bool) -> Any:
        client: Any = AsyncClient if asgi else Client
        client = client(enforce_csrf_checks=True, raise_request_exception=False)
        client.cookies = browser.cookies
        body = self.body(world) if self.body else {}
        data, content_type = json.dumps(body), "application/json"
        if self.is_form:
            data = "&".join(f"{name}={value}" for name, value in body.items())
            content_type = "application/x-www-form-urlencoded"
        path = self.path_in(world)
        headers = {"X-CSRFToken": browser.csrf_token()}
        extra = {"content_type": content_type, "headers": headers}

        async def send() -> Any:
            return await client.generic(self.method, path, data, **extra)

        response = (
            async_to_sync(send)() if asgi else client.generic(self.method, path, data, **extra)
        )
        logged.secrets.update(cookie.value for cookie in response.cookies.values() if cookie.value)
        return response


@dataclass(frozen=True, kw_only=True)
class Door:
    name: str
    call: Call
    by_stranger: bool = False
    writes: bool = True
    in_transaction: bool = False
    """Whether what it does is one transaction, in which nothing is tried twice."""

    is_async: bool = False
    """Whether it is an async view, which ``ATOMIC_REQUESTS`` cannot wrap."""

    asks_before: bool = False
    """Whether it is a view that asks the database itself, before we do."""

    asks_nothing: bool = False
    """Whether it can be served while there is no database at all."""

    wsgi_only: bool = False
    """Whether Django's test client would leave a connection open under ASGI, in a thread."""

    is_done: Callable[[World, Truth], bool] = lambda world, after: after == world.before
    """Whether all is as it has to be once it has been answered with success."""

    def visitor(self, world: World) -> ApiClient:
        return world.stranger if self.by_stranger else world.browser


def has_only(world: World, after: Truth, *browsers: ApiClient) -> bool:
    return set(after.sessions) == {id_of(each) for each in browsers}


def has_one_more(world: World, after: Truth) -> bool:
    """Say whether the stranger, and nobody else, has a session now."""
    return has_only(world, after, world.browser, world.other, world.stranger)


def has_new_key(world: World, after: Truth) -> bool:
    return has_only(world, after, world.browser, world.other) and (
        after.sessions.keys() != world.before.sessions.keys()
    )


def has_changed_password(world: World, after: Truth) -> bool:
    return User.objects.get().check_password(NEW) and has_only(world, after, world.browser)


def has_reset_password(world: World, after: Truth) -> bool:
    return User.objects.get().check_password(NEW) and not after.sessions


CREDENTIALS = {"username": "alice", "password": PASSWORD}


def admin_form(world: World) -> dict[str, str]:
    password = PASSWORD.replace(" ", "+")
    return CREDENTIALS | {
        "password": password,
        "csrfmiddlewaretoken": world.stranger.csrf_token(),
        "next": "/admin/",
    }


DOORS = [
    Door(name="csrf/", call=Call(path=AUTH + "csrf/"), writes=False, asks_nothing=True),
    Door(
        name="a page for everybody",
        call=Call(path="/page/public/"),
        writes=False,
        asks_nothing=True,
    ),
    Door(
        name="the page of the admin's login",
        call=Call(path="/admin/login/"),
        by_stranger=True,
        writes=False,
        asks_nothing=True,
    ),
    Door(name="a page of a user", call=Call(path="/page/"), writes=False),
    Door(name="a template rendered late", call=Call(path="/page/lazy/"), writes=False),
    Door(name="a view of an API", call=Call(path="/api/private/"), writes=False),
    Door(name="an async view", call=Call(path="/api/private-async/"), writes=False, is_async=True),
    Door(name="user/", call=Call(path=AUTH + "user/"), writes=False),
    Door(name="GET sessions/", call=Call(path=AUTH + "sessions/"), writes=False),
    Door(name="a page of the admin", call=Call(path="/admin/auth/group/"), writes=False),
    Door(
        name="DELETE sessions/",
        call=Call(method="DELETE", path=AUTH + "sessions/"),
        is_done=lambda world, after: has_only(world, after, world.browser),
    ),
    Door(
        name="DELETE sessions/ID/",
        call=Call(method="DELETE", path=lambda world: f"{AUTH}sessions/{id_of(world.other)}/"),
        is_done=lambda world, after: has_only(world, after, world.browser),
    ),
    Door(
        name="login/",
        call=Call(method="POST", path=AUTH + "login/", body=lambda world: CREDENTIALS),
        by_stranger=True,
        is_done=has_one_more,
    ),
    Door(
        name="a login of the admin",
        call=Call(method="POST", path="/admin/login/", body=admin_form, is_form=True),
        by_stranger=True,
        is_done=has_one_more,
    ),
    Door(
        name="login() of Django",
        call=Call(path="/page/log-in/"),
        asks_before=True,
        by_stranger=True,
        is_done=has_one_more,
    ),
    Door(
        name="logout/",
        call=Call(method="POST", path=AUTH + "logout/"),
        is_done=lambda world, after: has_only(world, after, world.other),
    ),
    Door(
        name="password/reset/",
        call=Call(
            method="POST",
            path=AUTH + "password/reset/",
            body=lambda world: {"email": "alice@example.org"},
        ),
        by_stranger=True,
        wsgi_only=True,
    ),
    Door(
        name="password/reset/confirm/",
        call=Call(
            method="POST",
            path=AUTH + "password/reset/confirm/",
            body=lambda world: world.link | {"new_password": NEW},
        ),
        by_stranger=True,
        wsgi_only=True,
        in_transaction=True,
        is_done=has_reset_password,
    ),
    Door(
        name="password/change/",
        call=Call(
            method="POST", path=AUTH + "password/change/", body=lambda world: dict(OLD_AND_NEW)
        ),
        wsgi_only=True,
        in_transaction=True,
        is_done=has_changed_password,
    ),
    Door(
        name="reauthenticate/",
        call=Call(
            method="POST",
            path=AUTH + "reauthenticate/",
            body=lambda world: {"password": PASSWORD},
        ),
        is_done=has_new_key,
    ),
    Door(
        name="a save",
        call=Call(path="/api/note/?late=1"),
        is_done=lambda world, after: "late" in after.sessions[id_of(world.browser)],
    ),
    Door(
        name="cycle_key()",
        call=Call(path="/page/cycle/"),
        is_done=has_new_key,
    ),
]
