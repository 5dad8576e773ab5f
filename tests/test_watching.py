"""What ends in another process closes connections here, with a bus or without one."""

import asyncio
import json
import time
from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory, override_settings

from session_auth import testing
from session_auth.backends import ModelBackend
from session_auth.models import Session
from session_auth.sessions import bus, listen_for_ends, watching
from session_auth.sessions.bus import Notice
from session_auth.sessions.values import Record
from session_auth.signals import EndReason
from tests.api_client import ApiClient, id_of, signed_in
from tests.live import CLOSED, Elsewhere, Server, heard, opened
from tests.outage import unreachable_database
from tests.storing import SessionStore

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often where no bus tells; what a bus tells must come before any look."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.3)
    monkeypatch.setattr(watching, "LOOK_SECONDS_WITH_BUS", 60.0)
    monkeypatch.setattr(bus, "RECONNECT_SECONDS", 0.1)


ENDS = {
    "one": "end_by_ids(['{id}'], reason=EndReason.ENDED_BY_ADMIN)",
    "all of a user": "end_sessions(User.objects.get(username='alice'))",
    "everybody": "end_all_sessions()",
    "log out": "SessionStore('{key}').flush()",
    "deactivate": "user = User.objects.get(); user.is_active = False; user.save()",
    "delete": "User.objects.get().delete()",
}


@pytest.mark.parametrize("how", ENDS)
def test_an_end_in_another_process_closes_a_socket_here(
    server: Server, elsewhere: Elsewhere, alice: User, how: str
) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())
    heard()

    elsewhere.does(ENDS[how].format(id=id_of(browser), key=browser.session_key()))

    assert socket.next() == CLOSED


def test_a_new_key_from_another_process_closes_nothing(
    server: Server, elsewhere: Elsewhere, alice: User
) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())
    heard()

    elsewhere.does(f"s = SessionStore('{browser.session_key()}'); s.prove('password')")

    assert socket.is_quiet(0.8)
    elsewhere.does("end_by_ids([s.info.id], reason=EndReason.LOGOUT)")
    assert socket.next() == CLOSED


# Where no signal told


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_change_in_plain_sql_closes_sockets_at_the_next_look(
    server: Server,
    alice: User,
    bob: User,
    is_gone: bool,
    ends: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS_WITH_BUS", 0.3)
    socket = opened(server, signed_in().session_key())
    kept = opened(server, signed_in("bob").session_key(), name="bob")
    heard()

    users = User.objects.filter(username="alice")
    if is_gone:
        users._raw_delete(users.db)
    else:
        users.update(is_active=False)

    assert socket.next() == CLOSED
    assert kept.is_quiet(0.5)
    assert len(ends) == 1


class Slow(ModelBackend):
    def get_user(self, user_id: Any) -> Any:
        time.sleep(1.2)
        return User.objects.get(pk=user_id)


def test_a_handshake_may_take_longer_than_a_look(
    server: Server, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(watching, "LOOK_SECONDS_WITH_BUS", 0.1)
    monkeypatch.setattr(watching, "BLIND_SECONDS", 1.0)
    path = f"{__name__}.Slow"
    with override_settings(AUTHENTICATION_BACKENDS=[path]):
        browser = ApiClient()
        browser.force_login(alice, path)

        opened(server, browser.session_key())


# Without the store


def test_a_socket_stays_open_while_the_store_is_down_for_a_while(
    server: Server, alice: User
) -> None:
    socket = opened(server, signed_in().session_key())

    with unreachable_database():
        assert socket.is_quiet(0.8)

    assert socket.is_quiet(0.5)
    alice.delete()
    assert socket.next() == CLOSED


def test_no_socket_stays_open_for_long_when_nobody_knows(
    server: Server, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BLIND_SECONDS", 1.0)
    socket = opened(server, signed_in().session_key())

    with unreachable_database():
        assert socket.next() == {
            "type": "websocket.close",
            "code": 4503,
            "reason": "store_unavailable",
        }


def test_a_fault_of_ours_closes_sockets_too(
    server: Server,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(watching, "BLIND_SECONDS", 3.0)
    socket = opened(server, signed_in().session_key())
    stored = Session.objects.get()
    data = json.loads(stored.data) | {"_session_expiry": "no time"}
    Session.objects.update(data=json.dumps(data))

    assert socket.next()["code"] == 4503
    assert "Nobody could look whether sessions have ended." in caplog.messages


# The bus


def test_a_process_is_told_of_its_own_ends_once(alice: User, told: list[Any]) -> None:
    browser = signed_in()
    session_id = id_of(browser)
    listen_for_ends()
    heard()

    browser.log_out()
    asyncio.run(asyncio.sleep(0.2))

    assert told == [(session_id, alice.pk, EndReason.LOGOUT)]
    bus.stop()


def test_what_is_not_understood_makes_everybody_look() -> None:
    heard: list[Any] = []
    bus.subscribe(heard.append)
    session_id = "a" * 43

    for text in (
        "",
        "x",
        "x y z",
        f"x newer {session_id} - 1",
        f"x logout {session_id} - no-number",
    ):
        bus.hear(text)
    bus.hear(f"x logout {session_id} - 1")
    bus.hear(f"x - {session_id} b 1")
    bus.hear(bus.text_of(Notice(session_id, 1, EndReason.LOGOUT)))  # its own
    bus.hear(f"x {bus.new_proof().partition(' ')[2]}")  # by which another one tries the bus

    bus.unsubscribe(heard.append)
    assert heard == [
        *[None] * 5,
        Notice(session_id, 1, EndReason.LOGOUT),
        Notice(session_id, 1, None, "b"),
    ]


def test_an_end_after_an_event_loop_was_closed_is_no_error(db: None) -> None:
    loop = asyncio.new_event_loop()

    async def begin() -> None:
        watching.watch().begin("a" * 43, cut=lambda why: None)

    loop.run_until_complete(begin())
    [task] = asyncio.all_tasks(loop)
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # which asyncio minds else
    loop.close()

    bus.spread(None)

    assert bus._subscribers == []
    bus.stop()


def test_however_many_end_at_once_a_look_takes_few_statements(
    django_assert_max_num_queries: Any,
) -> None:
    """One for each would take longer than a look may: then all connections are closed, for 503."""
    known, renewed = {}, set()
    for number in range(20):
        user = User.objects.create_user(f"user{number}")
        session = SessionStore(testing.log_in(RequestFactory().get("/"), user).session.session_key)
        session.load()
        known[str(session._id)] = cast("Record", session._record)
        if number % 2:
            session.cycle_key()
            renewed.add(session._id)
        else:
            session.flush()

    with django_assert_max_num_queries(5):  # one of them is of the driver of MariaDB
        found, lost = watching._look_up(known, check_users=True)

    assert {seen.record.id for seen in found.values() if seen} == renewed
    assert (len(found), len(lost)) == (10, 10)
