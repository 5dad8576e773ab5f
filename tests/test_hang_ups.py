"""Under ASGI, a client that hangs up stops nothing that was begun.

``tests/servers`` does the same with real servers; here each moment is met exactly.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.core import mail
from django.core.handlers.asgi import ASGIHandler
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import include, path

from session_auth.exceptions import StoreUnavailable
from session_auth.hang_ups import finish
from session_auth.middleware import SessionMiddleware
from session_auth.models import Session
from session_auth.sessions.base import BaseSessionStore
from tests import views
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.guessing import guess, retry_after
from tests.password_calls import NEW, can_log_in
from tests.settings import MIDDLEWARE
from tests.storing import SessionStore

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
]

PATIENCE_SECONDS = 30
seen: list[str] = []


class Gate:
    """Where a request waits until its client has hung up."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        self.is_shut = False

    def pass_through(self) -> None:
        if self.is_shut and not self.opened.is_set():
            self.reached.set()
            assert self.opened.wait(PATIENCE_SECONDS)


gate = Gate()


@pytest.fixture(autouse=True)
def new_gate() -> Iterator[None]:
    gate.__init__()  # type: ignore[misc]  # anew, for those who have it
    seen.clear()
    yield
    gate.opened.set()


class GateHasher(MD5PasswordHasher):
    algorithm = "gate"

    def verify(self, password: str, encoded: str) -> bool:
        gate.pass_through()
        return super().verify(password, encoded)


with_gate_hasher = override_settings(PASSWORD_HASHERS=[f"{__name__}.GateHasher"])


def held(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Let a view go on once the client has hung up."""

    def call(request: HttpRequest) -> HttpResponse:
        gate.pass_through()
        return view(request)

    return call


async def patient(request: HttpRequest) -> HttpResponse:
    """Wait for something that never comes, and clean up when told to stop."""
    await request.session.aset("late", 1)
    gate.reached.set()
    try:
        return await asyncio.sleep(PATIENCE_SECONDS, HttpResponse())
    except asyncio.CancelledError:
        seen.append("cleaned up")
        raise


async def stubborn(request: HttpRequest) -> HttpResponse:
    """Answer although told to stop."""
    await request.session.aset("kept", 1)
    gate.reached.set()
    try:
        return await asyncio.sleep(PATIENCE_SECONDS, HttpResponse())
    except asyncio.CancelledError:
        return HttpResponse()


urlpatterns = [
    path("held/note/", held(views.note)),
    path("held/logout-and-fail/", held(views.logout_and_fail)),
    path("held/guess-and-fail/", held(views.guess_and_fail)),
    path("held/guess-and-roll-back/", held(views.guess_and_roll_back)),
    path("patient/", patient),
    path("stubborn/", stubborn),
    path("", include("tests.urls")),
]


def hang_up(browser: ApiClient, method: str, target: str, body: object = None) -> None:
    """Send a request and hang up when it has reached the gate; return when it has ended."""
    gate.is_shut = True
    async_to_sync(_hang_up)(browser, method, target, body)
    assert gate.reached.is_set()


async def _hang_up(browser: ApiClient, method: str, target: str, body: object) -> None:
    url, _, query = target.partition("?")
    content = b"" if body is None else json.dumps(body).encode()
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": url,
        "query_string": query.encode(),
        "headers": [
            (b"host", b"testserver"),
            (b"cookie", cookies.encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"x-csrftoken", browser.csrf_token().encode()),
        ],
        "client": ("9.9.9.9", 1),
        "server": ("testserver", 80),
    }
    messages = [{"type": "http.request", "body": content}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        while not gate.reached.is_set():  # noqa: ASYNC110 # set by a thread
            await asyncio.sleep(0.001)
        # Some turns of the loop after Django has cancelled the request.
        asyncio.get_running_loop().call_later(0.05, gate.opened.set)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        """Nobody listens any more."""

    await asyncio.wait_for(ASGIHandler()(scope, receive, send), PATIENCE_SECONDS)


@pytest.fixture
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


# Endpoints


@with_gate_hasher
def test_the_owner_is_told_though_who_changes_the_password_hangs_up() -> None:
    User.objects.create_user("alice", "alice@example.org", PASSWORD)
    thief, owner = signed_in(), signed_in()

    body = {"old_password": PASSWORD, "new_password": NEW}
    hang_up(thief, "POST", AUTH + "password/change/", body)

    assert can_log_in(NEW)
    assert [message.subject for message in mail.outbox] == ["Your password was changed"]
    assert owner.user() is None


@with_gate_hasher
def test_a_login_goes_on_to_its_end(ends: list[Any]) -> None:
    User.objects.create_user("alice", "alice@example.org", PASSWORD)
    here = ApiClient()
    here.get(AUTH + "csrf/")

    hang_up(here, "POST", AUTH + "login/", {"username": "alice", "password": PASSWORD})

    assert Session.objects.filter(user__isnull=False).count() == 1


@with_gate_hasher
def test_a_wrong_guess_is_counted() -> None:
    User.objects.create_user("alice", "alice@example.org", PASSWORD)
    here = ApiClient()
    here.get(AUTH + "csrf/")
    guess(here, 4)

    hang_up(here, "POST", AUTH + "login/", {"username": "alice", "password": "wrong"})

    assert retry_after(here.log_in()) > 0


# Views of a project


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("view", ["guess-and-fail", "guess-and-roll-back"])
def test_a_guess_outlives_the_rollback(
    alice: User, atomic_requests: None, method: str, view: str
) -> None:
    here = ApiClient()
    here.get(AUTH + "csrf/")
    guess(here, 4)

    hang_up(here, method, f"/held/{view}/?password=wrong")

    assert retry_after(here.log_in()) > 0


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_logout_outlives_the_rollback(alice: User, atomic_requests: None, method: str) -> None:
    hang_up(signed_in(), method, "/held/logout-and-fail/")

    assert not Session.objects.exists()


def test_what_a_view_writes_is_saved(alice: User) -> None:
    here = signed_in()

    hang_up(here, "POST", "/held/note/?a=1")

    assert here.get("/api/note/").json()["a"] == "1"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_being_saved_is_saved(
    alice: User, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """The client hangs up while the response phase is in its thread."""
    save = BaseSessionStore.save

    def save_at_gate(session: Any, must_create: bool = False) -> None:
        gate.pass_through()
        save(session, must_create)

    here = signed_in()
    monkeypatch.setattr(BaseSessionStore, "save", save_at_gate)

    hang_up(here, method, "/api/note/?a=1")

    assert here.get("/api/note/").json()["a"] == "1"


def test_what_waits_for_its_thread_is_saved(alice: User) -> None:
    """A thread that is busy with something else of the same request."""
    here = signed_in()
    request = RequestFactory().get("/")
    request.session = SessionStore(here.session_key())
    request.session["a"] = "1"
    gate.is_shut = True

    async def hang_up_in_the_queue() -> None:
        async with ThreadSensitiveContext():
            busy = asyncio.create_task(sync_to_async(gate.pass_through)())
            middleware = SessionMiddleware(stubborn)
            answer = middleware.aprocess_response(request, HttpResponse())
            waiting = asyncio.create_task(answer)
            await asyncio.sleep(0.05)
            waiting.cancel()
            asyncio.get_running_loop().call_later(0.05, gate.opened.set)
            await asyncio.gather(busy, waiting, return_exceptions=True)
            await sync_to_async(connections.close_all)()

    asyncio.run(hang_up_in_the_queue())

    assert here.get("/api/note/").json()["a"] == "1"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_async_view_is_told_to_stop(alice: User, method: str) -> None:
    here = signed_in()

    hang_up(here, method, "/patient/")

    assert seen == ["cleaned up"]
    assert "late" not in here.get("/api/note/").json()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_async_view_that_answers_all_the_same_has_its_session_saved(
    alice: User, method: str
) -> None:
    here = signed_in()

    hang_up(here, method, "/stubborn/")

    assert here.get("/api/note/").json()["kept"] == 1


class ProjectsSession(SessionMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        seen.append("hook")
        return super().process_response(request, response)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_so_it_is_with_a_subclass_of_a_project(
    alice: User, atomic_requests: None, method: str
) -> None:
    ours = "session_auth.middleware.SessionMiddleware"
    chain = [f"{__name__}.ProjectsSession" if path == ours else path for path in MIDDLEWARE]
    with override_settings(MIDDLEWARE=chain):
        hang_up(signed_in(), method, "/held/logout-and-fail/")

    assert not Session.objects.exists()


def test_a_store_that_is_down_by_then_is_logged(
    alice: User, atomic_requests: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(request: Any) -> None:
        seen.append("asked")
        raise StoreUnavailable

    monkeypatch.setattr("session_auth.sessions.ending.settle", fail)

    hang_up(signed_in(), "GET", "/held/logout-and-fail/")

    assert seen == ["asked"]


@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db")
def test_another_engine_is_left_alone(alice: User) -> None:
    hang_up(ApiClient(), "GET", "/held/note/?a=1")


# What it is made of


def test_finish_returns_what_the_work_returns() -> None:
    async def work() -> int:
        return 1

    assert asyncio.run(finish(work())) == 1


def test_finish_raises_what_the_work_raises() -> None:
    async def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        asyncio.run(finish(work()))


VARIABLE: ContextVar[str] = ContextVar("variable", default="")


def test_what_the_work_says_of_its_context_is_known_to_who_waited() -> None:
    async def work() -> None:
        VARIABLE.set("set inside")

    async def wait() -> str:
        await finish(work())
        return VARIABLE.get()

    assert asyncio.run(wait()) == "set inside"


@pytest.mark.parametrize("fails", [False, True])
def test_who_is_cancelled_waits_for_the_work_however_often(fails: bool) -> None:
    async def work() -> None:
        await asyncio.sleep(0.05)
        seen.append("done")
        if fails:
            raise ValueError

    async def cancel() -> None:
        task = asyncio.create_task(finish(work()))
        for _ in range(3):
            await asyncio.sleep(0.01)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        seen.append("cancelled")

    asyncio.run(cancel())

    assert seen == ["done", "cancelled"]


def test_work_that_may_stop_is_stopped() -> None:
    async def cancel() -> None:
        task = asyncio.create_task(finish(asyncio.sleep(PATIENCE_SECONDS), may_stop=lambda: True))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, PATIENCE_SECONDS / 2)
        seen.append("cancelled")

    asyncio.run(cancel())

    assert seen == ["cancelled"]
