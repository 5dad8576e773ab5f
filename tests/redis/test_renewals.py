"""What others do while a session gets a new key: before it is settled, both rows are there."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import transaction
from django.test import override_settings

from session_auth.engines.redis import places, scripts
from session_auth.engines.redis.client import Store, store
from session_auth.exceptions import StoreUnavailable
from session_auth.sessions import end_sessions, list_sessions
from session_auth.sessions.proofs import retract
from session_auth.sessions.values import read_methods
from session_auth.signals import EndReason
from tests.api_client import id_of, signed_in
from tests.faults import databases
from tests.faults.databases import VENDOR
from tests.redis.steps import Other, Steps
from tests.storing import SessionStore, another_request_for, data_of

pytestmark = pytest.mark.django_db(transaction=True)


def renewable() -> tuple[SessionStore, SessionStore]:
    """Return a session of alice, and what another request is about to save in it."""
    session = another_request_for(SessionStore(signed_in().session_key()))
    late = another_request_for(session)
    late["late"] = True
    return session, late


def is_saved(session: SessionStore) -> bool:
    with suppress(UpdateError):
        session.save()
        return True
    return False


@contextmanager
def after(script: str, act: Callable[[], object], *, at: int = 1) -> Iterator[None]:
    """Do something once Redis has run a script for the nth time, before anything else."""
    real, runs = Store.run, count(1)

    def run(self: Store, name: str, *args: Any) -> Any:
        reply = real(self, name, *args)
        if name == script and next(runs) == at:
            act()
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "run", run)
        yield


@contextmanager
def nothing_settled() -> Iterator[None]:
    """As where the memory is full: what changes a row fails, and what deletes one does not."""
    real = Store.run

    def run(self: Store, name: str, *args: Any) -> Any:
        if name == scripts.SETTLE:
            raise StoreUnavailable
        return real(self, name, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "run", run)
        yield


def row_of(session: SessionStore) -> str:
    return places.key(str(session._id)[:3], str(session._id))


def look(key: str, user: User) -> None:
    SessionStore(key).load()


def log_out(key: str, user: User) -> None:
    SessionStore(key).flush()


def end_by_id(key: str, user: User) -> None:
    SessionStore.rows.remove_ids([str(SessionStore(key)._id)], EndReason.LOGOUT)


@pytest.mark.parametrize("act", [look, log_out, end_by_id])
def test_what_was_saved_under_the_old_key_stays_whoever_comes_with_that(
    act: Callable[[str, User], None], alice: User
) -> None:
    is_renewed = set()

    for at in count(1):  # pragma: no branch # it has an end
        session, late = renewable()
        other = Other(partial(act, str(late.session_key), alice))
        steps = Steps(at, other)
        save = partial(is_saved, late)
        with steps.counted(), after(scripts.COPY, save), suppress(SessionInterrupted):
            session.cycle_key()
        if steps.count < at:
            break
        other.end()
        found = data_of(session)
        is_renewed.add(bool(found))
        assert ("late" in found) is bool(found)
        end_sessions(alice)

    assert is_renewed == ({True} if act is look else {True, False})


def test_what_was_saved_under_the_old_key_stays_when_all_others_are_ended(alice: User) -> None:
    session, late = renewable()

    with nothing_settled(), transaction.atomic():
        with after(scripts.COPY, late.save):
            session.cycle_key()
        end_sessions(alice, but=session._id)

    assert data_of(session)["late"] is True


LEVELS = {
    "postgresql": ["read committed", "repeatable read"],
    "mysql": ["read committed", "repeatable read"],
}.get(VENDOR, ["serializable"])


def at_level(level: str) -> AbstractContextManager[None]:
    if VENDOR == "postgresql":  # pragma: no cover # where this is not measured
        return databases.default("default_transaction_isolation", f"'{level}'", before="")
    return databases.options(isolation_level=level) if VENDOR == "mysql" else nullcontext()


def prove(session: SessionStore, is_settled: bool) -> None:
    """Give the session new keys and a proof that is newer than the stamp of its user."""
    with suppress(SessionInterrupted), nullcontext() if is_settled else nothing_settled():
        session.cycle_key()
        session.prove("pin")


@pytest.mark.parametrize("is_settled", [True, False])
# On SQLite, nobody comes in between once the stamp is written.
@pytest.mark.parametrize("but", ["x" * 43, None] if VENDOR != "sqlite" else ["x" * 43])
@pytest.mark.parametrize("level", LEVELS)
def test_the_end_of_all_ends_what_gets_a_new_key_at_any_step(
    alice: User, level: str, but: str | None, is_settled: bool
) -> None:
    with at_level(level):
        for at in count(1):  # pragma: no branch # it has an end
            session, undone = renewable()
            with transaction.atomic():
                undone.cycle_key()  # it leaves a row of which SQL is asked whether it counts
                transaction.set_rollback(True)
            other = Other(partial(prove, session, is_settled), patience=0.2)
            steps = Steps(at, other)
            with steps.counted():
                end_sessions(alice, but=but)
            if steps.count < at:
                break
            other.end()
            assert data_of(session) == {}
            assert list_sessions(alice) == []

    assert at > 5


@pytest.mark.parametrize("is_settled", [True, False])
def test_the_end_of_all_that_waits_for_new_keys_ends_the_last_one(
    alice: User, is_settled: bool
) -> None:
    session, _ = renewable()
    other = Other(partial(end_sessions, alice, but="x" * 43), patience=0.2)

    with nullcontext() if is_settled else nothing_settled():
        with transaction.atomic():
            prove(session, is_settled=True)
            other()
        assert other.end() == 1

    assert data_of(session) == {}
    assert list_sessions(alice) == []


def test_a_session_that_gets_a_new_key_at_any_step_of_a_list_is_listed(alice: User) -> None:
    session, _ = renewable()

    for at in count(1):  # pragma: no branch # it has an end
        other = Other(partial(prove, session, is_settled=True), patience=5)
        steps = Steps(at, other)
        with steps.counted():
            listed = list_sessions(alice)
        assert len(listed) == 1
        if steps.count < at:
            break
        other.end()

    assert at > 3


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("is_settled", [True, False])
def test_of_two_new_keys_in_a_row_the_last_has_what_was_saved_under_the_first(
    at: int, is_settled: bool, alice: User
) -> None:
    session, late = renewable()
    other = Other(lambda: is_saved(late))

    with nothing_settled() if not is_settled else transaction.atomic(), transaction.atomic():
        with after(scripts.COPY, other, at=at):
            session.cycle_key()
            session.cycle_key()
        session["cart"] = 1
        session.save()

    is_kept = other.end()
    found = data_of(session)
    assert (found["cart"], found.get("late", False)) == (1, is_kept)
    assert is_kept is (at == 1)  # then it waits, and is refused
    assert len(list_sessions(alice)) == 1


def test_a_second_new_key_that_is_rolled_back_leaves_the_first(alice: User) -> None:
    session, late = renewable()

    with transaction.atomic():
        session.cycle_key()
        again = another_request_for(session)
        with transaction.atomic():
            again.cycle_key()
            again["cart"] = 1
            again.save()
            transaction.set_rollback(True)
        session["a"] = 1
        session.save()

    assert data_of(again) == {}
    assert data_of(session)["a"] == 1
    assert not is_saved(late)


def test_a_session_that_gets_a_new_key_counts_once_among_those_of_its_user(alice: User) -> None:
    signed_in()
    session, _ = renewable()
    last: list[str] = []

    with (
        override_settings(SESSION_AUTH_MAX_SESSIONS=2),
        after(scripts.COPY, lambda: last.append(id_of(signed_in()))),
    ):
        session.cycle_key()

    assert {info.id for info in list_sessions(alice)} == {session._id, *last}


@override_settings(SESSION_AUTH_MAX_SESSIONS=2)
def test_of_two_logins_at_once_none_evicts_one_more_than_it_takes_the_place_of(
    alice: User, clock: Any
) -> None:
    """The first is of a machine whose clock is behind, so that it counts as older than all."""
    signed_in()
    clock.shift(1)
    second = signed_in()
    last: list[str] = []

    def log_in() -> None:
        clock.shift(timedelta(hours=1).total_seconds())
        last.append(id_of(signed_in()))

    clock.shift(-timedelta(hours=1).total_seconds())
    with after(scripts.ADD, log_in):
        signed_in()

    assert {info.id for info in list_sessions(alice)} == {id_of(second), *last}


def test_a_proof_that_was_taken_back_meanwhile_stays_away(alice: User) -> None:
    session, _ = renewable()
    session.prove("totp")
    session.save()
    late = another_request_for(session)

    with nothing_settled():
        with after(scripts.COPY, lambda: retract(late, ["totp"])):
            session.prove("pin")
        [record] = SessionStore.rows.read_many([str(session._id)])

    assert "totp" not in read_methods(record.methods)


def test_what_is_settled_while_it_is_looked_for_is_found_as_it_is_then(alice: User) -> None:
    session, late = renewable()
    with nothing_settled(), after(scripts.COPY, late.save):
        session.cycle_key()
    steps = places.finding([str(session._id)])
    [found] = store().hashes(next(steps))
    pair = steps.send([found])
    look(str(session.session_key), alice)

    with pytest.raises(StopIteration) as end:
        steps.send(store().hashes(pair))

    [row] = end.value.value
    assert (row.after, SessionStore().decode(row.record.data)["late"]) == ("", True)


def test_a_session_that_was_set_to_last_longer_meanwhile_does(alice: User) -> None:
    session, late = renewable()
    late.set_expiry(timedelta(days=29))
    ends_at = late.deadlines()
    assert ends_at is not None

    with nothing_settled(), after(scripts.COPY, late.save):
        session.cycle_key()

    [before] = SessionStore.rows.read_many([str(session._id)])
    with after(scripts.SETTLE, lambda: None):
        [info] = list_sessions(alice)
    assert before.expires_at == info.expires_at >= ends_at.first
    assert store().client.pttl(row_of(session)) > timedelta(days=29) // timedelta(milliseconds=1)


def test_a_new_key_that_is_not_settled_opens_its_session_as_long_as_the_old_one(
    alice: User,
) -> None:
    session, _ = renewable()
    before = store().client.pttl(row_of(session))

    with nothing_settled():
        session.cycle_key()

    assert store().client.pttl(row_of(session)) > before - 60_000
