"""The database engine: saves lose nothing, and bring no session back that has ended."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from hypothesis import given
from hypothesis import strategies as st

from session_auth.keys import digest
from session_auth.models import Session
from session_auth.sessions.deltas import merge
from session_auth.sessions.values import State
from tests.clock import NOON
from tests.storing import SessionStore, another_request_for, data_of, stored

pytestmark = pytest.mark.django_db


# Saves are deltas


def test_two_requests_that_change_different_keys_both_win() -> None:
    session = stored(a=1, b=1, c=1)
    first, second = another_request_for(session), another_request_for(session)

    first["a"] = 2
    del first["c"]
    first.save()
    second["b"] = 2
    second["d"] = 2
    second.save()

    assert data_of(session) == {"a": 2, "b": 2, "d": 2}
    assert dict(second.items()) == {"a": 2, "b": 2, "d": 2}


def test_of_two_requests_that_change_the_same_key_the_last_wins() -> None:
    session = stored(a=1)
    first, second = another_request_for(session), another_request_for(session)

    first["a"] = 2
    first.save()
    second["a"] = 3
    second.save()

    assert data_of(session) == {"a": 3}


def test_a_change_deep_inside_a_value_is_a_change_of_its_key() -> None:
    session = stored(cart={"apples": 1}, other=1)
    first, second = another_request_for(session), another_request_for(session)

    first["other"] = 2
    first.save()
    second["cart"]["apples"] = 2
    second.modified = True
    second.save()

    assert data_of(session) == {"cart": {"apples": 2}, "other": 2}


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), (1, 1.0), ([1], [True])])
def test_what_python_calls_equal_is_still_a_change(before: object, after: object) -> None:
    session = stored(value=before)
    first, second = another_request_for(session), another_request_for(session)

    first["other"] = 1
    first.save()
    second["value"] = after
    second.save()

    assert repr(data_of(session)["value"]) == repr(after)


def test_a_session_saved_twice_in_one_request_keeps_what_others_wrote_between() -> None:
    session = stored(a=1)
    mine = another_request_for(session)
    mine["a"] = 2
    mine.save()
    other = another_request_for(session)
    other["b"] = 1
    other.save()
    mine["c"] = 1
    mine.save()

    mine["d"] = 1
    mine.save()

    assert data_of(session) == {"a": 2, "b": 1, "c": 1, "d": 1}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists, max_leaves=3
)
sessions = st.dictionaries(st.sampled_from("abcd"), json_values)


@given(base=sessions, mine=sessions, theirs=sessions)
def test_a_merge_keeps_each_change_and_nothing_else(
    base: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    merged = merge(base, mine, theirs, encode=SessionStore().encode)

    missing = object()
    for key in "abcd":
        was, now = base.get(key, missing), mine.get(key, missing)
        changed = repr(was) != repr(now)
        assert merged.get(key, missing) == (now if changed else theirs.get(key, missing))


def test_a_save_costs_one_statement(django_assert_num_queries: Any) -> None:
    session = another_request_for(stored(a=1))

    session["a"] = 2
    with django_assert_num_queries(1):
        session.save()


# An ended session never comes back


@pytest.mark.parametrize("end", ["delete", "flush"])
def test_a_save_does_not_bring_an_ended_session_back(end: str) -> None:
    session = stored(a=1)
    late = another_request_for(session)
    getattr(another_request_for(session), end)()

    late["a"] = 2
    with pytest.raises(UpdateError):
        late.save()

    assert Session.objects.count() == 0


def test_a_second_save_does_not_bring_an_ended_session_back_either() -> None:
    session = stored(a=1)
    late = another_request_for(session)
    session.flush()
    late["a"] = 2

    for call in (late.save, late.save, late.cycle_key, late.save):
        with pytest.raises((UpdateError, SessionInterrupted)):
            call()

    assert Session.objects.count() == 0


def test_a_look_at_an_ended_session_does_not_let_a_save_bring_it_back() -> None:
    session = stored(a=1)
    late = another_request_for(session)
    session.flush()
    late["a"] = 2

    assert late.load() == {}
    with pytest.raises(UpdateError):
        late.save()

    assert Session.objects.count() == 0


def test_a_save_does_not_bring_an_expired_session_back() -> None:
    with time_machine.travel(NOON, tick=False):
        session = stored(a=1)
        late = another_request_for(session)
    with time_machine.travel(NOON + timedelta(days=14), tick=False):
        late["a"] = 2

        with pytest.raises(UpdateError):
            late.save()
        assert SessionStore(session.session_key).load() == {}


def test_renewing_the_key_does_not_bring_an_ended_session_back() -> None:
    session = stored(a=1)
    late = another_request_for(session)
    session.flush()

    with pytest.raises(SessionInterrupted):
        late.cycle_key()
    assert Session.objects.count() == 0


def test_the_old_key_is_dead_as_soon_as_the_new_one_lives(django_assert_num_queries: Any) -> None:
    session = stored(a=1)
    old_key = session.session_key

    with django_assert_num_queries(1):
        session.cycle_key()

    assert not session.exists(old_key)
    assert data_of(session) == {"a": 1}
    assert Session.objects.count() == 1


def test_a_request_with_the_old_key_cannot_write_after_the_key_was_renewed() -> None:
    session = stored(a=1)
    late = another_request_for(session)
    session.cycle_key()

    late["a"] = 2
    with pytest.raises(UpdateError):
        late.save()
    assert data_of(session) == {"a": 1}


def test_renewing_the_key_of_a_session_that_was_cleared_unread_renames_its_row() -> None:
    session = stored(a=1)
    same = SessionStore(session.session_key)
    same.clear()

    same.cycle_key()
    same.save()

    assert data_of(same) == {}
    assert Session.objects.count() == 1


def test_renewing_the_key_of_a_session_without_a_row_makes_none(
    django_assert_num_queries: Any,
) -> None:
    session = SessionStore()
    session["a"] = 1

    with django_assert_num_queries(0):
        session.cycle_key()
    key = session.session_key
    session.save()

    assert session.session_key == key
    assert data_of(session) == {"a": 1}


def test_saving_a_session_without_a_key_tells_the_client_of_its_key() -> None:
    """A project may save to get a key for an anonymous visitor; the cookie must follow."""
    session = SessionStore()

    session.save()

    assert session.modified


def test_a_session_can_be_created_at_once() -> None:
    session = SessionStore()
    session["a"] = 1

    session.create()

    assert session.modified
    assert data_of(session) == {"a": 1}


# A successor


def test_a_successor_takes_over_only_when_it_is_saved() -> None:
    before = stored(cart=[1], planted=True)
    after = before.successor(keep=["cart", "absent"])

    assert data_of(before) == {"cart": [1], "planted": True}
    after.save()

    assert data_of(after) == {"cart": [1]}
    assert data_of(before) == {}
    assert Session.objects.count() == 1


def test_a_successor_that_keeps_nothing_does_not_look_its_predecessor_up(
    django_assert_num_queries: Any,
) -> None:
    before = SessionStore(stored(a=1).session_key)

    with django_assert_num_queries(0):
        after = before.successor()
    after.save()

    assert Session.objects.get().id == digest(str(after.session_key))


def test_a_successor_of_a_successor_ends_the_first_too() -> None:
    before = stored(a=1)

    before.successor().successor().save()

    assert data_of(before) == {}
    assert Session.objects.count() == 1


def test_flushing_a_successor_ends_its_predecessor() -> None:
    before = stored(a=1)

    before.successor().flush()

    assert Session.objects.count() == 0


def test_a_successor_that_cannot_be_stored_leaves_its_predecessor() -> None:
    before, taken = stored(a=1), stored()
    after = before.successor()
    after._session_key = taken.session_key

    with pytest.raises(CreateError):
        after.save(must_create=True)
    assert data_of(before) == {"a": 1}


def test_a_flushed_session_can_be_used_again_under_a_new_key() -> None:
    session = stored(a=1)
    old_key = session.session_key
    session.flush()
    assert session.state is State.FLUSHED

    session["b"] = 1
    session.save()

    assert session.session_key != old_key
    assert data_of(session) == {"b": 1}
