"""Where rows are, what finds them, and what a server may do meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.test import override_settings
from django.utils import timezone
from redis.exceptions import RedisError

from session_auth.engines.redis import places
from session_auth.engines.redis.client import store
from session_auth.exceptions import StoreUnavailable
from session_auth.keys import digest, is_session_key, new_session_key, tag_for, tag_of
from session_auth.models import EndedSession
from session_auth.sessions import end_sessions, list_sessions, prune_sessions
from session_auth.sessions.values import Record
from session_auth.signals import EndReason
from tests.api_client import AUTH, id_of, signed_in
from tests.storing import SessionStore, another_request_for, data_of, stored

pytestmark = pytest.mark.django_db


def keys() -> set[str]:
    return set(store().scan("*"))


def key_of(session: SessionStore) -> str:
    return places.key(tag_of(digest(str(session.session_key))), digest(str(session.session_key)))


# Where a row is


def test_all_sessions_of_a_user_are_in_one_slot(alice: User, bob: User) -> None:
    tag = tag_for(alice.pk)
    browsers = [signed_in() for _ in range(3)]
    signed_in("bob")

    assert {browser.session_key().partition(".")[0] for browser in browsers} == {tag}
    assert keys() == {
        *(f"sa:{{{tag}}}:s:{id_of(browser)}" for browser in browsers),
        f"sa:{{{tag}}}:u:{alice.pk}",
        *(key for key in keys() if tag_for(bob.pk) in key),
    }


def test_no_key_and_no_secret_of_the_session_is_stored(alice: User) -> None:
    browser = signed_in()
    secret = browser.session_key().partition(".")[2]

    for key in keys():
        assert secret not in key
        assert secret.encode() not in store().client.dump(key)


def test_a_key_with_another_tag_opens_nothing(alice: User) -> None:
    browser = signed_in()
    forged = "abc" + browser.session_key()[3:]

    assert is_session_key(forged)
    assert SessionStore(forged).load() == {}


@pytest.mark.parametrize("key", [new_session_key(), "a" * 32])
def test_a_session_whose_key_has_no_tag_is_found_and_ended(alice: User, key: str) -> None:
    """Such as one that was taken over from another engine."""
    now = timezone.now()
    record = Record(
        id=digest(key),
        user_id=alice.pk,
        data=SessionStore().encode({SESSION_KEY: str(alice.pk)}),
        version=0,
        created_at=now,
        authenticated_at=now,
        methods="{}",
        last_seen_at=now,
        expires_at=now + timedelta(hours=1),
        ip="",
        user_agent="",
        passive_seen_at=None,
    )
    rows = SessionStore.rows
    rows.insert(record, ending=(), at_most=None)
    with pytest.raises(CreateError):
        rows.insert(record, ending=(), at_most=None)

    session = SessionStore(key)
    session["b"] = 2
    session.save()
    assert SessionStore(key).load() == {SESSION_KEY: str(alice.pk), "b": 2}
    later = record._replace(last_seen_at=now + timedelta(minutes=2))
    assert rows.mark_seen(later, since=now + timedelta(minutes=1))
    assert [info.id for info in list_sessions(alice)] == [digest(key)]

    session.cycle_key()
    assert SessionStore(key).load() == {}
    assert str(session.session_key).startswith(tag_for(alice.pk))
    assert end_sessions(alice) == 1
    assert list_sessions(alice) == []


def test_a_session_whose_row_is_elsewhere_is_ended_by_its_id(alice: User) -> None:
    session = stored(cart=1)
    session[SESSION_KEY] = str(alice.pk)
    session.save()
    session_id = digest(str(session.session_key))

    [ended] = SessionStore.rows.remove_ids([session_id], EndReason.LOGOUT)

    assert (ended.id, ended.user_id) == (session_id, alice.pk)
    assert data_of(session) == {}


def test_a_user_who_is_set_without_a_login_is_listed_and_leaves(alice: User, bob: User) -> None:
    session = stored(cart=1)
    for user in (alice, bob):
        session[SESSION_KEY] = str(user.pk)
        session.save()
        assert len(list_sessions(user)) == 1
    assert list_sessions(alice) == []

    del session[SESSION_KEY]
    session.save()
    assert list_sessions(bob) == []
    assert data_of(session) == {"cart": 1}

    session.cycle_key()
    assert data_of(session) == {"cart": 1}


def test_another_request_has_set_the_user_meanwhile(alice: User) -> None:
    session = stored(cart=1)
    late = another_request_for(session)
    session[SESSION_KEY] = str(alice.pk)
    session.save()

    late["b"] = 2
    late.save()

    assert data_of(session) == {"cart": 1, "b": 2, SESSION_KEY: str(alice.pk)}
    assert len(list_sessions(alice)) == 1


def test_of_two_requests_that_set_the_user_one_is_first(alice: User, bob: User) -> None:
    session = stored(cart=1)
    late = another_request_for(session)
    session[SESSION_KEY] = str(alice.pk)
    session.save()

    late[SESSION_KEY] = str(bob.pk)
    late.save()

    assert data_of(session)[SESSION_KEY] == str(bob.pk)
    assert (len(list_sessions(alice)), len(list_sessions(bob))) == (0, 1)


# What a server may do


def test_a_server_that_has_lost_the_scripts_gets_them_again(alice: User) -> None:
    browser = signed_in()
    store().client.script_flush()

    assert browser.log_out().status_code == 200
    assert signed_in().user() is not None


def test_a_login_whose_answer_is_lost_is_stored_once(alice: User) -> None:
    """The client sends a call again if it does not know what has become of it."""
    real, sent = store().run, []

    def twice(*args: Any) -> Any:
        sent.append(real(*args))
        return real(*args)

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(store(), "run", twice)
        session = SessionStore()
        session[SESSION_KEY] = str(alice.pk)
        session.save()

    assert sent
    assert len(list_sessions(alice)) == 1


@pytest.mark.parametrize("limit", [1, 2])
def test_the_oldest_go_and_what_has_vanished_does_not_count(alice: User, limit: int) -> None:
    ghost, *browsers = [signed_in() for _ in range(3)]
    store().delete([places.key(tag_for(alice.pk), id_of(ghost))])
    SessionStore.clear_expired()

    with override_settings(SESSION_AUTH_MAX_SESSIONS=limit + 1):
        last = signed_in()

    kept = [*browsers[2 - limit :], last]
    assert {info.id for info in list_sessions(alice)} == {id_of(browser) for browser in kept}
    assert set(store().members(places.index(tag_for(alice.pk), alice.pk))) == {
        id_of(browser) for browser in kept
    }


def test_rows_vanish_two_days_after_a_users_session_and_with_a_visitors(alice: User) -> None:
    visitor, browser = stored(a=1), signed_in()
    two_weeks, two_days = 14 * 24 * 3600, 2 * 24 * 3600

    seconds = store().client.ttl(places.key(tag_for(alice.pk), id_of(browser)))
    assert two_weeks + two_days - 60 < seconds <= two_weeks + two_days
    assert store().client.ttl(places.index(tag_for(alice.pk), alice.pk)) >= seconds
    assert two_weeks - 60 < store().client.ttl(key_of(visitor)) <= two_weeks


@override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=1))
def test_a_timeout_is_told_and_recorded_by_pruning(
    alice: User, ends: list[Any], clock: Any
) -> None:
    browsers = [signed_in() for _ in range(3)]
    clock.shift(timedelta(days=14))
    young = signed_in()

    assert prune_sessions(batch=2) == 3

    assert set(ends) == {(id_of(browser), alice.pk, "idle") for browser in browsers}
    assert EndedSession.objects.count() == 3
    assert [info.id for info in list_sessions(alice)] == [id_of(young)]


def test_of_many_requests_one_writes_that_the_session_was_seen(alice: User) -> None:
    session = SessionStore()
    session[SESSION_KEY] = str(alice.pk)
    session.save()
    record = session._record
    assert record is not None
    seen = record._replace(last_seen_at=record.last_seen_at + timedelta(minutes=2))

    def mark(_: int) -> bool:
        return SessionStore.rows.mark_seen(seen, since=record.last_seen_at)

    with ThreadPoolExecutor(8) as threads:
        marked = list(threads.map(mark, range(20)))

    assert sorted(marked) == [False] * 19 + [True]


@pytest.mark.django_db(transaction=True)
def test_what_has_ended_takes_no_memory(alice: User) -> None:
    browser, visitor = signed_in(), stored(a=1)

    browser.log_out()
    visitor.flush()

    assert keys() == set()


def test_a_save_that_others_are_always_ahead_of_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    session = stored(n=0)
    rows = SessionStore.rows
    monkeypatch.setattr("session_auth.stores.PATIENCE_SECONDS", 0.05)

    def change(record: Record) -> Record:
        other = another_request_for(session)
        other["n"] = other["n"] + 1
        other.save()
        return record._replace(data="{}")

    with pytest.raises(StoreUnavailable):
        rows.revise(digest(str(session.session_key)), change)


def test_a_session_that_ends_while_it_is_revised_stays_ended() -> None:
    session = stored(n=0)

    def change(record: Record) -> Record:
        SessionStore(session.session_key).flush()
        return record._replace(data="{}")

    assert SessionStore.rows.revise(digest(str(session.session_key)), change) is None
    with pytest.raises(UpdateError):
        session.save()


def test_what_cannot_be_deleted_has_ended_all_the_same(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in()

    def fail(*args: Any) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(store(), "run", fail)
    assert end_sessions(alice) == 1
    monkeypatch.undo()

    assert browser.user() is None


def test_a_server_without_memory_refuses_what_is_new_and_serves_who_is_there(alice: User) -> None:
    browser = signed_in()
    servers = {"target_nodes": "primaries"} if hasattr(store().client, "get_primaries") else {}
    store().client.config_set("maxmemory", 1, **servers)
    try:
        assert browser.user() is not None
        assert signed_in().cookies.get("sessionid") is None
        response = browser.call("GET", "/api/note/?a=1")
        assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
        assert browser.log_out().status_code == 200
    finally:
        store().client.config_set("maxmemory", 0, **servers)
    assert browser.user() is None


# What it costs


def calls_of(call: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how often the servers are asked."""
    asked = []
    for name in ("run", "hashes", "members", "delete", "forget_members"):
        real = getattr(store(), name)

        def counted(*args: Any, _real: Any = real, _name: str = name) -> Any:
            asked.append(_name)
            return _real(*args)

        monkeypatch.setattr(store(), name, counted)
    call()
    monkeypatch.undo()
    return len(asked)


def test_a_request_asks_redis_once_and_sql_once(
    alice: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    browser = signed_in()

    with django_assert_num_queries(1):
        assert calls_of(lambda: browser.get(AUTH + "user/"), monkeypatch) == 1


def test_a_key_that_opens_nothing_asks_redis_once_and_sql_never(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        assert calls_of(SessionStore(new_session_key()).load, monkeypatch) == 1


def test_a_first_login_asks_redis_once(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    assert calls_of(signed_in, monkeypatch) == 1


# A client


def test_an_error_of_the_client_is_503_and_logged_with_its_code(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        with store().guards():
            raise RedisError("MISCONF Redis is configured to save RDB snapshots")

    with pytest.raises(StoreUnavailable):
        fail()

    assert "code=MISCONF" in caplog.text
