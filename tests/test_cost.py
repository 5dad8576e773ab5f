"""Requests must not get dearer: statements, rows, threads, bytes and calls, without a clock."""

import gc
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.settings import MIDDLEWARE
from tests.test_async import DJANGOS, hops

BRACKETS = ("BEGIN", "SAVEPOINT", "RELEASE", "COMMIT")
WRITES = ("INSERT", "UPDATE", "DELETE")
CREDENTIALS = {"username": "alice", "password": PASSWORD}
PROOF = {"password": PASSWORD}
PUBLIC_ADDRESS = "9.9.9.9"  # whose guesses are counted, too
OURS = [path for path in MIDDLEWARE if path.startswith("session_auth.")]


# Statements, without the brackets of transactions; each includes the lookup of the request itself.

# To count a guess costs one, which writes; on MariaDB four, of which two write.
GUESS, GUESS_WRITES = (
    (1, 1) if connection.features.supports_update_conflicts_with_target else (4, 2)
)

# On MariaDB, a request that ends several sessions locks the user before them.
LOCK = 1 if connection.vendor == "mysql" else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    method: str
    path: str
    body: dict[str, str] | None = None
    signed_in: bool = True
    statements: int
    writes: int = 0
    hops: int = 1
    """Thread hops under ASGI: for the view, which makes the CSRF check, and for what is saved."""


CALLS = [
    Call(method="GET", path="csrf/", statements=0),
    Call(method="GET", path="user/", statements=1),
    Call(method="GET", path="sessions/", statements=2),
    Call(method="DELETE", path="sessions/", statements=3 + LOCK, writes=2),
    Call(method="DELETE", path="sessions/{other}/", statements=2, writes=1),
    Call(method="POST", path="logout/", statements=2, writes=1),
    Call(
        method="POST",
        path="reauthenticate/",
        body=PROOF,
        statements=3 + GUESS,
        writes=2 + GUESS_WRITES,
        hops=2,
    ),
    Call(
        method="POST",
        path="login/",
        body=CREDENTIALS,
        signed_in=False,
        statements=4 + GUESS,
        writes=3 + GUESS_WRITES,
        hops=2,
    ),
]


def browser_for(call: Call) -> ApiClient:
    browser = ApiClient(REMOTE_ADDR=PUBLIC_ADDRESS)
    browser.get(AUTH + "csrf/")
    if call.signed_in:
        browser.log_in()
    return browser


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_an_endpoint_costs_no_more_statements(call: Call, alice: User) -> None:
    here, other = browser_for(call), signed_in()

    with CaptureQueriesContext(connection) as captured:
        response = here.call(call.method, AUTH + call.path.format(other=id_of(other)), call.body)

    assert response.status_code < 300
    statements = [query["sql"] for query in captured if not query["sql"].startswith(BRACKETS)]
    writes = [sql for sql in statements if sql.lstrip().startswith(WRITES)]
    assert (len(statements), len(writes)) == (call.statements, call.writes), "\n".join(statements)


# Threads


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
@override_settings(MIDDLEWARE=OURS)
def test_an_endpoint_takes_no_more_threads(call: Call, alice: User) -> None:
    here, other = browser_for(call), signed_in()
    path = AUTH + call.path.format(other=id_of(other))

    counted = async_to_sync(hops)(here, path, method=call.method, body=call.body)

    assert counted == DJANGOS + call.hops


# Bytes


def size(response: Any) -> int:
    """Return the bytes of the headers, as HTTP/1.1 sends them."""
    lines = [f"{name}: {value}\r\n" for name, value in response.items()]
    lines += [f"Set-Cookie: {morsel.OutputString()}\r\n" for morsel in response.cookies.values()]
    return len("".join(lines).encode())


@pytest.mark.django_db
@override_settings(MIDDLEWARE=OURS)
def test_answers_have_small_headers(browser: ApiClient, alice: User) -> None:
    browser.get(AUTH + "csrf/")

    login = browser.log_in()
    user = browser.get(AUTH + "user/")

    assert size(login) < 750
    assert size(user) < 270  # of which 80 are what the CSP and the Referrer-Policy forbid
    assert {name: len(morsel.OutputString()) < 250 for name, morsel in login.cookies.items()} == {
        "sessionid": True,
        "csrftoken": True,
        "sessionid_device": True,
    }


@pytest.mark.django_db
def test_a_browser_sends_small_cookies(browser: ApiClient, alice: User) -> None:
    browser.log_in()

    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())

    assert len(cookies) < 250


# Calls of functions, Python's and C's: as good as a clock, and the same on every machine


def calls(client: Client, path: str, headers: dict[str, str] | None = None) -> int:
    """Return how many functions one request calls, once all is warm."""
    events: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        events.append(event)  # pragma: no cover # is not traced, being a tracer itself

    for _ in range(3):
        client.get(path, headers=headers)
    gc.disable()  # what it calls is of other requests
    sys.setprofile(note)
    try:
        client.get(path, headers=headers)
    finally:
        sys.setprofile(None)
        gc.enable()
    return events.count("call") + events.count("c_call")


def calls_of(middleware: list[str], engine: str, path: str) -> int:
    with override_settings(MIDDLEWARE=middleware, SESSION_ENGINE=engine):
        client = Client()
        client.force_login(User.objects.get(), "django.contrib.auth.backends.ModelBackend")
        return calls(client, path)


DJANGOS_MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
DJANGOS_ENGINE = "django.contrib.sessions.backends.db"
ENGINE = "session_auth.engines.database"


@pytest.mark.django_db
@override_settings(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"])
def test_knowing_the_user_takes_a_fraction_of_djangos_calls(alice: User) -> None:
    without = calls_of([], DJANGOS_ENGINE, "/page/untouched/")
    djangos = calls_of(DJANGOS_MIDDLEWARE, DJANGOS_ENGINE, "/page/") - without
    ours = calls_of(OURS, ENGINE, "/page/") - without
    unused = calls_of(OURS, ENGINE, "/page/untouched/") - without

    assert ours < djangos / 4.5
    assert ours < (430 if connection.vendor == "mysql" else 420)  # whose driver gives no zones
    assert unused < 90


@pytest.mark.django_db
@override_settings(MIDDLEWARE=OURS)
def test_saying_whom_a_tab_shows_costs_a_digest(
    browser: ApiClient, alice: User, django_assert_num_queries: Any
) -> None:
    """No statement, and no thread: see test_user_changed.py. Who says nothing pays nothing."""
    session = browser.log_in().json()["session"]
    headers = {"Session-User": session["user_ref"]}
    dumb, telling = calls(browser, "/page/"), calls(browser, "/page/", headers)

    assert telling - dumb < 150
    with django_assert_num_queries(1):
        browser.get("/page/", headers=headers)
