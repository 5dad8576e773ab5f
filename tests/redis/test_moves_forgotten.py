"""Sessions that have moved, and servers of Redis that forget."""

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User

from session_auth.engines.redis import places, renewals
from session_auth.engines.redis.client import store
from session_auth.keys import digest, tag_for
from session_auth.sessions import (
    end_sessions,
    list_sessions,
)
from tests.redis.moving import TO_DATABASE, TO_REDIS, Way, engine, load, logged_in, where
from tests.storing import another_request_for

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_has_moved_to_redis_ends_there_though_that_forgets_it(alice: User) -> None:
    way = Way(*TO_REDIS)
    key = logged_in(way.before, alice)
    way.move()
    name = places.key(tag_for(alice.pk), digest(key))
    copy = store().client.dump(name)
    with engine(way.both) as sessions:
        assert end_sessions(alice, but="x" * 43) == 1
        store().client.restore(name, 0, copy)

        assert sessions(key).load() == {}
    with engine(way.after) as sessions:
        assert sessions(key).load() == {}


def test_a_row_that_redis_has_again_after_it_has_moved_away_opens_nothing(alice: User) -> None:
    way = Way(*TO_DATABASE)
    key = logged_in(way.before, alice)
    name = places.key(tag_for(alice.pk), digest(key))
    row = store().client.dump(name)
    way.move()
    store().client.restore(name, 0, row)
    assert where(digest(key)) == ["database"]
    with engine(way.after) as sessions:  # which knows nothing of Redis
        sessions(key).flush()

    for name in (way.both, *TO_REDIS[1:]):
        with engine(name) as sessions:
            assert sessions(key).load() == {}
            assert list_sessions(alice) == []


def test_it_moves_there_again_whatever_redis_has_left(alice: User) -> None:
    key = logged_in("redis", alice)
    name = places.key(tag_for(alice.pk), digest(key))
    row = store().client.dump(name)
    Way(*TO_DATABASE).move()
    store().client.restore(name, 0, row)
    with engine("database") as sessions:
        session = load(sessions, key)
        session["later"] = True
        session.save()

    Way(*TO_REDIS).move()

    with engine("redis") as sessions:
        assert load(sessions, key)["later"] is True
    assert where(digest(key)) == ["redis"]


def test_a_copy_that_redis_has_as_it_was_before_the_commit_counts(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Way(*TO_REDIS)
    key = logged_in(way.before, alice)
    with monkeypatch.context() as patch:
        patch.setattr(renewals, "settle", lambda row: None)
        way.move()

    assert "after" in store().hashes([places.key(tag_for(alice.pk), digest(key))])[0]
    with engine(way.after) as sessions:
        session = load(sessions, key)
        session["later"] = True
        session.save()
        assert load(sessions, key)["later"] is True


def test_a_row_that_is_not_settled_stays_where_it_is_until_it_is(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Way(*TO_DATABASE)
    key = logged_in(way.before, alice)
    with monkeypatch.context() as patch, engine(way.before) as sessions:
        patch.setattr(renewals, "settle", lambda *_: None)
        session, late = load(sessions, key), another_request_for(sessions(key))
        session.cycle_key()
        late["later"] = True
        late.save()
        way.move()
        assert where(session._id) == ["redis"]
    way.move()

    assert where(session._id) == ["database"]
    with engine(way.after) as sessions:
        assert load(sessions, session.session_key)["later"] is True


def test_a_key_of_the_database_is_found_in_redis_and_leaves_nothing(alice: User) -> None:
    """A key of the database says nothing of the place of its user's sessions in Redis."""
    key = logged_in("database", alice)
    Way(*TO_REDIS).move()
    assert len(list(store().scan("sa:{*}:s:*"))) == 2

    Way(*TO_DATABASE).move()

    assert list(store().scan("*")) == []
    with engine("database") as sessions:
        assert load(sessions, key)[SESSION_KEY] == str(alice.pk)
