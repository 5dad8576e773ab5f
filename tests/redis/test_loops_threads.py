"""Look-ups in the event loop take no thread, but where something else has to be asked."""

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import override_settings

from session_auth.engines.redis.client import store
from session_auth.keys import new_session_key, tag_of
from session_auth.sessions.users import auser_of
from tests.api_client import ApiClient, signed_in
from tests.redis.asking import ROUNDS, connected, fetched, id_of, pause
from tests.settings import MIDDLEWARE
from tests.storing import SessionStore, stored
from tests.test_async import DJANGOS, hops

pytestmark = pytest.mark.django_db

OURS = [path for path in MIDDLEWARE if path.startswith("session_auth.")]
PRIVATE = "/api/private-async/"


@pytest.mark.django_db(transaction=True)
@override_settings(MIDDLEWARE=OURS)
def test_a_request_takes_a_thread_for_its_user_and_none_for_its_session(
    alice: User, asked: list[int]
) -> None:
    browser = signed_in()
    asked.clear()

    async def request() -> tuple[int, int]:
        return await hops(browser, PRIVATE), threading.get_ident()

    count, loops_thread = async_to_sync(request)()

    assert count == DJANGOS + 1
    assert asked == [loops_thread]


def hops_of_a_stranger(cookie: str | None) -> int:
    browser = ApiClient()
    browser.csrf_token()
    if cookie is not None:
        browser.cookies["sessionid"] = cookie
    counted: int = async_to_sync(hops)(browser, "/api/user-or-nobody-async/")
    return counted


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cookie", [None, "no key", new_session_key(), f"abc.{new_session_key()}"])
@override_settings(MIDDLEWARE=OURS)
def test_whom_no_session_is_opened_for_takes_no_thread(
    cookie: str | None, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        assert hops_of_a_stranger(cookie) == DJANGOS


@pytest.mark.django_db(transaction=True)
@override_settings(MIDDLEWARE=OURS, SESSION_AUTH_ADOPT_FROM="django.contrib.sessions.backends.db")
def test_where_sessions_are_taken_over_the_other_engine_is_asked_in_a_thread() -> None:
    assert hops_of_a_stranger(new_session_key()) == DJANGOS + 1


def test_servers_that_answer_nobody_hold_no_thread() -> None:
    sessions = [stored(n=n) for n in range(20)]

    async def look() -> tuple[int, bool, list[Any]]:
        await asyncio.gather(*map(fetched, sessions))
        before = threading.active_count()
        pause()
        looking = asyncio.gather(*map(fetched, sessions))
        await asyncio.sleep(0.2)
        return threading.active_count() - before, looking.done(), await looking

    def is_seen() -> bool:
        more, was_answered, found = async_to_sync(look)()
        assert more <= 0
        assert [row.record.id for [row] in found] == [id_of(session) for session in sessions]
        return not was_answered

    assert any(is_seen() for _ in range(ROUNDS))


def test_the_methods_of_a_session_ask_in_the_event_loop_too(asked: list[int]) -> None:
    session = stored(a=1)
    asked.clear()

    async def read() -> tuple[Any, int]:
        return await SessionStore(session.session_key).aget("a"), threading.get_ident()

    value, loops_thread = async_to_sync(read)()

    assert (value, asked) == (1, [loops_thread])


def test_under_wsgi_no_connection_is_made_for_one_view(alice: User) -> None:
    browser = signed_in()
    before = connected()

    assert browser.get(PRIVATE).json() == {"username": "alice"}

    assert connected() == before


class Noting(SessionStore):
    """A project's own, which may ask a database whenever it is loaded."""

    def load(self) -> dict[str, Any]:
        seen.append(threading.get_ident())
        return super().load()


seen: list[int] = []


def test_a_load_of_a_projects_own_is_never_called_in_the_event_loop() -> None:
    async def load() -> int:
        await Noting(new_session_key()).aload()
        return threading.get_ident()

    loops_thread = asyncio.run(load())

    assert seen
    assert loops_thread not in seen


def test_a_session_that_is_loaded_is_not_asked_for_again(alice: User, asked: list[int]) -> None:
    async def look() -> str:
        request = HttpRequest()
        request.session = SessionStore(browser.session_key())
        await request.session.aget("a")
        return str((await auser_of(request)).get_username())

    browser = signed_in()
    asked.clear()

    assert async_to_sync(look)() == "alice"
    assert len(asked) == 1


def test_a_row_that_is_elsewhere_is_found(alice: User) -> None:
    session = stored(cart=1)
    session[SESSION_KEY] = str(alice.pk)
    session.save()

    [row] = async_to_sync(fetched)(session) or []
    assert row.tag != tag_of(id_of(session))
    assert async_to_sync(SessionStore(session.session_key).aget)("cart") == 1


def test_a_client_of_the_projects_is_asked_in_a_thread(asked: list[int]) -> None:
    session = stored(a=1)
    client = store().client

    with override_settings(SESSION_AUTH_REDIS={"client": client}):
        asked.clear()
        assert asyncio.run(fetched(session)) is None
        assert async_to_sync(SessionStore(session.session_key).aget)("a") == 1

    assert len(asked) == 1
