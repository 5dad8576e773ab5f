"""The database engine: what a session store promises, beyond what Django's own tests hold it to."""

import json
import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.contrib.auth import SESSION_KEY, alogin, login
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DjangosStore
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test import RequestFactory, override_settings

from session_auth.exceptions import StoreUnavailable
from session_auth.keys import digest, new_session_key
from session_auth.models import Session
from session_auth.sessions.base import BaseSessionStore, session_of
from session_auth.sessions.values import Record, State
from session_auth.signals import EndReason
from tests.clock import NOON
from tests.storing import SessionStore, data_of, stored

pytestmark = pytest.mark.django_db


# The key


def test_the_store_never_holds_a_key(alice: User) -> None:
    session = stored(cart=[1, 2])

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM session_auth_session")
        [row] = cursor.fetchall()
    assert str(session.session_key) not in str(row)
    assert row[0] == digest(str(session.session_key))


def test_the_id_of_a_session_does_not_open_it() -> None:
    session = stored(secret=1)

    assert SessionStore(digest(str(session.session_key))).load() == {}


@pytest.mark.parametrize("key", [new_session_key(), "someunknownkey", "x" * 5000, "é" * 43])
def test_a_key_that_opens_nothing_is_forgotten(key: str) -> None:
    session = SessionStore(key)

    assert dict(session.items()) == {}
    assert session.session_key is None
    assert session.is_empty()


def test_a_key_without_the_form_of_one_costs_no_query(
    django_assert_num_queries: Any,
) -> None:
    with django_assert_num_queries(0):
        assert SessionStore("x" * 5000).load() == {}
        assert not SessionStore().exists("x" * 5000)
        SessionStore().delete("x" * 5000)


def test_a_key_that_a_client_chose_is_never_stored() -> None:
    chosen = new_session_key()
    session = SessionStore(chosen)
    session["a"] = 1
    session.save()

    assert session.session_key != chosen
    assert not SessionStore().exists(chosen)


def test_clearing_a_session_that_does_not_exist_makes_no_row() -> None:
    session = SessionStore(new_session_key())
    session.clear()

    with pytest.raises(UpdateError):
        session.save()
    assert Session.objects.count() == 0


def test_clearing_a_session_empties_its_row() -> None:
    session = stored(a=1, b=2)

    same = SessionStore(session.session_key)
    same.clear()
    same["c"] = 3
    same.save()

    assert data_of(session) == {"c": 3}


@pytest.mark.parametrize("flushed", [False, True])
def test_a_key_that_was_noted_after_a_login_is_the_one_that_is_stored(
    rf: RequestFactory, alice: User, flushed: bool
) -> None:
    """Packages note it, and then call ``create()`` where it opens nothing yet."""
    request = rf.get("/")
    request.session = SessionStore()
    if flushed:
        request.session.flush()
    login(request, alice, backend="session_auth.backends.ModelBackend")
    noted = request.session.session_key

    assert not request.session.exists(str(noted))
    request.session.create()

    assert request.session.session_key == noted
    assert request.session.exists(str(noted))


@pytest.mark.parametrize("key", [None, new_session_key()])
def test_create_takes_no_key_from_a_client(key: str | None) -> None:
    session = SessionStore(key)

    session.create()

    assert session.session_key not in (None, key)


def test_create_gives_a_stored_session_another_key() -> None:
    session = stored(cart=1)
    key = session.session_key

    session.create()

    assert session.session_key != key


def test_must_create_refuses_a_key_that_is_taken() -> None:
    session = stored()

    with pytest.raises(CreateError):
        SessionStore(session.session_key).save(must_create=True)


# The columns


def test_the_row_knows_the_user_whoever_logged_them_in(rf: RequestFactory, alice: User) -> None:
    session = SessionStore()
    request = rf.get("/")
    request.session = session

    async_to_sync(alogin)(request, alice, "django.contrib.auth.backends.ModelBackend")
    session.save()

    row = Session.objects.get()
    assert row.user == alice
    assert row.authenticated_at == row.created_at


def test_the_user_leaves_the_row_with_the_session_data(alice: User) -> None:
    session = stored(**{SESSION_KEY: str(alice.pk)})
    assert Session.objects.get().user == alice

    del session[SESSION_KEY]
    session.save()

    row = Session.objects.get()
    assert (row.user, row.authenticated_at, row.methods) == (None, None, "{}")


def test_the_time_of_the_login_stays_while_the_user_stays(alice: User) -> None:
    bob = User.objects.create_user("bob")
    with time_machine.travel(NOON, tick=False):
        session = stored(**{SESSION_KEY: str(alice.pk)})
    with time_machine.travel(NOON + timedelta(hours=1), tick=False):
        session["a"] = 1
        session.save()
        assert Session.objects.get().authenticated_at == NOON

        session[SESSION_KEY] = str(bob.pk)
        session.save()
        assert Session.objects.get().authenticated_at == NOON + timedelta(hours=1)


@pytest.mark.parametrize("user_id", ["not a number", [], {}])
def test_a_user_id_that_cannot_be_one_is_no_user(user_id: object) -> None:
    stored(**{SESSION_KEY: user_id})

    assert Session.objects.get().user_id is None


def test_deleting_a_user_deletes_their_sessions(alice: User) -> None:
    stored(**{SESSION_KEY: str(alice.pk)})
    stored()

    alice.delete()

    assert Session.objects.get().user_id is None


@pytest.mark.parametrize(
    ("expiry", "expires_at"),
    [
        (None, NOON + timedelta(weeks=2)),
        (0, NOON + timedelta(weeks=2)),
        (60, NOON + timedelta(minutes=1)),
        (timedelta(days=1), NOON + timedelta(days=1)),
        (NOON + timedelta(days=2), NOON + timedelta(days=2)),
    ],
)
def test_set_expiry_keeps_its_meaning(expiry: Any, expires_at: datetime) -> None:
    with time_machine.travel(NOON, tick=False):
        session = SessionStore()
        session.set_expiry(expiry)
        session.save()

    assert Session.objects.get().expires_at == expires_at
    with time_machine.travel(expires_at - timedelta(seconds=1), tick=False):
        assert session.exists(session.session_key)
    with time_machine.travel(expires_at, tick=False):
        assert not session.exists(session.session_key)


@override_settings(SESSION_ENGINE="session_auth.engines.database")
def test_clearsessions_deletes_what_has_expired() -> None:
    with time_machine.travel(NOON, tick=False):
        stored(old=True)
    with time_machine.travel(NOON + timedelta(days=14), tick=False):
        young = stored(young=True)

        call_command("clearsessions")

        assert Session.objects.get().id == digest(str(young.session_key))


class RoundedSerializer:
    """A project's own."""

    def dumps(self, data: object) -> bytes:
        return json.dumps(data).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data, parse_float=lambda text: round(float(text)))


def test_a_serializer_of_the_project_reads_and_writes() -> None:
    with override_settings(SESSION_SERIALIZER=f"{__name__}.RoundedSerializer"):
        session = stored(a=1.4, name="é")

        assert data_of(session) == {"a": 1, "name": "é"}
    assert data_of(session) == {"a": 1.4, "name": "é"}


# Faults


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "{}{}", '"text"', "\x00"])
def test_data_that_is_no_json_object_counts_as_empty_and_is_logged(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = stored(a=1)
    assert SessionStore().decode(text) == {}
    assert [(r.name, r.levelno) for r in caplog.records] == [
        ("django.security.SuspiciousSession", logging.WARNING)
    ]
    Session.objects.update(data="corrupt")

    session = SessionStore(session.session_key)
    assert dict(session.items()) == {}
    session["b"] = 2
    session.save()

    assert data_of(session) == {"b": 2}


def test_an_outage_is_said_to_be_one(outage: None, caplog: pytest.LogCaptureFixture) -> None:
    session = SessionStore(new_session_key())

    for call in (
        session.load,
        session.flush,
        SessionStore().save,
        SessionStore().clear_expired,
        lambda: session.exists(session.session_key),
        lambda: session.rows.compare_and_set(record(), version=0),
        lambda: session.rows.revise("id", lambda row: row),
        lambda: session.rows.rename("id", "other"),
        lambda: session.rows.mark_seen(record(), since=NOON),
        lambda: session.rows.remove_unseen(record()),
        lambda: session.rows.remove_of_user(1, EndReason.LOGOUT),
        lambda: session.rows.of_user(1),
    ):
        with pytest.raises(StoreUnavailable):
            call()
    assert {(r.name, r.levelname, bool(r.exc_info)) for r in caplog.records} == {
        ("session_auth.security", "ERROR", True)
    }
    assert session.state is State.UNREAD


def record() -> Record:
    return Record(
        id="id",
        user_id=None,
        data="{}",
        version=1,
        created_at=NOON,
        authenticated_at=None,
        methods="{}",
        last_seen_at=NOON,
        expires_at=NOON,
        ip="",
        user_agent="",
        passive_seen_at=None,
    )


def test_an_engine_of_another_make_is_refused_with_the_remedy(rf: RequestFactory) -> None:
    request = rf.get("/")
    request.session = DjangosStore()

    with pytest.raises(ImproperlyConfigured, match=r"session_auth\.engines\.database"):
        session_of(request)


# Sync and async


def test_every_override_has_its_twin() -> None:
    """Django's async methods call their sync twins in a thread, unless a class overrides them.

    A twin that a class between overrides would bypass ours, as it does for subclasses of
    Django's ``db`` engine.
    """
    twins = {name for name in vars(SessionBase) if f"a{name}" in vars(SessionBase)}
    assert {"load", "save", "create", "delete", "exists", "flush", "cycle_key"} <= twins
    delegating = {"save", "create", "delete", "exists", "clear_expired"}

    for name in twins - delegating:
        ours = {cls for cls in (BaseSessionStore, SessionStore) if name in vars(cls)}
        assert ours == {cls for cls in (BaseSessionStore, SessionStore) if f"a{name}" in vars(cls)}
    for name in delegating:
        assert getattr(SessionStore, f"a{name}").__qualname__ == f"SessionBase.a{name}"


def test_async_methods_do_what_their_sync_twins_do() -> None:
    async def life() -> list[Any]:
        session = SessionStore()
        await session.aset("a", 1)
        await session.asave()
        first_key = session.session_key
        await session.acycle_key()
        renewed = await SessionStore(session.session_key).aload()
        old = await session.aexists(str(first_key))
        await session.aflush()
        return [renewed, old, session.state, await SessionStore(first_key).aload()]

    assert async_to_sync(life)() == [{"a": 1}, False, State.FLUSHED, {}]
    assert Session.objects.count() == 0
