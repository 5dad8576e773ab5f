"""What is refused or fails half way leaves nothing, and what a server has lost heals by itself."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.db import OperationalError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from session_auth.engines.redis import places, scripts
from session_auth.engines.redis.client import Store, store
from session_auth.exceptions import StoreUnavailable
from session_auth.keys import tag_for
from session_auth.sessions import end_all_sessions, end_sessions, list_sessions
from session_auth.sessions.proofs import retract
from session_auth.sessions.values import read_methods
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.redis.steps import Other, Steps
from tests.storing import SessionStore, another_request_for, data_of, stored

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def down_from(statement: int) -> Iterator[None]:
    """Let the database answer so many statements less one."""
    left = count(1)

    def execute_or_fail(execute: Any, *args: Any) -> Any:
        if next(left) >= statement:
            raise OperationalError("it is down")
        return execute(*args)

    with connection.execute_wrapper(execute_or_fail):
        yield


@pytest.mark.parametrize("again", [True, False])
@override_settings(SESSION_AUTH_MAX_SESSIONS=2)
def test_a_login_that_the_database_refuses_leaves_the_sessions_as_they_were(
    alice: User, again: bool
) -> None:
    """In the browser of a session, which it would replace, or in another, which would evict one."""
    _, browser = signed_in(), signed_in()
    before = {info.id for info in list_sessions(alice)}
    caller = browser if again else ApiClient()
    caller.get(AUTH + "csrf/")
    body = {"username": "alice", "password": PASSWORD}

    for statement in count(1):  # pragma: no branch # it has an end
        with down_from(statement):
            response = caller.call("POST", AUTH + "login/", body)
        if response.status_code == 200:
            break
        assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
        assert {info.id for info in list_sessions(alice)} == before

    assert statement > 5
    assert len(list_sessions(alice)) == 2


def test_a_login_without_an_answer_leaves_no_session_once_another_has_one(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store().run

    def do_and_be_silent(*args: Any) -> Any:
        run(*args)
        raise StoreUnavailable

    monkeypatch.setattr(store(), "run", do_and_be_silent)
    assert signed_in().cookies.get("sessionid") is None
    assert len(list_sessions(alice)) == 1
    with pytest.raises(StoreUnavailable):
        stored(cart=1)
    monkeypatch.undo()

    visitor = str(stored(cart=2)._id)

    assert list_sessions(alice) == []
    assert list(store().scan("*:s:*")) == [places.key(visitor[:3], visitor)]


def test_a_session_that_is_saved_again_after_no_answer_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session, run = SessionStore(), store().run
    session["cart"] = 1

    def do_and_be_silent(*args: Any) -> Any:
        run(*args)
        raise StoreUnavailable

    monkeypatch.setattr(store(), "run", do_and_be_silent)
    with pytest.raises(StoreUnavailable):
        session.save()
    monkeypatch.undo()
    session.save()

    assert data_of(session) == {"cart": 1}


def test_a_proof_that_is_taken_back_at_any_step_of_a_new_key_stays_away(alice: User) -> None:
    taken_back = set()

    for at in count(1):  # pragma: no branch # it has an end
        session = SessionStore(signed_in().session_key())
        session.prove("totp")
        session.save()
        key = session.session_key

        def take_back() -> bool:
            there = SessionStore(key)  # noqa: B023 # of that time
            there.load()
            return retract(there, ["totp"])

        other = Other(take_back)
        renewed = another_request_for(session)
        steps = Steps(at, other)
        with steps.counted():
            renewed.prove("password")
            renewed["cart"] = 1
            renewed.save()
        if steps.count < at:
            break
        was_there = other.end()
        taken_back.add(was_there)
        found = another_request_for(renewed)
        assert found["cart"] == 1
        assert found._record is not None
        assert ("totp" in read_methods(found._record.methods)) is not was_there
        end_sessions(alice)

    assert taken_back == {True, False}


def test_what_is_saved_at_any_step_of_a_renewal_in_a_transaction_is_kept_or_refused(
    alice: User,
) -> None:
    outcomes = []

    for at in count(1):  # pragma: no branch # it has an end
        session = another_request_for(SessionStore(signed_in().session_key()))
        late = another_request_for(session)
        late["late"] = True

        def save() -> bool:
            with suppress(UpdateError):
                late.save()  # noqa: B023 # of that time
                return True
            return False

        other = Other(save)
        steps = Steps(at, other)
        with steps.counted(), transaction.atomic():
            session.cycle_key()
            session["cart"] = 1
            session.save()
        if steps.count < at:
            break
        is_kept = other.end()
        outcomes.append(bool(is_kept))
        found = data_of(session)
        assert (found["cart"], found.get("late", False)) == (1, is_kept)

    assert outcomes.index(False) == outcomes.count(True) > 0


def test_a_new_key_that_cannot_be_settled_has_what_was_saved_and_proven_under_the_old_one(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the memory is full: what changes a row fails, and what deletes one does not."""
    session = SessionStore(signed_in().session_key())
    session.prove("totp")
    session.save()
    late, too_late = another_request_for(session), another_request_for(session)
    late["a"], too_late["b"] = 1, 1
    run, is_full = store().run, True

    def run_or_fail(script: str, *args: Any) -> Any:
        if script == scripts.SETTLE and is_full:
            raise StoreUnavailable
        reply = run(script, *args)
        if script == scripts.COPY:
            late.save()
            retract(late, ["totp"])
        return reply

    monkeypatch.setattr(store(), "run", run_or_fail)
    session.prove("password")
    session.save()

    found = another_request_for(session)
    assert found["a"] == 1
    assert found._record is not None
    assert "totp" not in read_methods(found._record.methods)
    found["c"] = 1
    found.save()
    with pytest.raises(UpdateError):
        too_late.save()
    is_full = False
    found = another_request_for(session)
    assert {name: found.get(name) for name in "abc"} == {"a": 1, "b": None, "c": 1}
    assert found._record is not None
    assert "totp" not in read_methods(found._record.methods)
    assert len(list_sessions(alice)) == 1


def test_a_server_that_has_evicted_an_index_lists_what_is_used_again(
    alice: User, clock: Any
) -> None:
    here, there, third = signed_in(), signed_in(), signed_in()
    store().delete([places.index(tag_for(alice.pk), alice.pk)])
    assert list_sessions(alice) == []

    clock.shift(61)
    assert here.user() is not None  # which is recorded once a minute
    assert there.get("/api/note/?a=1").status_code == 200  # which is saved

    assert {info.id for info in list_sessions(alice)} == {id_of(here), id_of(there)}
    assert here.call("DELETE", AUTH + "sessions/").json() == {"ended": 1}
    assert (there.user(), third.user() is None) == (None, False)


def test_the_end_of_everybodys_sessions_is_no_matter_of_clocks(
    alice: User, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine of the login is ahead, and the rows cannot be deleted: as a fail-over does."""
    clock.shift(timedelta(minutes=5).total_seconds())
    browser = signed_in()
    clock.shift(-timedelta(minutes=5).total_seconds())
    assert timezone.now() < list_sessions(alice)[0].created_at

    def fail(*args: Any) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(Store, "delete", fail)
    assert end_all_sessions() == 1
    monkeypatch.undo()

    assert browser.user() is None


def test_the_end_of_everybodys_sessions_holds_nobody_up(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in()
    at_the_walk: list[ApiClient] = []
    read = store().hashes

    def log_in_first(keys: Any) -> Any:
        monkeypatch.undo()
        other = Other(lambda: at_the_walk.append(signed_in("bob")), patience=10)
        other()
        assert at_the_walk
        other.end()
        return read(keys)

    monkeypatch.setattr(store(), "hashes", log_in_first)
    assert end_all_sessions() == 1

    assert browser.user() is None
    assert at_the_walk[0].user() is not None


def test_the_end_of_everybodys_sessions_needs_no_redis(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left for it to do is to forget, and to end the visits."""
    browser, visitor = signed_in(), stored(cart=1)

    def fail(*args: Any) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(store(), "scan", fail)
    with pytest.raises(StoreUnavailable):
        end_all_sessions()
    monkeypatch.undo()

    assert browser.user() is None
    assert data_of(visitor) == {"cart": 1}
    assert end_all_sessions() == 2
    assert data_of(visitor) == {}
