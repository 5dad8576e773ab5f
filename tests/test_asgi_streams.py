"""A stream of events ends with its session; other requests pass as they are."""

import gc
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, sync_to_async
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIHandler
from django.test import override_settings

from session_auth.asgi import LiveSessions
from session_auth.sessions import end_sessions
from tests import views
from tests.api_client import signed_in
from tests.live import Call, Server
from tests.outage import unreachable_database
from tests.settings import MIDDLEWARE
from tests.storing import SessionStore

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # Django does not close the body of a request that it cancels.
    pytest.mark.filterwarnings("ignore:Unclosed file <tempfile:ResourceWarning"),
]

STREAM = "/api/stream/"
LAST = {"error": "Your session has ended. Log in again.", "code": "session_ended"}


@pytest.fixture(autouse=True)
def nothing_is_streamed() -> Iterator[None]:
    views.streams.clear()
    yield
    gc.collect()  # what Django has left open, while its warning is no error


@pytest.fixture
def site() -> Any:
    """Django's own application, with our middleware alone: each has both modes."""
    with override_settings(MIDDLEWARE=[each for each in MIDDLEWARE if "session_auth" in each]):
        yield LiveSessions(ASGIHandler())


def headers_of(start: Any) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in start["headers"]}


def begun(call: Call) -> Call:
    start = call.next()
    assert start["status"] == 200
    assert call.next()["body"] == b"data: 1\n\n"
    return call


def test_a_stream_ends_with_the_event_session_ended(server: Server, site: Any, alice: User) -> None:
    browser = signed_in()
    stream = begun(server.request(site, STREAM, browser.session_key()))

    browser.log_out()

    last = stream.next()
    assert last["body"].startswith(b"\n\nevent: session_ended\ndata: ")
    assert json.loads(last["body"].split(b"data: ")[1]) == LAST
    assert not last.get("more_body")
    stream.result()
    assert views.streams == ["stopped"]
    assert stream.is_quiet(0.1)


def test_a_compressed_stream_ends_without_an_event(server: Server, site: Any, alice: User) -> None:
    browser = signed_in()
    stream = server.request(site, STREAM, browser.session_key(), query="encoding=br")
    begun(stream)

    browser.log_out()

    assert stream.next() == {"type": "http.response.body", "body": b""}


def test_a_stream_ends_when_its_session_times_out(server: Server, site: Any, alice: User) -> None:
    browser = signed_in()
    with override_settings(SESSION_AUTH_IDLE_TIMEOUT=timedelta(seconds=2)):
        stream = begun(server.request(site, STREAM, browser.session_key()))

        assert b"session_ended" in stream.next()["body"]


def test_a_stream_of_a_visitor_goes_on(server: Server, site: Any, alice: User) -> None:
    stream = begun(server.request(site, STREAM))

    end_sessions(alice)

    assert stream.is_quiet()


def test_a_stream_that_a_client_leaves_is_stopped(server: Server, site: Any, alice: User) -> None:
    stream = begun(server.request(site, STREAM, signed_in().session_key()))

    stream.send({"type": "http.disconnect"})

    stream.result()
    assert views.streams == ["stopped"]


def test_an_end_before_the_first_event_is_a_refusal(server: Server, alice: User) -> None:
    browser = signed_in()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await sync_to_async(browser.log_out)()
        headers = [(b"Content-Type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"a secret", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"

    call = server.request(LiveSessions(late, login_required=True), "/", browser.session_key())

    start, body = call.next(), call.next()
    assert (start["status"], json.loads(body["body"])) == (401, LAST)
    call.result()
    assert call.is_quiet(0.1)


def test_a_stream_of_a_mounted_application_ends_too(server: Server, alice: User) -> None:
    async def streaming(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await receive()

    browser = signed_in()
    app = LiveSessions(streaming, login_required=True)
    stream = begun(server.request(app, "/", browser.session_key()))

    browser.log_out()

    assert b"session_ended" in stream.next()["body"]
    stream.result()


def test_without_the_store_no_stream_begins(server: Server, alice: User) -> None:
    async def streaming(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    key = signed_in().session_key()
    with unreachable_database():
        call = server.request(LiveSessions(streaming), "/", key)

        assert call.next()["status"] == 503


# Other requests


def test_another_request_costs_no_look_up_and_no_thread_more(
    server: Server, site: Any, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def note(owner: type, name: str) -> None:
        call = getattr(owner, name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            seen.append(name)
            return call(*args, **kwargs)

        monkeypatch.setattr(owner, name, noted)

    note(type(SessionStore.rows), "read_with_user")
    note(SyncToAsync, "__call__")
    key = signed_in().session_key()
    counts = []

    for app in (site.app, site):
        seen.clear()
        call = server.request(app, "/api/private-async/", key)
        start, body = call.next(), call.next()
        call.result()
        assert (start["status"], json.loads(body["body"])) == (200, {"username": "alice"})
        counts.append(list(seen))

    assert counts[0] == counts[1]
    assert counts[0].count("read_with_user") == 1


async def whoami(scope: Any, receive: Any, send: Any) -> None:
    """An application that is mounted beside Django."""
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": str(scope["user"]).encode()})


@pytest.mark.parametrize(
    ("method", "headers", "status", "said"),
    [
        ("GET", {}, 200, "alice"),
        ("POST", {"origin": "http://testserver"}, 200, "alice"),
        ("GET", {"origin": "http://evil.example"}, 200, "alice"),
        ("POST", {"origin": "http://evil.example"}, 403, "csrf_failed"),
        ("POST", {"sec_fetch_site": "same-site"}, 403, "csrf_failed"),
    ],
)
def test_a_mounted_application_knows_who_is_calling(
    server: Server, alice: User, method: str, headers: dict[str, str], status: int, said: str
) -> None:
    app = LiveSessions(whoami, login_required=True)

    call = server.request(app, "/", signed_in().session_key(), method, **headers)

    start, body = call.next(), call.next()
    assert start["status"] == status
    assert said in body["body"].decode()


def test_a_mounted_application_is_shut_to_strangers(server: Server, db: None) -> None:
    call = server.request(LiveSessions(whoami, login_required=True), "/")

    start, body = call.next(), call.next()

    assert (start["status"], json.loads(body["body"])["code"]) == (401, "not_authenticated")
    assert headers_of(start)["www-authenticate"] == "Session"
    assert headers_of(start)["cache-control"] == "no-store"
