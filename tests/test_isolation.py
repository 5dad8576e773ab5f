"""Many at once at each isolation level: nothing is lost, ends are final, no deadlock."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from threading import Thread

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.db import transaction
from django.test import override_settings

from session_auth.engines.database import SessionStore
from session_auth.models import Session
from session_auth.sessions import end_sessions
from tests.api_client import AUTH, ApiClient, id_of, signed_in
from tests.faults import databases
from tests.faults.databases import VENDOR, beside, run
from tests.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 8
KEYS = 25
LEVELS = {
    "postgresql": ["read committed", "repeatable read", "serializable"],
    "mysql": ["read committed", "repeatable read"],
}[VENDOR]


def at_level(level: str) -> AbstractContextManager[None]:
    if VENDOR == "postgresql":
        return databases.default("default_transaction_isolation", f"'{level}'", before="")
    return databases.options(isolation_level=level)


def deadlocks() -> int:
    """Return how many the server has seen so far."""
    with beside() as other:
        if VENDOR == "postgresql":
            query = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            [[number]] = run(other, "SELECT pg_stat_clear_snapshot()", query)
        else:
            [[_, number]] = run(other, "SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
    return int(number)


def another_tab(browser: ApiClient) -> ApiClient:
    tab = ApiClient(raise_request_exception=False)
    for name, morsel in browser.cookies.items():
        tab.cookies[name] = morsel.value
    return tab


@pytest.mark.parametrize("level", LEVELS)
def test_many_who_write_to_one_session_lose_nothing(alice: User, level: str) -> None:
    browser = signed_in()
    written: list[str] = []
    answers: Counter[int] = Counter()

    def write(writer: int) -> None:
        tab = another_tab(browser)
        for number in range(KEYS):
            key = f"{writer}-{number}"
            status = tab.get("/api/note/", {key: 1}).status_code
            answers[status] += 1
            written.extend([key] if status == 200 else [])

    with at_level(level):
        at_once(*[partial(write, writer) for writer in range(WRITERS)])

    assert answers[200] >= WRITERS * KEYS - 1
    assert set(answers) <= {200, 503}
    assert set(written) <= set(SessionStore(browser.session_key()).load())


@pytest.mark.parametrize("level", LEVELS)
def test_a_logout_among_saves_is_final(alice: User, level: str) -> None:
    def save(tab: ApiClient, number: int) -> int:
        return int(tab.get("/api/note/", {f"late-{number}": 1}).status_code)

    def log_out(tab: ApiClient) -> int:
        return int(tab.log_out().status_code)

    with at_level(level):
        for _ in range(10):
            browser = signed_in()
            saves = [partial(save, another_tab(browser), number) for number in range(6)]
            *saved, ended = at_once(*saves, partial(log_out, another_tab(browser)))

            assert ended == 200
            assert set(saved) <= {200, 401}
            assert not Session.objects.filter(id=id_of(browser)).exists()


@pytest.mark.parametrize("level", LEVELS)
@override_settings(SESSION_AUTH_MAX_SESSIONS=5, SESSION_AUTH_GUESSES_PER_ACCOUNT=100)
def test_many_logins_and_ends_of_one_user_wait_in_one_order(alice: User, level: str) -> None:
    answers: Counter[str] = Counter()

    def come_and_go(number: int) -> None:
        browser = ApiClient(raise_request_exception=False)
        for turn in range(6):
            answers[f"login {browser.log_in().status_code}"] += 1
            if (number + turn) % 3 == 0:
                status = browser.call("DELETE", AUTH + "sessions/").status_code
                answers[f"end others {status}"] += 1

    with at_level(level):
        before = deadlocks()
        at_once(*[partial(come_and_go, number) for number in range(WRITERS)])

        assert deadlocks() == before
    assert set(answers) <= {"login 200", "end others 200", "end others 401"}
    assert answers["login 200"] == WRITERS * 6
    assert Session.objects.count() <= 5


def add_a_session(user: User) -> None:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session.save()


@pytest.mark.parametrize("but", [None, "x" * 43])
@pytest.mark.parametrize("level", LEVELS)
def test_a_session_that_gets_a_new_key_meanwhile_ends_with_the_others(
    alice: User, level: str, but: str | None
) -> None:
    with at_level(level):
        session = SessionStore(signed_in().session_key())
        with transaction.atomic():
            session.prove("pin")
            ending = Thread(target=at_once, args=[partial(end_sessions, alice, but=but)])
            ending.start()
            ending.join(0.3)
            assert ending.is_alive()  # it waits for this transaction
        ending.join()

    assert not Session.objects.exists()


@pytest.mark.parametrize("call", [add_a_session, end_sessions])
@override_settings(SESSION_AUTH_MAX_SESSIONS=1)
def test_the_user_is_locked_before_the_sessions(
    alice: User, call: Callable[[User], object]
) -> None:
    """Whoever waits for the user holds no session that another could be waiting for."""
    add_a_session(alice)
    waiting = Thread(target=at_once, args=[partial(call, alice)])
    with beside() as other:
        other.set_autocommit(False)
        run(other, "SELECT id FROM auth_user FOR UPDATE")
        waiting.start()
        waiting.join(0.3)

        assert waiting.is_alive()
        run(other, "SELECT id FROM session_auth_session FOR UPDATE NOWAIT")
        other.rollback()
    waiting.join()
    assert Session.objects.count() == (call is add_a_session)
