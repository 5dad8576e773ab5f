"""Calls that need a recent login, and how users prove their password again."""

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import Client, override_settings
from django.test.client import AsyncClient

from session_auth.models import Session
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.clock import NOON

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["sessions/", "sessions/x/"])
def test_ending_sessions_asks_for_a_recent_login(
    clock: Any, alice: User, ends: list[Any], path: str
) -> None:
    here = signed_in()
    signed_in()
    clock.move_to(NOON + timedelta(minutes=15, seconds=1))

    response = here.call("DELETE", AUTH + path)

    assert response.status_code == 403
    assert response.json() == {
        "error": "Enter your password again: the last time was too long ago.",
        "code": "reauthentication_required",
        "methods": ["password"],
    }
    assert Session.objects.count() == 2
    assert ends == []


def test_proving_the_password_again_renews_the_session_and_keeps_its_data(
    clock: Any, alice: User, ends: list[Any]
) -> None:
    here = signed_in()
    here.call("POST", "/api/note/?cart=3")
    old_key, old_token = here.session_key(), here.csrf_token()
    clock.move_to(NOON + timedelta(days=29))
    Session.objects.update(
        expires_at=NOON + timedelta(days=30), last_seen_at=NOON + timedelta(days=28)
    )

    response = here.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})

    assert response.status_code == 200
    assert response.json()["user"] == {"id": alice.pk, "username": "alice"}
    assert here.session_key() != old_key
    assert here.csrf_token() != old_token
    assert here.get("/api/note/").json()["cart"] == "3"
    row = Session.objects.get()
    assert row.id == id_of(here)
    assert row.authenticated_at == NOON + timedelta(days=29)
    assert row.expires_at == NOON + timedelta(days=29 + 14)
    assert ends == []
    thief = ApiClient()
    thief.cookies["sessionid"] = old_key
    assert thief.user() is None


def test_after_the_proof_sessions_can_be_ended(clock: Any, alice: User) -> None:
    here = signed_in()
    signed_in()
    clock.move_to(NOON + timedelta(hours=1))
    here.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})

    assert here.call("DELETE", AUTH + "sessions/").json() == {"ended": 1}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"password": "wrong"}, 401, "invalid_credentials"),
        ({"password": ""}, 400, "invalid_request"),
        ({}, 400, "invalid_request"),
        ({"password": 1}, 400, "invalid_request"),
        ({"password": PASSWORD, "username": "bob"}, 400, "invalid_request"),
    ],
)
def test_a_proof_that_fails_changes_nothing(
    clock: Any, alice: User, body: object, status: int, code: str
) -> None:
    here = signed_in()
    clock.move_to(NOON + timedelta(hours=1))
    key = here.session_key()

    response = here.call("POST", AUTH + "reauthenticate/", body)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert here.session_key() == key
    assert Session.objects.get().authenticated_at == NOON


def test_a_backend_that_finds_somebody_else_proves_nothing(alice: User, bob: User) -> None:
    here = signed_in()

    model_backend = "session_auth.backends.ModelBackend"
    with override_settings(AUTHENTICATION_BACKENDS=[model_backend, f"{__name__}.AlwaysBob"]):
        response = here.call("POST", AUTH + "reauthenticate/", {"password": "any"})

    assert response.status_code == 401
    assert response.json()["code"] == "invalid_credentials"


class AlwaysBob(BaseBackend):
    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User:
        return User.objects.get(username="bob")


RECENT = [
    "/api/recent/",
    "/api/recent-async/",
    "/api/recent-5/",
    "/api/recent-class/",
    "/api/recent-class-async/",
]


@pytest.mark.parametrize("path", RECENT)
def test_a_view_can_ask_for_a_recent_login(clock: Any, alice: User, path: str) -> None:
    here = signed_in()
    age = timedelta(minutes=5 if path == "/api/recent-5/" else 15)

    assert Client().get(path).status_code == 401
    clock.move_to(NOON + age)
    assert here.get(path).status_code == 200
    clock.move_to(NOON + age + timedelta(seconds=1))
    assert here.get(path).json()["code"] == "reauthentication_required"


@override_settings(SESSION_AUTH_RECENT_LOGIN=timedelta(hours=1))
def test_what_is_recent_is_a_setting(clock: Any, alice: User) -> None:
    here = signed_in()

    clock.move_to(NOON + timedelta(hours=1))

    assert here.get("/api/recent/").status_code == 200


def test_a_recent_login_is_asked_for_under_asgi_too(clock: Any, alice: User) -> None:
    client = AsyncClient()

    async def early_and_late() -> list[int]:
        await client.aforce_login(alice)
        early = [(await client.get(path)).status_code for path in RECENT]
        clock.move_to(NOON + timedelta(hours=1))
        late = [(await client.get(path)).status_code for path in RECENT]
        return early + late

    assert async_to_sync(early_and_late)() == [200] * 5 + [403] * 5
