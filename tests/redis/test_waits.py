"""Replicas that are waited for: what is refused without them, and what is not."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends import db
from django.test import override_settings
from redis import Redis

from session_auth.engines.redis import places
from session_auth.engines.redis.client import Store, client_of, store
from session_auth.exceptions import StoreUnavailable
from session_auth.keys import tag_of
from session_auth.models import AdoptedSession
from session_auth.sessions import end_sessions, list_sessions
from session_auth.sessions.values import write_methods
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.settings import REDIS, SESSION_AUTH_REDIS
from tests.storing import SessionStore, stored

pytestmark = pytest.mark.django_db(transaction=True)

NEW_PASSWORD = "a long new password"
WAITING = {**(SESSION_AUTH_REDIS or {}), "wait_replicas": 1, "wait_timeout": 0.1}


def replicas() -> list[Redis]:
    client = store().client
    if REDIS == "sentinel":
        [sentinel, *_] = client.connection_pool.sentinel_manager.sentinels
        return [Redis(each["ip"], each["port"]) for each in sentinel.sentinel_slaves("sessions")]
    if REDIS == "cluster":
        # Those too that the others still take for dead, since a test had stopped them.
        nodes = client.cluster_nodes().items()
        return [Redis(*address.split(":")) for address, node in nodes if "slave" in node["flags"]]
    return []  # a server has none


@pytest.fixture
def waiting() -> Iterator[None]:
    with override_settings(SESSION_AUTH_REDIS=WAITING):
        yield


@contextmanager
def silent_replicas() -> Iterator[None]:
    """Wait for replicas that do not answer."""
    processes = [int(replica.info("server")["process_id"]) for replica in replicas()]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        with override_settings(SESSION_AUTH_REDIS=WAITING):
            yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def log_in(browser: ApiClient) -> Any:
    browser.get(AUTH + "csrf/")
    return browser.call("POST", AUTH + "login/", {"username": "alice", "password": PASSWORD})


def is_unavailable(response: Any) -> bool:
    return bool(response.status_code == 503 and response.json()["code"] == "store_unavailable")


def test_without_replicas_a_login_is_refused_and_leaves_nothing(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    with silent_replicas():
        response = log_in(ApiClient())

    assert is_unavailable(response)
    assert "sessionid" not in response.cookies
    assert list_sessions(alice) == []
    assert "store=sessions code=WAIT" in caplog.text


@override_settings(SESSION_AUTH_MAX_SESSIONS=1)
def test_a_login_that_is_refused_ends_no_session(alice: User) -> None:
    browser = signed_in()

    with silent_replicas():
        assert is_unavailable(log_in(ApiClient()))  # it would end the oldest
        assert is_unavailable(log_in(browser))  # it would end the browser's own

    assert browser.user() is not None
    assert [info.id for info in list_sessions(alice)] == [id_of(browser)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("reauthenticate/", {"password": PASSWORD}),
        ("password/change/", {"old_password": PASSWORD, "new_password": NEW_PASSWORD}),
    ],
)
def test_a_new_key_that_is_refused_leaves_all_as_it_was(
    alice: User, path: str, body: dict[str, str]
) -> None:
    browser, other = signed_in(), signed_in()
    before = {info.id for info in list_sessions(alice)}

    with silent_replicas():
        assert is_unavailable(browser.call("POST", AUTH + path, body))

    assert browser.user() is not None
    assert other.user() is not None
    assert {info.id for info in list_sessions(alice)} == before
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_an_end_waits_for_nobody(alice: User) -> None:
    here, other, third, last = (signed_in() for _ in range(4))

    with silent_replicas():
        assert here.call("DELETE", f"{AUTH}sessions/{id_of(other)}/").status_code == 204
        assert here.log_out().status_code == 200
        assert end_sessions(alice, but=id_of(last)) == 1
        assert last.user() is not None
        assert end_sessions(alice) == 1

    assert [browser.user() for browser in (here, other, third, last)] == [None] * 4


def test_what_is_not_new_waits_for_nobody(alice: User) -> None:
    browser = signed_in()

    with silent_replicas():
        assert browser.get("/api/note/?a=1").status_code == 200

    assert browser.get("/api/note/").json()["a"] == "1"


def test_a_proof_that_is_taken_back_is_gone_whatever_is_answered(alice: User) -> None:
    browser = signed_in()
    rows = SessionStore.rows

    with silent_replicas(), pytest.raises(StoreUnavailable):
        rows.revise(id_of(browser), lambda row: row._replace(methods=write_methods({})))

    record = rows.read(id_of(browser))
    assert record is not None
    assert record.methods == write_methods({})


def test_what_another_connection_has_written_is_waited_for_too() -> None:
    """The command WAIT knows of its own connection alone."""
    options = dict(SESSION_AUTH_REDIS or {})

    visitor = stored(a=1)
    assert visitor.info is not None

    with silent_replicas():
        visitor["a"] = 2
        visitor.save()
        fresh = Store(client_of(options), wait_replicas=1, wait_timeout=0.1)
        with pytest.raises(StoreUnavailable):
            fresh.wait_for_replicas(places.key(tag_of(visitor.info.id), visitor.info.id), 10_000)


@override_settings(SESSION_AUTH_ADOPT_FROM="django.contrib.sessions.backends.db")
def test_a_session_of_another_engine_is_taken_over_once_there_are_replicas() -> None:
    old = db.SessionStore()
    old["cart"] = 1
    old.save()

    with silent_replicas(), pytest.raises(StoreUnavailable):
        SessionStore(old.session_key).load()

    assert not AdoptedSession.objects.exists()
    assert SessionStore(old.session_key).load() == {"cart": 1}
    assert AdoptedSession.objects.exists()


def test_a_server_that_refuses_to_write_without_replicas_serves_who_is_there(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """As with ``min-replicas-to-write``, which is an option of the server."""
    browser = signed_in()
    servers = {"target_nodes": "primaries"} if REDIS == "cluster" else {}
    store().client.config_set("min-replicas-to-write", 5, **servers)
    try:
        assert browser.user() is not None
        assert is_unavailable(log_in(ApiClient()))
        assert is_unavailable(browser.call("GET", "/api/note/?a=1"))
        assert browser.log_out().status_code == 200
    finally:
        store().client.config_set("min-replicas-to-write", 0, **servers)

    assert browser.user() is None
    assert "store=sessions code=NOREPLICAS" in caplog.text


@pytest.mark.usefixtures("waiting")
def test_what_has_vanished_is_at_no_replica() -> None:
    with pytest.raises(StoreUnavailable):
        store().wait_for_replicas("sa:{a}:s:vanished", 10_000)


if REDIS != "server":

    @override_settings(
        SESSION_AUTH_REDIS={**WAITING, "wait_timeout": 10.0, "socket_timeout": 20.0},
        SESSION_AUTH_LAST_SEEN_INTERVAL=timedelta(days=1),
    )
    def test_a_login_that_is_answered_is_at_a_replica(alice: User) -> None:
        browser, visitor = ApiClient(), stored(a=1)

        for _ in range(20):
            assert log_in(browser).status_code == 200
            assert (
                browser.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD}).status_code
                == 200
            )
            assert is_at_a_replica(id_of(browser))

        visitor.cycle_key()
        assert visitor.info is not None
        assert is_at_a_replica(visitor.info.id)

    def is_at_a_replica(session_id: str) -> bool:
        name = places.key(tag_of(session_id), session_id)
        return any(name.encode() in replica.scan_iter(name, count=1000) for replica in replicas())
