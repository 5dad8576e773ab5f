"""Rules for what stands around the project."""

from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings
from django.utils.decorators import sync_and_async_middleware

from session_auth.checks import deployment
from session_auth.checks.deployment import django_is_patched
from tests.checking import deployed, ids

pytestmark = pytest.mark.django_db

PROXY_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


class SyncOnly:
    async_capable = False


def plain_function(get_response: Any) -> Any: ...


@sync_and_async_middleware
def both(get_response: Any) -> Any: ...


class SessionsElsewhere:
    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "elsewhere" if model._meta.app_label == "session_auth" else None


@pytest.fixture
def elsewhere() -> Iterator[dict[str, Any]]:
    """A database of sessions, whose settings the test may change."""
    database = connections.settings["elsewhere"] = deepcopy(connections.settings["default"])
    database |= {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "sessions.sqlite3",
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {},
    }
    yield database
    with suppress(AttributeError):  # where nobody has asked for a connection
        del connections["elsewhere"]
    del connections.settings["elsewhere"]


@pytest.mark.parametrize("proxy", ["0.0.0.0/0", "::/0"])
def test_everybody_is_no_proxy(proxy: str) -> None:
    assert ids(SESSION_AUTH_TRUSTED_PROXIES=["unix", "10.0.0.0/8", "::1"]) == []
    assert ids(SESSION_AUTH_TRUSTED_PROXIES=["unix", "10.0.0.0/8", proxy]) == ["session_auth.E012"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"SECURE_PROXY_SSL_HEADER": PROXY_HEADER}, ["session_auth.W103"]),
        (
            {"SECURE_PROXY_SSL_HEADER": PROXY_HEADER, "SESSION_AUTH_TRUSTED_PROXIES": []},
            ["session_auth.W103"],
        ),
        (
            {"SECURE_PROXY_SSL_HEADER": PROXY_HEADER, "SESSION_AUTH_TRUSTED_PROXIES": "unix"},
            ["session_auth.E006"],
        ),
        ({"USE_X_FORWARDED_HOST": True}, ["session_auth.I101", "session_auth.W103"]),
        ({"SESSION_AUTH_TRUSTED_PROXIES": ["unix"]}, ["session_auth.I101"]),
        (
            {"SESSION_AUTH_TRUSTED_PROXIES": ["unix"], "SECURE_PROXY_SSL_HEADER": PROXY_HEADER},
            [],
        ),
    ],
)
def test_what_is_said_of_a_proxy_is_said_in_full(
    change: dict[str, Any], expected: list[str]
) -> None:
    assert deployed(**change) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(365 * 86400, []), (365 * 86400 - 1, ["session_auth.W110"]), (3600, ["session_auth.W110"])],
)
def test_browsers_remember_https_for_a_year(seconds: int, expected: list[str]) -> None:
    assert deployed(SECURE_HSTS_SECONDS=seconds) == expected


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ("both", []),
        ("plain_function", ["session_auth.W102"]),
        ("SyncOnly", ["session_auth.W102"]),
    ],
)
def test_middleware_that_takes_a_thread_under_asgi_is_found(
    middleware: str, expected: list[str]
) -> None:
    change = {"MIDDLEWARE": [*settings.MIDDLEWARE, f"{__name__}.{middleware}"]}

    assert deployed(**change, ASGI_APPLICATION="config.asgi.application") == expected
    assert deployed(**change) == []


@pytest.mark.parametrize(
    ("name", "expected"), [("sessions.sqlite3", []), (":memory:", ["session_auth.E111"])]
)
def test_sessions_in_the_memory_of_one_process_are_found(
    elsewhere: dict[str, Any], name: str, expected: list[str]
) -> None:
    elsewhere["NAME"] = name

    assert deployed(DATABASE_ROUTERS=[f"{__name__}.SessionsElsewhere"]) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"ATOMIC_REQUESTS": True}, ["session_auth.W111"]),
        (
            {"ATOMIC_REQUESTS": True, "OPTIONS": {"transaction_mode": "DEFERRED"}},
            ["session_auth.W111"],
        ),
        ({"ATOMIC_REQUESTS": True, "OPTIONS": {"transaction_mode": "IMMEDIATE"}}, []),
        ({"ATOMIC_REQUESTS": True, "ENGINE": "django.db.backends.dummy"}, []),
    ],
)
def test_sqlite_that_fails_instead_of_waiting_is_found(
    elsewhere: dict[str, Any], change: dict[str, Any], expected: list[str]
) -> None:
    elsewhere |= change

    assert deployed(DATABASE_ROUTERS=[f"{__name__}.SessionsElsewhere"]) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ((5, 2, 14, "final", 0), ["session_auth.W112"]),
        ((5, 2, 15, "final", 0), []),
        ((6, 0, 5, "final", 0), ["session_auth.W112"]),
        ((6, 0, 6, "final", 0), []),
        ((6, 1, 0, "final", 0), []),
    ],
)
def test_a_django_that_lacks_security_releases_is_found(
    version: tuple[Any, ...], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.VERSION", version)

    assert [message.id for message in django_is_patched()] == expected


PREPARING = {"prepare_threshold": 1}


@pytest.mark.parametrize(
    ("change", "sign"),
    [
        ({"PORT": "6432"}, None),
        ({"OPTIONS": {"prepare_threshold": None}, "PORT": 6432}, None),
        ({"OPTIONS": PREPARING}, None),
        ({"OPTIONS": PREPARING, "PORT": 6432}, "PORT is 6432"),
        ({"OPTIONS": PREPARING, "HOST": "/run/PgBouncer"}, "HOST names a bouncer"),
        (
            {"OPTIONS": PREPARING, "DISABLE_SERVER_SIDE_CURSORS": True},
            "DISABLE_SERVER_SIDE_CURSORS is set",
        ),
        ({"OPTIONS": PREPARING, "PORT": 6432, "ENGINE": "django.db.backends.mysql"}, None),
    ],
)
def test_prepared_statements_are_not_lost_in_a_pool_of_transactions(
    elsewhere: dict[str, Any], change: dict[str, Any], sign: str | None
) -> None:
    elsewhere |= {"ENGINE": "django.db.backends.postgresql"} | change

    with override_settings(DATABASE_ROUTERS=[f"{__name__}.SessionsElsewhere"]):
        # Alone, for the driver of PostgreSQL need not be here.
        found = deployment.pooled_transactions_prepare_nothing()

    assert [str(message.id) for message in found] == (["session_auth.W113"] if sign else [])
    assert all(sign and sign in str(message.msg) for message in found)


@pytest.mark.parametrize(
    ("change", "listen_at", "expected"),
    [
        ({"PORT": "6432"}, {}, ["session_auth.I104"]),
        ({"DISABLE_SERVER_SIDE_CURSORS": True}, {}, ["session_auth.I104"]),
        ({"PORT": "6432"}, {"PORT": "5432"}, []),
        ({"PORT": "5432"}, {}, []),
        ({"PORT": "6432", "ENGINE": "django.db.backends.mysql"}, {}, []),
    ],
)
def test_a_pooler_that_cannot_carry_the_bus_is_found(
    elsewhere: dict[str, Any],
    change: dict[str, Any],
    listen_at: dict[str, str],
    expected: list[str],
) -> None:
    elsewhere |= {"ENGINE": "django.db.backends.postgresql"} | change
    routers = [f"{__name__}.SessionsElsewhere"]

    with override_settings(DATABASE_ROUTERS=routers, SESSION_AUTH_LISTEN_AT=listen_at):
        found = deployment.ends_are_heard_past_a_pooler()

    assert [str(message.id) for message in found] == expected
