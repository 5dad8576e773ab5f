"""Sessions that move between the database and Redis, while others use, change and end them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from io import StringIO
from itertools import count
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DjangosStore
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils import timezone

from session_auth import models
from session_auth.engines import moves
from session_auth.engines.redis import places, renewals
from session_auth.engines.redis.client import store
from session_auth.engines.redis.rows import RedisRows
from session_auth.keys import digest, tag_for
from session_auth.management.commands import session_move
from session_auth.sessions import (
    end_all_sessions,
    end_session,
    end_sessions,
    list_sessions,
)
from session_auth.signals import EndReason
from tests.api_client import ApiClient, id_of, signed_in
from tests.redis.steps import Other, Steps, kills
from tests.settings import DATABASE

pytestmark = pytest.mark.django_db(transaction=True)

SQLITE = "django.db.backends.sqlite3"
TO_REDIS = ("database", "redis_and_database", "redis")
TO_DATABASE = ("redis", "database_and_redis", "database")
WAYS = {"to redis": TO_REDIS, "to the database": TO_DATABASE}


class Way:
    """From one engine to another, with one that serves both in between."""

    def __init__(self, before: str, both: str, after: str) -> None:
        self.before, self.both, self.after = before, both, after

    def move(self, **options: Any) -> str:
        with engine(self.both):
            return told_by_move(**options)


@contextmanager
def engine(name: str) -> Iterator[Any]:
    """Let the site run on an engine; yield its class of sessions."""
    path = f"session_auth.engines.{name}"
    with override_settings(SESSION_ENGINE=path):
        yield import_module(path).SessionStore


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    return Way(*request.param)


def told_by_move(**options: Any) -> str:
    out = StringIO()
    call_command("session_move", stdout=out, **options)
    return out.getvalue()


def log_in(name: str) -> ApiClient:
    with engine(name):
        return signed_in()


def logged_in(name: str, user: User) -> str:
    """Return the key of a session of the user, as after a login that took no time."""
    with engine(name) as sessions:
        session = sessions()
        session[SESSION_KEY] = str(user.pk)
        session.save()
        return str(session.session_key)


def user_of(browser: ApiClient, name: str) -> Any:
    """Return who a process with this engine says that it is."""
    process = ApiClient()
    process.cookies = browser.cookies
    with engine(name):
        return process.user()


def in_table() -> set[str]:
    return set(models.Session.objects.values_list("id", flat=True))


def in_redis() -> set[str]:
    """Return the ids of what counts there."""
    return {row.record.id for rows in places.everything() for row in moves._those_alive(rows)}


def where(session_id: str) -> list[str]:
    stores = {"database": in_table(), "redis": in_redis()}
    return [name for name, ids in stores.items() if session_id in ids]


def test_nobody_is_signed_out_and_what_they_have_comes_along(alice: User, way: Way) -> None:
    browsers = [log_in(way.before) for _ in range(5)]
    with engine(way.before) as sessions:
        visitor = sessions()
        visitor["cart"] = 1
        visitor.save()
        before = list_sessions(alice)

    told = way.move(batch=2)

    source = "the database" if way.before == "database" else "Redis"
    assert told.startswith(f"Moved 6 sessions from {source} to ")
    assert told.endswith(f"0 are left in {source}.\n")
    for name in (way.both, way.after):
        assert all(user_of(browser, name)["username"] == "alice" for browser in browsers)
        with engine(name) as sessions:
            assert {each.id: each for each in list_sessions(alice)} == {
                each.id: each for each in before
            }
            assert sessions(visitor.session_key).load() == {"cart": 1}
    assert all(where(id_of(browser)) == [way.after] for browser in browsers)


# Whatever happens at whichever step


def load(sessions: Any, key: str) -> Any:
    session = sessions(key)
    session.load()
    return session


def use(session: Any, sessions: Any, user: User) -> bool:
    return bool(load(sessions, session.session_key).get(SESSION_KEY))


def save(session: Any, sessions: Any, user: User) -> bool:
    session["cart"] = 1
    session.save()
    return True


def touch(session: Any, sessions: Any, user: User) -> bool:
    session.meta = {"REMOTE_ADDR": "192.0.2.1"}
    session.touch()
    return True


def touch_passively(session: Any, sessions: Any, user: User) -> bool:
    session.passive = True
    return touch(session, sessions, user)


def renew(session: Any, sessions: Any, user: User) -> bool:
    session.cycle_key()
    return True


def prove(session: Any, sessions: Any, user: User) -> bool:
    session.prove("pin")
    return True


def log_out(session: Any, sessions: Any, user: User) -> bool:
    session.flush()
    return False


def end_it(session: Any, sessions: Any, user: User) -> bool:
    assert end_session(user, session.info.id)
    return False


def end_by_id(session: Any, sessions: Any, user: User) -> bool:
    assert sessions.rows.remove_ids([session.info.id], EndReason.LOGOUT)
    return False


def end_others(session: Any, sessions: Any, user: User) -> bool:
    assert end_sessions(user, but="x" * 43) == 1
    return False


def end_all(session: Any, sessions: Any, user: User) -> bool:
    assert end_sessions(user) == 1
    return False


def replace(session: Any, sessions: Any, user: User) -> bool:
    """Log in again, in the same browser."""
    successor = session.successor(keep=(SESSION_KEY,))
    successor.save()
    session._session_key = successor.session_key
    return True


Act = Callable[[Any, Any, User], bool]
ACTS: dict[str, Act] = {
    act.__name__: act
    for act in (
        *(use, save, touch, touch_passively, renew, prove),
        *(log_out, end_it, end_by_id, end_others, end_all, replace),
    )
}


# SQLite lets one transaction after the other write: there, little can come in between.
ALL, ON_SQLITE = bool(os.environ.get("FAULTS")), DATABASE["ENGINE"] == SQLITE
NAMES = list(ACTS) if ALL or ON_SQLITE else ["save", "touch", "renew", "end_others"]


def some_steps() -> Iterator[int]:
    return count(1, 1 if ALL or not ON_SQLITE else 6)


@pytest.mark.parametrize("act", [ACTS[name] for name in NAMES], ids=NAMES)
def test_whatever_is_done_at_any_step_of_a_move_is_done(
    act: Act, alice: User, way: Way, settings: Any, ends: list[Any]
) -> None:
    settings.SESSION_AUTH_LAST_SEEN_INTERVAL = timedelta(microseconds=1)
    for at in some_steps():  # pragma: no branch # it has an end
        ends.clear()
        key = logged_in(way.before, alice)
        with engine(way.both) as sessions:
            session = load(sessions, key)
            other = Other(lambda: act(session, sessions, alice))  # noqa: B023 # of that time
            steps = Steps(at, other)
            with steps.counted():
                told_by_move()
            if steps.count < at:
                assert at > 5
                return
            lives = other.end()
            assert_done(act, session, key, way=way, lives=bool(lives))
            assert len(ends) == (0 if lives and act is not replace else act is not end_by_id)
            end_sessions(alice)


@pytest.mark.parametrize("act", [ACTS[name] for name in NAMES], ids=NAMES)
def test_whatever_moves_at_any_step_of_what_is_done_it_is_done(
    act: Act, alice: User, way: Way, settings: Any
) -> None:
    settings.SESSION_AUTH_LAST_SEEN_INTERVAL = timedelta(microseconds=1)
    for at in some_steps():  # pragma: no branch # it has an end
        key = logged_in(way.before, alice)
        with engine(way.both) as sessions:
            session = load(sessions, key)
            other = Other(told_by_move)
            steps = Steps(at, other)
            with steps.counted():
                lives = act(session, sessions, alice)
            if steps.count < at:
                return
            other.end()
            assert_done(act, session, key, way=way, lives=lives)
            end_sessions(alice)


def assert_done(act: Act, session: Any, key: str, *, way: Way, lives: bool) -> None:
    told_by_move()  # what was renewed or replaced meanwhile
    after = type(session)(session.session_key or key)
    data = after.load()
    assert bool(data) is lives
    assert where(digest(session.session_key or key)) == [way.after] * lives
    if session.session_key not in (None, key):
        assert type(session)(key).load() == {}
        assert where(digest(key)) == []
    if act is save:
        assert data["cart"] == 1
    if act is touch or act is touch_passively:
        assert after.info is not None
        assert after.info.ip == "192.0.2.1"
    if act is prove:
        assert after.info is not None
        assert "pin" in after.info.methods


def test_a_visit_that_becomes_a_users_while_it_moves_is_theirs(alice: User, way: Way) -> None:
    for at in count(1):  # pragma: no branch # it has an end
        with engine(way.before) as sessions:
            visitor = sessions()
            visitor["cart"] = 1
            visitor.save()
        with engine(way.both) as sessions:
            session = load(sessions, str(visitor.session_key))
            session[SESSION_KEY] = str(alice.pk)
            other = Other(told_by_move)
            steps = Steps(at, other)
            with steps.counted():
                session.save()
            if steps.count < at:
                return
            other.end()

            assert sessions(visitor.session_key).load() == {"cart": 1, SESSION_KEY: str(alice.pk)}
            assert end_sessions(alice) == 1


def test_a_row_that_is_on_its_way_to_another_place_has_not_ended(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Way(*TO_DATABASE)
    key = logged_in(way.before, alice)
    real = moves._to_database

    def on_the_way(rows: Any) -> Any:
        monkeypatch.undo()
        [row] = rows
        assert places.remove(row.record, row.tag)
        moved = real(rows)
        places.add(row.record, at_most=None)
        return moved

    monkeypatch.setattr(moves, "_to_database", on_the_way)
    way.move()

    way.move()

    assert where(digest(key)) == ["database"]


def test_an_end_whose_row_is_left_is_an_end(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way(*TO_DATABASE)
    key = logged_in(way.before, alice)
    real = moves._to_database

    def ended_before(rows: Any) -> Any:
        with monkeypatch.context() as patch, engine("redis") as sessions:
            patch.setattr(places, "clear", lambda *rows: None)
            assert sessions.rows.remove_ids([digest(key)], EndReason.LOGOUT)
        return real(rows)

    monkeypatch.setattr(moves, "_to_database", ended_before)

    assert "Moved 0 sessions" in way.move()
    for name in (way.both, way.after):
        with engine(name) as sessions:
            assert sessions(key).load() == {}


def test_a_login_during_a_move_ends_the_session_before(alice: User, way: Way) -> None:
    browser = log_in(way.before)
    old = browser.session_key()
    process = ApiClient()
    process.cookies = browser.cookies
    with engine(way.both) as sessions:
        process.log_in()

        assert sessions(old).load() == {}
        assert where(digest(old)) == []
        assert [each.id for each in list_sessions(alice)] == [id_of(process)]
        assert where(id_of(process)) == [way.both.partition("_")[0]]


def test_a_move_that_is_killed_at_any_step_has_lost_nothing(alice: User, way: Way) -> None:
    keys = [logged_in(way.before, alice) for _ in range(3)]
    saved: list[dict[str, int]] = [{} for _ in keys]
    with engine(way.both) as sessions:
        for at in kills(lambda: told_by_move(batch=2)):
            assert len(list_sessions(alice)) == 3
            for key, values in zip(keys, saved, strict=True):
                session = load(sessions, key)
                values[f"saved {at}"] = session[f"saved {at}"] = at
                session.save()
        told_by_move()

        assert [where(digest(key)) for key in keys] == [[way.after]] * 3
        assert [sessions(key).load() for key in keys] == [
            values | {SESSION_KEY: str(alice.pk)} for values in saved
        ]
        assert end_sessions(alice) == 3
        assert [where(digest(key)) for key in keys] == [[]] * 3


def test_there_and_back_again(alice: User, way: Way) -> None:
    back = Way(way.after, "_and_".join(reversed(way.both.split("_and_"))), way.before)
    key, ended = (logged_in(way.before, alice) for _ in range(2))
    for each in (way, back, way):
        each.move()
        with engine(each.after) as sessions:
            session = load(sessions, key)
            session[each.after] = True
            session.save()
            sessions(ended).flush()
            assert sessions(ended).load() == {}

    assert where(digest(key)) == [way.after]
    assert where(digest(ended)) == []
    assert "Moved 0 sessions" in way.move()


def test_processes_of_each_stage_serve_each_others_logins(alice: User, way: Way) -> None:
    """As a site is deployed: with two engines that serve both, no login is where nobody looks."""
    first = "_and_".join(reversed(way.both.split("_and_")))
    stages = ((way.before, first), (first, way.both), (way.both, way.after))
    for number, (old, new) in enumerate(stages):
        if new == way.after:
            way.move()
        browsers = [log_in(old), log_in(new)]
        if number == 2:
            way.move()  # once more, as the docs say: the last stage knows one store alone
        assert all(user_of(browser, name) for browser in browsers for name in (old, new))


def test_the_oldest_go_though_they_are_elsewhere(alice: User, way: Way, settings: Any) -> None:
    settings.SESSION_AUTH_MAX_SESSIONS = 3
    keys = [logged_in(way.before, alice) for _ in range(3)]

    with engine(way.both):
        keys += [logged_in(way.both, alice) for _ in range(2)]
        listed = {each.id for each in list_sessions(alice)}

    assert listed == {digest(key) for key in keys[2:]}


def test_a_list_has_both_in_one_order(alice: User, way: Way, clock: Any) -> None:
    keys = []
    for name in (way.before, way.both) * 2:
        keys.append(logged_in(name, alice))
        clock.shift(timedelta(minutes=1))
    with engine(way.both) as sessions:
        ids = [each.id for each in list_sessions(alice)]

        assert ids == [digest(key) for key in reversed(keys)]
        found = sessions.rows.read_many([*ids, "x" * 43])
        assert {record.id for record in found} == set(ids)
        assert sessions.rows.read_many([]) == []
        assert [record.id for record in sessions.rows.of_user(alice.pk, at_most=2)] == ids[:2]


def test_staff_see_both(alice: User, way: Way) -> None:
    ids = {digest(logged_in(name, alice)) for name in (way.before, way.both)}
    staff = Client()
    with engine(way.both):
        staff.force_login(User.objects.create_superuser("root"))

        everything = staff.get("/admin/session_auth/session/").content.decode()
        of_alice = staff.get("/admin/session_auth/session/?q=alice").content.decode()

    assert [all(each[:8] in page for each in ids) for page in (everything, of_alice)] == [True] * 2
    assert ("3 sessions" in everything, "2 sessions" in of_alice) == (True, True)


def test_what_has_timed_out_is_deleted_and_told_where_it_is(
    alice: User, way: Way, ends: list[Any], clock: Any
) -> None:
    keys = [logged_in(way.before, alice), logged_in(way.both, alice)]
    clock.shift(timedelta(days=14))

    told = way.move()

    assert "Moved 0 sessions" in told
    assert "and deleted 2 that had expired" in told
    assert {each[0] for each in ends} == {digest(key) for key in keys}
    assert {each[2] for each in ends} == {"idle"}


def test_everybodys_sessions_end_in_both(alice: User, way: Way) -> None:
    keys = [logged_in(way.before, alice), logged_in(way.both, alice)]
    with engine(way.both) as sessions:
        assert end_all_sessions() == 2

        assert [sessions(key).load() for key in keys] == [{}, {}]


def test_a_dry_run_says_how_many_and_moves_none(alice: User, way: Way) -> None:
    key = logged_in(way.before, alice)

    told = way.move(dry_run=True)

    assert told.startswith("1 sessions would move from ")
    assert where(digest(key)) == [way.before]


def test_progress_is_told(alice: User, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_move, "PROGRESS_SECONDS", 0)
    for _ in range(3):
        logged_in(way.before, alice)

    assert "2 of 3 sessions have moved from " in way.move(batch=2)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("session_auth.engines.redis", "Nothing moves: set SESSION_ENGINE to "),
        ("session_auth.engines.database", "Nothing moves: set SESSION_ENGINE to "),
        ("django.contrib.sessions.backends.db", "can be neither listed nor ended"),
    ],
)
def test_an_engine_of_one_store_moves_nothing(path: str, said: str) -> None:
    with override_settings(SESSION_ENGINE=path), pytest.raises(CommandError, match=said):
        told_by_move()


def test_a_store_that_fails_is_told_and_the_move_goes_on_later(alice: User, way: Way) -> None:
    key = logged_in(way.before, alice)
    with (
        override_settings(SESSION_AUTH_REDIS="redis://127.0.0.1:1"),
        pytest.raises(CommandError, match="so run this again"),
    ):
        way.move()

    way.move()

    assert where(digest(key)) == [way.after]


def test_whoever_has_read_a_row_before_it_moved_writes_where_it_is(
    alice: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.SESSION_AUTH_LAST_SEEN_INTERVAL = timedelta(microseconds=1)
    way = Way(*TO_DATABASE)
    key = logged_in(way.before, alice)
    with engine(way.both) as sessions:
        session, seen = load(sessions, key), load(sessions, key)
        with monkeypatch.context() as patch:
            patch.setattr(moves, "_forget", lambda rows: None)  # they are still in Redis, parked
            told_by_move()
        save(session, sessions, alice)
        touch(seen, sessions, alice)

        after = load(sessions, key)
        assert (after["cart"], after.info.ip) == (1, "192.0.2.1")
    with engine("redis") as sessions:
        before = seen._record
        assert sessions.rows.compare_and_set(before, version=before.version) is False
        assert sessions.rows.mark_seen(before, since=timezone.now()) is False


def test_a_row_whose_move_has_failed_can_be_written_again(alice: User, settings: Any) -> None:
    settings.SESSION_AUTH_LAST_SEEN_INTERVAL = timedelta(microseconds=1)
    key = logged_in("redis", alice)
    with engine("redis") as sessions:
        for act in (save, touch):
            [row] = places.rows([digest(key)])
            places.park(row, "a process that was killed")
            act(load(sessions, key), sessions, alice)

        after = load(sessions, key)
        assert (after["cart"], after.info.ip) == (1, "192.0.2.1")


def test_what_is_taken_over_from_django_is_where_new_sessions_are(
    alice: User, way: Way, settings: Any
) -> None:
    settings.SESSION_AUTH_ADOPT_FROM = "django.contrib.sessions.backends.db"
    old = DjangosStore()
    old[SESSION_KEY] = str(alice.pk)
    old.save()
    key = str(old.session_key)

    with engine(way.both) as sessions:
        assert load(sessions, key)[SESSION_KEY] == str(alice.pk)
        assert where(digest(key)) == [way.both.partition("_")[0]]


def test_the_doctor_asks_redis_and_each_process_looks_for_ends(way: Way) -> None:
    with engine(way.both) as sessions:
        assert sessions.rows.flaws() == RedisRows().flaws()
        assert sessions.rows.can_listen() is False


def test_a_session_that_times_out_ends_where_it_is(
    alice: User, way: Way, clock: Any, ends: list[Any]
) -> None:
    key = logged_in(way.before, alice)
    clock.shift(timedelta(days=14))

    with engine(way.both) as sessions:
        assert sessions(key).load() == {}

    assert ends == [(digest(key), alice.pk, "idle")]


# What servers forget


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


def test_a_key_of_the_database_is_found_in_redis_and_leaves_nothing(alice: User) -> None:
    """A key of the database says nothing of the place of its user's sessions in Redis."""
    key = logged_in("database", alice)
    Way(*TO_REDIS).move()
    assert len(list(store().scan("sa:{*}:s:*"))) == 2

    Way(*TO_DATABASE).move()

    assert list(store().scan("*")) == []
    with engine("database") as sessions:
        assert load(sessions, key)[SESSION_KEY] == str(alice.pk)
