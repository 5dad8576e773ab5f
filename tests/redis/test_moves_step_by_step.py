"""Sessions that move, with whatever else is done at whichever step."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User

from session_auth.engines import moves
from session_auth.engines.redis import places
from session_auth.keys import digest
from session_auth.sessions import (
    end_session,
    end_sessions,
    list_sessions,
)
from session_auth.signals import EndReason
from tests.api_client import ApiClient, id_of
from tests.redis.moving import (
    SQLITE,
    TO_DATABASE,
    Way,
    engine,
    load,
    log_in,
    logged_in,
    save,
    told_by_move,
    touch,
    where,
)
from tests.redis.steps import Other, Steps, kills
from tests.settings import DATABASE

pytestmark = pytest.mark.django_db(transaction=True)


def use(session: Any, sessions: Any, user: User) -> bool:
    return bool(load(sessions, session.session_key).get(SESSION_KEY))


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

    assert ": 0. Expired" in way.move()
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
