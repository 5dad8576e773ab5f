"""WebSockets and event streams are closed when their session ends, for whatever reason."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from session_auth.sessions import bus, end_all_sessions, end_sessions
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.live import CLOSED, LIVE, Server, goodbyes, opened, running

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server() -> Iterator[Server]:
    goodbyes.clear()
    with running() as server:
        yield server
    bus.stop()


def log_out(browser: ApiClient, alice: User) -> None:
    browser.log_out()


def end_from_elsewhere(browser: ApiClient, alice: User) -> None:
    signed_in().call("DELETE", AUTH + f"sessions/{id_of(browser)}/")


def end_others(browser: ApiClient, alice: User) -> None:
    signed_in().call("DELETE", AUTH + "sessions/")


def deactivate(browser: ApiClient, alice: User) -> None:
    alice.is_active = False
    alice.save()


def set_password(browser: ApiClient, alice: User) -> None:
    alice.set_password("another battery staple horse")
    alice.save()


def delete(browser: ApiClient, alice: User) -> None:
    alice.delete()


def end_everybody(browser: ApiClient, alice: User) -> None:
    end_all_sessions()


def log_in_as_somebody_else(browser: ApiClient, alice: User) -> None:
    User.objects.create_user("bob", password=PASSWORD)
    browser.log_in("bob")


ENDS = [
    log_out,
    end_from_elsewhere,
    end_others,
    deactivate,
    set_password,
    delete,
    end_everybody,
    log_in_as_somebody_else,
]


@pytest.mark.parametrize("end", ENDS)
def test_a_socket_is_closed_at_once_by_each_end(
    server: Server, alice: User, end: Callable[[ApiClient, User], None]
) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())

    end(browser, alice)

    assert socket.next() == CLOSED
    socket.result()
    assert goodbyes == [{"type": "websocket.disconnect", "code": 4401, "reason": "session_ended"}]
