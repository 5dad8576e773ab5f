"""Sessions that move between the database and Redis, while others use, change and end them."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DjangosStore
from django.core.management import CommandError
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from session_auth.engines import moves
from session_auth.engines.redis import places
from session_auth.engines.redis.rows import RedisRows
from session_auth.keys import digest
from session_auth.management.commands import session_move
from session_auth.sessions import (
    end_all_sessions,
    list_sessions,
)
from tests.api_client import AUTH, ApiClient, id_of
from tests.outage import Dying
from tests.redis.moving import (
    TO_DATABASE,
    Way,
    engine,
    load,
    log_in,
    logged_in,
    save,
    told_by_move,
    touch,
    user_of,
    where,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_nobody_is_signed_out_and_what_they_have_comes_along(alice: User, way: Way) -> None:
    browsers = [log_in(way.before) for _ in range(5)]
    with engine(way.before) as sessions:
        visitor = sessions()
        visitor["cart"] = 1
        visitor.save()
        before = list_sessions(alice)

    told = way.move(batch=2)

    source = "the database" if way.before == "database" else "Redis"
    assert told.startswith(f"Sessions moved from {source} to ")
    assert ": 6. Expired ones deleted: 0\n" in told
    assert told.endswith(f"Left in {source}: 0\n")
    for name in (way.both, way.after):
        assert all(user_of(browser, name)["username"] == "alice" for browser in browsers)
        with engine(name) as sessions:
            assert {each.id: each for each in list_sessions(alice)} == {
                each.id: each for each in before
            }
            assert sessions(visitor.session_key).load() == {"cart": 1}
    assert all(where(id_of(browser)) == [way.after] for browser in browsers)


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
    assert ": 0. Expired" in way.move()


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

    assert ": 0. Expired ones deleted: 2\n" in told
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

    assert told.startswith("Sessions that would move from ")
    assert told.endswith(": 1\n")
    assert where(digest(key)) == [way.before]


def test_progress_is_told(alice: User, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_move, "PROGRESS_SECONDS", 0)
    for _ in range(3):
        logged_in(way.before, alice)

    assert " so far: 2 of 3\n" in way.move(batch=2)


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


def test_a_login_of_which_nobody_can_be_told_leaves_no_session(alice: User, way: Way) -> None:
    """The mail is written with the session, or there is none."""
    browser, dying = ApiClient(), Dying(after="INSERT INTO session_auth_pendingmail", at=0)

    with engine(way.both), override_settings(SESSION_AUTH_SESSIONS_URL="https://example.org/s/"):
        browser.get(AUTH + "csrf/")
        with connection.execute_wrapper(dying):
            response = browser.log_in()

        assert response.status_code == 503
        assert list_sessions(alice) == []
