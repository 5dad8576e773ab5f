"""Redis tells other processes of ends; while nobody hears that, they look."""

import os
import time
import warnings
from collections.abc import Iterator
from threading import Timer
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import override_settings

from session_auth.engines.redis import notices, scripts
from session_auth.engines.redis.client import store
from session_auth.exceptions import StoreUnavailable
from session_auth.sessions import bus, end_session, listen_for_ends, watching
from session_auth.sessions.bus import Notice
from session_auth.sessions.listing import rows
from session_auth.signals import EndReason, session_ended_anywhere
from tests.api_client import id_of, signed_in
from tests.live import (
    CLOSED,
    PATIENCE_SECONDS,
    Elsewhere,
    Server,
    heard,
    opened,
    wait_until,
)
from tests.redis.test_lost import forgotten
from tests.settings import REDIS
from tests.storing import SessionStore

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no look find what the bus should tell."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 60.0)
    monkeypatch.setattr(watching, "LOOK_SECONDS_WITH_BUS", 60.0)
    monkeypatch.setattr(notices, "TICK_SECONDS", 0.1)
    monkeypatch.setattr(bus, "RECONNECT_SECONDS", 0.1)
    yield
    bus.stop()


ENDS = {
    "logout": "SessionStore('{key}').flush()",
    "by its user": "end_session(User.objects.get(username='alice'), '{id}')",
    "all of the user": "end_sessions(User.objects.get(username='alice'))",
    "all but another": "end_sessions(User.objects.get(username='alice'), but='x' * 43)",
    "by staff": "end_by_ids(['{id}'], reason=EndReason.ENDED_BY_ADMIN)",
    "everybody's": "end_all_sessions()",
    "a new password": (
        "user = User.objects.get(username='alice'); user.set_password('another'); user.save();"
        "end_sessions(user, reason=EndReason.PASSWORD_CHANGED)"
    ),
    "a factor removed": "SessionStore('{key}').end(EndReason.FACTOR_REMOVED)",
    "deactivated": "user = User.objects.get(username='alice'); user.is_active = False; user.save()",
    "deleted": "User.objects.get(username='alice').delete()",
    "another user in the same browser": (
        "new = SessionStore('{key}').successor(keep=[]);"
        "new['_auth_user_id'] = str(User.objects.get(username='bob').pk); new.save()"
    ),
    "too many": (
        "from django.test import override_settings as o; limit = o(SESSION_AUTH_MAX_SESSIONS=1);"
        "limit.enable(); new = SessionStore();"
        "new['_auth_user_id'] = str(User.objects.get(username='alice').pk);"
        "new.save(); limit.disable()"
    ),
}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.usefixtures("bob")
def test_each_end_in_another_process_closes_a_socket_at_once(
    server: Server, elsewhere: Elsewhere, alice: User, how: str
) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())
    assert heard()

    elsewhere.does(ENDS[how].format(id=id_of(browser), key=browser.session_key()))

    assert socket.next() == CLOSED


def test_what_goes_on_is_told_too(server: Server, elsewhere: Elsewhere, alice: User) -> None:
    """A new key, and a second login of the same user in the same browser."""
    browser = signed_in()
    socket = opened(server, browser.session_key())
    assert heard()

    elsewhere.does(f"s = SessionStore('{browser.session_key()}'); s.prove('password')")
    elsewhere.does("new = s.successor(keep=list(s.keys())); new.save()")

    assert socket.is_quiet(0.5)
    elsewhere.does("end_by_ids([new.info.id], reason=EndReason.LOGOUT)")
    assert socket.next() == CLOSED


def test_a_look_between_an_end_and_its_notice_closes_nothing(
    server: Server, elsewhere: Elsewhere, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "NOTICE_SECONDS", 10.0)  # on a busy machine, too
    browser = signed_in()
    socket = opened(server, browser.session_key())
    assert heard()
    elsewhere.does("import time; from session_auth.engines.redis import places")
    elsewhere.does("clear = places.clear; pause = lambda *a: (time.sleep(0.4), clear(*a))")

    Timer(0.2, bus.spread, [None]).start()  # which makes everybody look
    elsewhere.does(
        f"old = SessionStore('{browser.session_key()}'); places.clear = pause;"
        "new = old.successor(keep=list(old.keys())); new.save(); places.clear = clear"
    )

    assert socket.is_quiet(1.0)
    elsewhere.does("end_by_ids([new.info.id], reason=EndReason.LOGOUT)")
    assert socket.next() == CLOSED


def test_what_nobody_tells_is_found(server: Server, alice: User) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())
    assert heard()

    store().delete(list(store().scan(f"*{id_of(browser)}")))
    bus.spread(None)

    assert socket.next() == CLOSED


def test_an_end_that_is_rolled_back_closes_nothing(
    server: Server, elsewhere: Elsewhere, alice: User
) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())
    assert heard()

    elsewhere.does(
        "from django.db import transaction; block = transaction.atomic(); block.__enter__()"
    )
    elsewhere.does(f"end_by_ids(['{id_of(browser)}'], reason=EndReason.LOGOUT)")
    elsewhere.does("transaction.set_rollback(True); block.__exit__(None, None, None)")

    assert socket.is_quiet(0.5)


def test_a_process_is_told_of_ends_in_others_and_once_of_its_own(
    elsewhere: Elsewhere, alice: User, told: list[Any]
) -> None:
    browsers = [signed_in(), signed_in()]
    listen_for_ends()
    assert heard()

    end_session(alice, id_of(browsers[0]))
    elsewhere.does(f"end_by_ids(['{id_of(browsers[1])}'], reason=EndReason.ENDED_BY_ADMIN)")
    elsewhere.does("end_all_sessions(reason=EndReason.LOGOUT)")
    wait_until(lambda: len(told) >= 3)

    assert len(told) == 3  # in a Cluster, those of several servers come in any order
    assert set(told) == {
        (id_of(browsers[0]), alice.pk, EndReason.ENDED_BY_USER),
        (id_of(browsers[1]), alice.pk, EndReason.ENDED_BY_ADMIN),
        (None, None, EndReason.LOGOUT),
    }


def test_a_receiver_keeps_no_connection_to_the_database(alice: User) -> None:
    """Or it would have one that is dead, once the database was restarted."""
    used: list[Any] = []

    def look(**kwargs: Any) -> None:
        assert User.objects.exists()
        used.append(connection.connection)
        used.append(connections["default"])

    session_ended_anywhere.connect(look)
    listen_for_ends()
    assert heard()
    text = bus.text_of(Notice("a" * 43, alice.pk, EndReason.LOGOUT)).partition(" ")[2]

    notices.tell(f"another {text}")
    wait_until(lambda: bool(used) and used[-1].connection is None)

    session_ended_anywhere.disconnect(look)
    assert used[0] is not None
    assert used[1].connection is None


def test_a_process_that_is_forked_hears_too(alice: User, told: list[Any]) -> None:
    """As where a server loads the site once, and then forks its workers."""
    listen_for_ends()
    assert heard()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which the child does not need
        child = os.fork()
    if child == 0:  # pragma: no cover # whose data nobody collects
        told.clear()
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while not told and time.monotonic() < ends_at:
            time.sleep(0.05)
        os._exit(0 if told else 1)
    text = bus.text_of(Notice("a" * 43, alice.pk, EndReason.LOGOUT)).partition(" ")[2]
    status: tuple[int, int] = (0, 0)
    while status == (0, 0):
        notices.tell(f"another {text}")
        time.sleep(0.1)
        status = os.waitpid(child, os.WNOHANG)

    assert os.waitstatus_to_exitcode(status[1]) == 0
    assert bus.is_up()


def test_a_site_hears_nothing_of_one_that_is_in_another_database() -> None:
    names = set()
    for given in ("redis://a/0", "redis://a/1", {"url": "redis://a", "prefix": "b"}):
        with override_settings(SESSION_AUTH_REDIS=given):
            names.add(notices.channel())

    assert names == {"sa:ended:0", "sa:ended:1", "b:ended:0"}


def test_whoever_may_not_publish_ends_sessions_all_the_same(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    browser = signed_in()
    unheard = scripts.CLEAR.replace("'PUBLISH'", "'NO_SUCH_COMMAND'")
    store().scripts[scripts.CLEAR] = store().client.register_script(unheard)

    assert end_session(alice, id_of(browser))

    del store().scripts[scripts.CLEAR]
    assert "store_unavailable" not in caplog.text
    assert list(store().scan(f"*{id_of(browser)}")) == []


# Looks


def test_one_look_is_for_all(server: Server, alice: User, bob: User) -> None:
    """It finds what SQL alone knows, as after a fail-over."""
    browsers = [signed_in(), signed_in(), signed_in("bob")]
    ids = [id_of(browser) for browser in browsers]
    assert [record.id for record in rows().read_many(ids)] == ids

    with forgotten():
        end_session(alice, ids[0])
    SessionStore(browsers[1].session_key()).cycle_key()

    assert [record.id for record in rows().read_many(ids)] == ids[2:]
    assert rows().read_many([]) == []


# A bus that is down


def listeners() -> list[tuple[Any, str]]:
    """Return the connections that are subscribed, each with its server.

    Not those of the Sentinels: they would take the server for gone.
    """
    client = store().client
    nodes = (
        [client.get_redis_connection(node) for node in client.get_primaries()]
        if REDIS == "cluster"
        else [client]
    )
    return [
        (node, each["id"])
        for node in nodes
        for each in node.client_list(_type="pubsub")
        if not each["name"].startswith("sentinel")
    ]


@pytest.mark.parametrize("pause", [0.1, 3.0])
def test_what_is_told_while_the_connection_is_cut_is_found(
    server: Server, elsewhere: Elsewhere, alice: User, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    monkeypatch.setattr(bus, "RECONNECT_SECONDS", pause)
    browsers = [signed_in(), signed_in()]
    sockets = [opened(server, browser.session_key()) for browser in browsers]
    assert heard()

    for node, client_id in listeners():
        node.client_kill_filter(_id=client_id)
    elsewhere.does(f"end_by_ids(['{id_of(browsers[0])}'], reason=EndReason.LOGOUT)")

    assert sockets[0].next() == CLOSED
    assert heard()
    elsewhere.does(f"end_by_ids(['{id_of(browsers[1])}'], reason=EndReason.LOGOUT)")
    assert sockets[1].next() == CLOSED


def test_a_connection_that_is_lost_for_a_moment_makes_everybody_look(alice: User) -> None:
    """The client of redis-py connects anew by itself; what was told meanwhile is lost."""
    listen_for_ends()
    assert heard()
    told: list[Any] = []
    bus.subscribe(told.append)

    for node, client_id in listeners():
        node.client_kill_filter(_id=client_id)
    wait_until(lambda: bool(told))

    bus.unsubscribe(told.append)
    assert set(told) == {None}


def test_what_is_lost_while_the_bus_comes_up_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As by a server that is failing over."""
    tell = notices.tell
    lost: list[str] = []

    def lose_the_first(told: str) -> None:
        if lost:
            tell(told)
        else:
            lost.append(told)

    monkeypatch.setattr(notices, "tell", lose_the_first)
    monkeypatch.setattr(bus, "PROOF_SECONDS", 60.0)

    listen_for_ends()

    assert heard()
    assert len(lost) == 1


def test_a_server_that_is_silent_is_taken_for_gone(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notices, "SILENCE_SECONDS", 0.3)
    listen_for_ends()
    assert heard()

    for node, _ in listeners():
        node.client_pause(600)  # well below a second, after which another server would take over
    wait_until(lambda: not bus.is_up())

    assert heard()
    assert any("The server does not answer." in each for each in caplog.messages)


def test_a_notice_that_cannot_be_told_ends_sessions_all_the_same(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(told: str) -> None:
        raise StoreUnavailable

    signed_in()
    monkeypatch.setattr(notices, "tell", fail)

    assert rows().remove_all(EndReason.LOGOUT) == 1
