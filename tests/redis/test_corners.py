"""What seldom happens: ids that meet, users who are elsewhere, calls that are made again."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import CreateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import OperationalError, connection
from django.db.models import Value
from django.test import override_settings
from django.utils import timezone

from session_auth.engines.redis import places, scripts, verdicts
from session_auth.engines.redis.client import store
from session_auth.keys import digest, new_session_key, tag_for
from session_auth.models import EndedSession, Tombstone
from session_auth.sessions import end_all_sessions, list_sessions, prune_sessions, tombstones
from session_auth.sessions.values import Record
from session_auth.signals import EndReason
from tests.api_client import id_of, signed_in
from tests.storing import SessionStore, data_of, stored

pytestmark = pytest.mark.django_db

ROWS = SessionStore.rows


def record(session_id: str, user: User | None = None) -> Record:
    now = timezone.now()
    return Record(
        id=session_id,
        user_id=user and user.pk,
        data="{}",
        version=0,
        created_at=now,
        authenticated_at=None,
        methods="{}",
        last_seen_at=now,
        expires_at=now + timedelta(hours=1),
        ip="",
        user_agent="",
        passive_seen_at=None,
    )


def id_in(session: SessionStore) -> str:
    return digest(str(session.session_key))


def test_an_id_that_a_visitor_has_is_taken(alice: User) -> None:
    session_id = digest(new_session_key())
    ROWS.insert(record(session_id), ending=(), at_most=None)

    with pytest.raises(CreateError):
        ROWS.insert(record(session_id, alice), ending=(), at_most=None)


def test_a_visitor_is_taken_over_once() -> None:
    visitor = record(digest("a" * 32))
    ROWS.adopt(visitor, old_key="a" * 32)
    assert ROWS.read(visitor.id) == visitor

    ROWS.remove_ids([visitor.id], EndReason.LOGOUT)
    ROWS.adopt(visitor, old_key="a" * 32)

    assert ROWS.read(visitor.id) is None


def test_a_session_that_has_moved_times_out(alice: User, ends: list[Any], clock: Any) -> None:
    session = stored(cart=1)
    session[SESSION_KEY] = str(alice.pk)
    session.save()
    clock.shift(timedelta(days=14))

    assert prune_sessions() == 1
    assert ends == [(id_in(session), alice.pk, "idle")]


def test_what_is_not_there_gets_no_new_key(clock: Any) -> None:
    session = stored(cart=1)
    assert ROWS.rename("x" * 43, "y" * 43) is False

    clock.shift(timedelta(days=14))

    assert ROWS.rename(id_in(session), digest(new_session_key("abc"))) is False


def test_a_new_key_may_have_another_tag() -> None:
    session, key = stored(cart=1), new_session_key("abc")

    assert ROWS.rename(id_in(session), digest(key))

    assert SessionStore(key).load() == {"cart": 1}
    assert data_of(session) == {}


def test_an_end_between_the_copy_and_the_tombstone_wins(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in()
    session = SessionStore(browser.session_key())
    session.load()
    real = store().run

    def run(script: str, *args: Any) -> Any:
        reply = real(script, *args)
        if script == scripts.COPY:
            ROWS.remove_ids([id_of(browser)], EndReason.LOGOUT)
        return reply

    monkeypatch.setattr(store(), "run", run)

    with pytest.raises(SessionInterrupted):
        session.cycle_key()
    monkeypatch.undo()
    assert list_sessions(alice) == []
    assert [key for key in store().scan("*:s:*") if store().hashes([key]) != [{}]] == []


@override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=1))
def test_the_end_of_everybodys_sessions_is_recorded(alice: User, bob: User) -> None:
    ids = {id_of(signed_in()), id_of(signed_in("bob"))}
    stored(cart=1)

    assert end_all_sessions() == 3

    assert {row.session_id for row in EndedSession.objects.all()} == ids
    assert list_sessions(alice) == []


@pytest.mark.django_db(transaction=True)
def test_a_user_is_asked_for_once_more_after_a_conflict(alice: User) -> None:
    browser = signed_in()
    failed: list[str] = []

    def fail_once(execute: Any, sql: str, *args: Any) -> Any:
        if not failed and "tombstone" in sql:
            failed.append(sql)
            locked = OperationalError("database is locked")
            locked.__cause__ = Locked()
            raise locked
        return execute(sql, *args)

    with connection.execute_wrapper(fail_once):
        assert browser.user() is not None

    assert failed


class Locked(Exception):
    sqlite_errorcode = 5
    sqlstate = "40001"


def forget_statements() -> None:
    verdicts._forget(setting="AUTH_USER_MODEL")


@pytest.mark.parametrize("users", [None, "odd"])
def test_where_users_are_not_plain_django_asks_for_them(
    users: str | None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And stamps and tombstones are asked for by themselves."""

    def using(alias: str) -> Any:
        return User.objects.using(alias).annotate(odd=Value("worked out by the database"))

    odd = SimpleNamespace(_base_manager=SimpleNamespace(using=using))
    browser = signed_in()
    monkeypatch.setattr(verdicts, "plain_user_model", lambda: users and odd)
    forget_statements()

    assert browser.user() is not None
    browser.log_out()
    assert browser.user() is None
    forget_statements()


def test_a_user_whose_row_is_gone_is_nobody(alice: User) -> None:
    browser = signed_in()
    User.objects.filter(pk=alice.pk)._raw_delete(connection.alias)

    assert browser.user() is None


def test_where_a_database_returns_nothing_each_tombstone_is_one_statement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection.features, "can_return_columns_from_insert", False)
    alias = connection.alias

    assert tombstones.claim({"a": "", "b": "c"}, alias=alias) == {"a", "b"}
    assert tombstones.claim({"a": "", "d": ""}, alias=alias) == {"d"}
    assert Tombstone.objects.get(pk="b").successor == "c"


def test_the_tag_of_a_key_is_that_of_its_place() -> None:
    session = stored(cart=1)

    assert list(store().scan("*:s:*")) == [places.key(str(session.session_key)[:3], id_in(session))]


def test_what_is_saved_under_the_old_key_while_it_is_renewed_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = stored(a=1)
    late = SessionStore(session.session_key)
    late["b"] = 2
    real = store().run

    def run(script: str, *args: Any) -> Any:
        reply = real(script, *args)
        if script == scripts.COPY:
            late.save()
        return reply

    monkeypatch.setattr(store(), "run", run)
    session.cycle_key()
    session["c"] = 3
    session.save()

    assert data_of(session) == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("user_id", ["}:s:x", "}:u:x", "a b", "*", "{xyz}:s:x"])
def test_a_user_whose_primary_key_looks_like_a_key_of_redis_is_a_user(
    alice: User, user_id: str
) -> None:
    signed_in()
    store().client.zadd(places.index("abc", user_id), {"a" * 43: 1})

    (rows,) = places.everything()
    assert [row.record.user_id for row in rows] == [alice.pk]
    assert list(places.expired()) == []
    end_all_sessions()
    assert list_sessions(alice) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expires_at", None),
        ("version", "x"),
        ("created_at", "9" * 30),
        ("user_id", "a name, as of a user model from before"),
    ],
)
def test_a_row_that_nobody_can_read_opens_nothing_and_holds_nobody_up(
    alice: User, field: str, value: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    browser, other = signed_in(), signed_in()
    row = places.key(tag_for(alice.pk), id_of(browser))
    if value is None:
        store().client.hdel(row, field)
    else:
        store().client.hset(row, field, value)

    assert browser.user() is None
    assert [each.id for each in list_sessions(alice)] == [id_of(other)]
    assert prune_sessions() == 0
    assert end_all_sessions() == 1
    assert not store().client.exists(row)
    assert "cannot be read" in caplog.text
