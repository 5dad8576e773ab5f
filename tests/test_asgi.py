"""A WebSocket is closed when its session ends, for whatever reason."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from session_auth import asgi
from session_auth.asgi import LiveSessions
from session_auth.backends import ModelBackend
from session_auth.models import Session
from session_auth.sessions import end_all_sessions, end_sessions, watching
from session_auth.sessions.base import BaseSessionStore
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.live import (
    CLOSED,
    LIVE,
    PATIENCE_SECONDS,
    Call,
    Server,
    echo,
    goodbyes,
    opened,
    wait_until,
)
from tests.outage import unreachable_database
from tests.password_calls import NEW

pytestmark = pytest.mark.django_db(transaction=True)

MEMBERS_ONLY = LiveSessions(echo, login_required=True)
ACTIVE = LiveSessions(echo, activity=True)


@pytest.fixture(autouse=True)
def nobody_has_left() -> None:
    goodbyes.clear()


def refusal(code: int, reason: str) -> dict[str, Any]:
    return {"type": "websocket.close", "code": code, "reason": reason}


# Each end


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
    alice.set_password(NEW)
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
    server: Server,
    alice: User,
    end: Callable[[ApiClient, User], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 60.0)  # or a look would find the end
    monkeypatch.setattr(watching, "LOOK_SECONDS_WITH_BUS", 60.0)
    browser = signed_in()
    socket = opened(server, browser.session_key())

    end(browser, alice)

    assert socket.next() == CLOSED
    socket.result()
    assert goodbyes == [{"type": "websocket.disconnect", "code": 4401, "reason": "session_ended"}]


def test_a_socket_is_closed_when_its_session_times_out(server: Server, alice: User) -> None:
    browser, other = signed_in(), signed_in()
    idle = timedelta(seconds=2)
    with override_settings(SESSION_AUTH_IDLE_TIMEOUT=idle):
        socket, kept = (opened(server, each.session_key()) for each in (browser, other))
        with override_settings(SESSION_AUTH_LAST_SEEN_INTERVAL=timedelta(seconds=0.1)):
            assert socket.is_quiet(0.5)
            other.user()
        used_at = Session.objects.get(pk=id_of(other)).last_seen_at

        assert socket.next() == CLOSED
        assert kept.next() == CLOSED
        assert timezone.now() >= used_at + idle  # later, since it was used meanwhile


def test_other_sessions_stay_open(server: Server, alice: User, bob: User) -> None:
    browser, others = signed_in(), [signed_in(), signed_in("bob")]
    sockets = [
        opened(server, other.session_key(), name=name)
        for other, name in zip(others, ("alice", "bob"), strict=True)
    ]

    prove(browser)
    browser.log_out()

    assert all(socket.is_quiet() for socket in sockets)


# New keys


def prove(browser: ApiClient) -> None:
    browser.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})


def change_password(browser: ApiClient) -> None:
    body = {"old_password": PASSWORD, "new_password": NEW}
    browser.call("POST", AUTH + "password/change/", body)


def log_in_again(browser: ApiClient) -> None:
    browser.log_in()


@pytest.mark.parametrize("renew", [prove, change_password, log_in_again])
def test_a_new_key_closes_no_socket_and_its_end_does(
    server: Server, alice: User, renew: Callable[[ApiClient], None]
) -> None:
    browser = signed_in()
    before = browser.session_key()
    sockets = [opened(server, before), opened(server, before)]

    renew(browser)

    assert browser.session_key() != before
    assert all(socket.is_quiet() for socket in sockets)
    browser.log_out()
    assert [socket.next() for socket in sockets] == [CLOSED, CLOSED]


# At the handshake


def test_a_visitor_may_open_a_socket_unless_a_login_is_required(
    server: Server, alice: User
) -> None:
    browser = signed_in()
    ended = browser.session_key()
    browser.log_out()

    opened(server, "", name="AnonymousUser")
    opened(server, ended, name="AnonymousUser")
    refusals = [server.socket(MEMBERS_ONLY, key).next() for key in ("", ended)]

    assert refusals == [refusal(4401, "not_authenticated"), CLOSED]
    opened(server, signed_in().session_key(), MEMBERS_ONLY)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://sub.testserver"},
        {"origin": "https://testserver"},
        {"origin": "http://testserver", "sec_fetch_site": "cross-site"},
        {"origin": "http://testserver", "sec_fetch_site": "same-site"},
        {"host": "evil.example", "origin": "http://evil.example"},
    ],
)
def test_a_page_of_another_site_opens_no_socket(
    server: Server, alice: User, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    socket = server.socket(LIVE, signed_in().session_key(), **headers)

    assert socket.next() == refusal(4403, "csrf_failed")
    assert [each for each in caplog.messages if each.startswith("csrf_failed")]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://testserver", "sec_fetch_site": "same-origin"},
        {"origin": "https://front.example", "sec_fetch_site": "cross-site"},
        {"origin": ""},  # no browser
    ],
)
@override_settings(CSRF_TRUSTED_ORIGINS=["https://front.example"])
def test_our_own_pages_open_sockets(server: Server, alice: User, headers: dict[str, str]) -> None:
    socket = server.socket(LIVE, signed_in().session_key(), **headers)

    assert socket.next() == {"type": "websocket.accept"}


def test_two_session_cookies_open_no_socket(server: Server, alice: User) -> None:
    socket = server.socket(LIVE, f"{signed_in().session_key()}; sessionid=planted")

    assert socket.next() == refusal(4400, "invalid_request")


def test_without_the_store_no_socket_is_opened(server: Server, alice: User) -> None:
    key = signed_in().session_key()

    with unreachable_database():
        socket = server.socket(LIVE, key)

        assert socket.next() == refusal(4503, "store_unavailable")


class Ending(ModelBackend):
    """Finds a user whose sessions somebody ends in that moment."""

    def get_user(self, user_id: Any) -> Any:
        user = User.objects.get(pk=user_id)
        end_sessions(user)
        return user


def test_an_end_during_the_handshake_is_not_missed(server: Server, alice: User) -> None:
    path = f"{__name__}.Ending"
    with override_settings(AUTHENTICATION_BACKENDS=[path]):
        browser = ApiClient()
        browser.force_login(alice, path)

        socket = server.socket(LIVE, browser.session_key())

        assert socket.next() == CLOSED


def test_the_list_of_sessions_shows_from_where_a_socket_is_used(
    server: Server, alice: User
) -> None:
    browser = signed_in()

    opened(server, browser.session_key())

    stored = Session.objects.get()
    assert (stored.ip, stored.user_agent) == ("9.9.9.9", "Tester/1")


# Activity


def say_hello(socket: Call) -> None:
    socket.say("hello")
    assert socket.next()["text"] == "hello"


@override_settings(SESSION_AUTH_LAST_SEEN_INTERVAL=timedelta(seconds=0.3))
@pytest.mark.parametrize("app", [LIVE, ACTIVE], ids=["none", "some"])
def test_a_socket_is_no_activity_unless_the_project_says_so(
    server: Server, alice: User, app: Any
) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key(), app)
    before = Session.objects.get().last_seen_at
    assert socket.is_quiet(0.4)

    say_hello(socket)
    if app is ACTIVE:
        wait_until(lambda: Session.objects.get().last_seen_at > before)

    with override_settings(SESSION_AUTH_LAST_SEEN_INTERVAL=timedelta(hours=1)):
        after = Session.objects.get().last_seen_at
        for _ in range(10):
            say_hello(socket)
        assert socket.is_quiet(0.1)
        assert Session.objects.get().last_seen_at == after  # at most once in the interval
    assert (after > before) is (app is ACTIVE)


@override_settings(SESSION_AUTH_LAST_SEEN_INTERVAL=timedelta(seconds=0.1))
def test_activity_on_a_socket_prolongs_the_session(server: Server, alice: User) -> None:
    browser = signed_in()
    idle = timedelta(seconds=2)
    with override_settings(SESSION_AUTH_IDLE_TIMEOUT=idle):
        socket = opened(server, browser.session_key(), ACTIVE)
        before = Session.objects.get().last_seen_at
        assert socket.is_quiet(0.5)
        say_hello(socket)
        wait_until(lambda: Session.objects.get().last_seen_at > before)
        active_at = Session.objects.get().last_seen_at

        assert socket.next() == CLOSED
        assert timezone.now() >= active_at + idle


@override_settings(SESSION_AUTH_LAST_SEEN_INTERVAL=timedelta(seconds=0.1))
def test_a_socket_that_closes_while_activity_is_recorded_is_not_watched_over_again(
    server: Server, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key(), ACTIVE)
    has_begun, may_end = threading.Event(), threading.Event()
    touch = asgi._touch

    def touch_slowly(session: BaseSessionStore) -> None:
        has_begun.set()
        assert may_end.wait(PATIENCE_SECONDS)
        touch(session)

    monkeypatch.setattr(asgi, "_touch", touch_slowly)
    assert socket.is_quiet(0.2)
    say_hello(socket)
    assert has_begun.wait(PATIENCE_SECONDS)

    session_id = id_of(browser)
    browser.log_out()
    assert socket.next() == CLOSED
    noted: list[str] = []
    monkeypatch.setattr(
        watching.Watch, "note", lambda self, watched, seen: noted.append(watched.session_id)
    )
    may_end.set()

    socket.result()
    other = signed_in()
    opened(server, other.session_key())  # its look-up comes after that, in the same thread
    assert noted == [id_of(other)] != [session_id]
