"""Requests that are not Django's, or none: as of Channels, and of what is built on it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate, user_logged_in, user_logged_out
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed

from session_auth import throttling
from session_auth.client_info import ClientInfo, client_info, meta_of, meta_of_scope
from session_auth.exceptions import Throttled
from session_auth.models import GuessCount
from tests.api_client import PASSWORD, signed_in

pytestmark = pytest.mark.django_db


def scope(**more: object) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/graphql/é",
        "client": ("9.9.9.9", 1234),
        "headers": [
            (b"User-Agent", b"Tester/1"),
            (b"x-forwarded-for", b"8.8.8.8"),
            (b"X-Forwarded-For", b"10.0.0.1"),
            (b"cookie", b"a=1"),
        ],
        "cookies": {},
    } | more


KINDS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "nothing": object,
    "meta": lambda: SimpleNamespace(META={"REMOTE_ADDR": "9.9.9.9"}),
    "scope": lambda: SimpleNamespace(scope=scope()),
    "consumer": lambda: SimpleNamespace(consumer=SimpleNamespace(scope=scope())),
    "websocket": lambda: SimpleNamespace(scope={"type": "websocket", "path": "/ws/"}),
    "unix socket": lambda: SimpleNamespace(scope=scope(client=None)),
}


@pytest.fixture(params=KINDS)
def foreign(request: Any) -> Any:
    return KINDS[request.param]()


def test_signals_are_taken(foreign: Any, alice: User, caplog: pytest.LogCaptureFixture) -> None:
    user_logged_in.send(sender=User, request=foreign, user=alice)
    user_logged_out.send(sender=User, request=foreign, user=alice)
    user_login_failed.send(sender=__name__, credentials={}, request=foreign)

    events = [record.__dict__["event"] for record in caplog.records]
    assert events == ["login", "login_failed"]


def test_passwords_are_checked(foreign: Any, alice: User) -> None:
    assert authenticate(foreign, username="alice", password=PASSWORD) == alice
    assert authenticate(foreign, username="alice", password="wrong") is None
    assert async_to_sync(aauthenticate)(foreign, username="alice", password=PASSWORD) == alice


def test_guesses_are_counted(foreign: Any, alice: User) -> None:
    def guess(password: str) -> Any:
        return authenticate(foreign, username="alice", password=password)

    assert [guess(f"wrong {n}") for n in range(5)] == [None] * 5

    if foreign is None:
        assert guess(PASSWORD) is None
    else:
        with pytest.raises(Throttled):
            guess(PASSWORD)


@pytest.mark.parametrize("name", ["meta", "scope", "consumer"])
def test_guesses_are_counted_by_address_too(name: str, alice: User) -> None:
    before = GuessCount.objects.count()
    authenticate(KINDS[name](), username="alice", password="wrong")

    assert GuessCount.objects.count() - before == 3


def test_a_known_device_has_a_count_of_its_own(alice: User) -> None:
    browser = signed_in()
    cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
    request: Any = SimpleNamespace(consumer=SimpleNamespace(scope=scope(cookies=cookies)))
    for _ in range(5):
        authenticate(None, username="alice", password="wrong")

    assert authenticate(None, username="alice", password=PASSWORD) is None
    assert authenticate(request, username="alice", password=PASSWORD) == alice


def test_what_costs_something_is_limited(foreign: Any) -> None:
    throttling.limit_requests(foreign, purpose="mail", name="alice")

    assert GuessCount.objects.exists()


def test_a_scope_tells_what_meta_does() -> None:
    assert meta_of(KINDS["scope"]()) == {
        "REMOTE_ADDR": "9.9.9.9",
        "HTTP_USER_AGENT": "Tester/1",
        "HTTP_X_FORWARDED_FOR": "8.8.8.8,10.0.0.1",
    }


def test_the_log_tells_method_path_and_address(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    user_logged_in.send(sender=User, request=KINDS["scope"](), user=alice)

    [record] = caplog.records
    told = vars(record)
    assert (told["method"], told["path"], told["ip"]) == ("POST", "/graphql/%C3%A9", "9.9.9.9")


def test_a_scope_without_a_client_tells_no_address() -> None:
    assert client_info(meta_of_scope({})) == ClientInfo(ip="", user_agent="")
