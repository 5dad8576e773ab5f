"""Real threads on real connections: what concurrent requests can do to one session."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from threading import Barrier
from typing import Any, TypeVar

import pytest
import time_machine
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils.http import urlsafe_base64_encode

from session_auth import attempts
from session_auth.models import LoginAttempt, Session
from session_auth.sessions import end_sessions
from session_auth.signals import session_ended
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.stages import KEY, NEXT, pin
from tests.storing import SessionStore, another_request_for, stored

pytestmark = pytest.mark.django_db(transaction=True)

Result = TypeVar("Result")


def at_once(*calls: Callable[[], Result]) -> list[Result]:
    """Make the calls in a thread each, started together, and return their results in order."""
    start = Barrier(len(calls))

    def run(call: Callable[[], Result]) -> Result:
        try:
            start.wait()
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def test_of_many_requests_that_write_different_keys_all_win() -> None:
    session = stored(counter=0)

    def write(number: int) -> Callable[[], None]:
        request = another_request_for(session)
        request[f"key-{number}"] = number
        return request.save

    at_once(*[write(number) for number in range(20)])

    data = SessionStore(session.session_key).load()
    assert data == {"counter": 0} | {f"key-{number}": number for number in range(20)}


@pytest.mark.parametrize("attempt", range(10))
def test_a_session_that_ends_while_others_save_stays_ended(attempt: int) -> None:
    """A62"""
    session = stored(a=0)

    def save(number: int) -> Callable[[], str]:
        request = another_request_for(session)
        request["a"] = number

        def call() -> str:
            try:
                request.save()
            except UpdateError:
                return "refused"
            return "saved"

        return call

    def end() -> str:
        SessionStore(session.session_key).flush()
        return "ended"

    results = at_once(*[save(number) for number in range(4)], end)

    assert results[-1] == "ended"
    assert set(results[:-1]) <= {"saved", "refused"}
    assert Session.objects.count() == 0


@pytest.mark.parametrize("attempt", range(10))
def test_of_two_requests_that_renew_the_key_one_wins(attempt: int) -> None:
    session = stored(a=1)

    def renew() -> Callable[[], str | None]:
        request = another_request_for(session)

        def call() -> str | None:
            try:
                request.cycle_key()
            except SessionInterrupted:
                return None
            return request.session_key

        return call

    keys = [key for key in at_once(renew(), renew()) if key]

    assert len(keys) == 1
    assert SessionStore(keys[0]).load() == {"a": 1}
    assert Session.objects.count() == 1


@pytest.mark.parametrize("attempt", range(10))
def test_two_logins_from_one_browser_leave_no_old_session(attempt: int) -> None:
    session = stored(anonymous=True)

    def log_in() -> Callable[[], None]:
        return another_request_for(session).successor().save

    at_once(log_in(), log_in())

    assert SessionStore(session.session_key).load() == {}
    assert Session.objects.count() == 2


def test_of_many_requests_at_once_one_writes_that_the_session_was_seen() -> None:
    with time_machine.travel(datetime(2026, 11, 24, 12, tzinfo=UTC)):
        session = stored(a=1)
    with time_machine.travel(datetime(2026, 11, 24, 12, 10, tzinfo=UTC), tick=False):
        requests = [another_request_for(session) for _ in range(20)]

        def touch(request: SessionStore) -> Callable[[], int]:
            def call() -> int:
                with CaptureQueriesContext(connection) as queries:
                    request.touch()
                return len(queries)

            return call

        counts = at_once(*[touch(request) for request in requests])
        after = Session.objects.get()

    assert counts == [1] * 20
    seen = [request.info for request in requests if request.info]
    assert [info.last_seen_at for info in seen].count(after.last_seen_at) == 1


@override_settings(SESSION_AUTH_MAX_SESSIONS=5)
def test_parallel_logins_keep_within_the_number_of_sessions() -> None:
    """A70"""
    user = User.objects.create_user("alice")

    def log_in() -> None:
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session.save()

    at_once(*[log_in] * 12)

    assert Session.objects.count() == 5


def test_an_end_by_many_at_once_is_told_once() -> None:
    user = User.objects.create_user("alice")
    for _ in range(3):
        stored(**{SESSION_KEY: str(user.pk)})
    told: list[str] = []

    def note(*, session_id: str, **kwargs: object) -> None:
        told.append(session_id)

    session_ended.connect(note)
    ended = at_once(*[lambda: end_sessions(user)] * 6)
    session_ended.disconnect(note)

    assert sum(ended) == len(told) == len(set(told)) == 3


def test_of_many_who_use_a_link_at_once_one_sets_the_password() -> None:
    """A69: one-time secret double spend."""
    alice = User.objects.create_user("alice", "alice@example.org", PASSWORD)
    link = {
        "uid": urlsafe_base64_encode(str(alice.pk).encode()),
        "token": default_token_generator.make_token(alice),
    }
    browsers = [ApiClient() for _ in range(10)]
    for browser in browsers:
        browser.get(AUTH + "csrf/")

    def use(browser: ApiClient, password: str) -> int:
        body = link | {"new_password": password}
        response = browser.call("POST", AUTH + "password/reset/confirm/", body)
        return int(response.status_code)

    passwords = [f"a better horse {number}" for number in range(10)]
    answers = at_once(
        *(
            partial(use, browser, password)
            for browser, password in zip(browsers, passwords, strict=True)
        )
    )

    assert sorted(answers) == [200] + [400] * 9
    assert User.objects.get().check_password(passwords[answers.index(200)])


def test_of_two_changes_at_once_one_wins_and_its_session_alone_lives() -> None:
    User.objects.create_user("alice", "alice@example.org", PASSWORD)
    browsers = [signed_in(), signed_in()]

    def change(browser: ApiClient, password: str) -> int:
        body = {"old_password": PASSWORD, "new_password": password}
        return int(browser.call("POST", AUTH + "password/change/", body).status_code)

    passwords = ["a better horse 0", "a better horse 1"]
    answers = at_once(
        *(
            partial(change, browser, password)
            for browser, password in zip(browsers, passwords, strict=True)
        )
    )

    winner = answers.index(200)
    assert answers[1 - winner] in (400, 401)
    assert User.objects.get().check_password(passwords[winner])
    assert [browser.user() is not None for browser in browsers] == [winner == 0, winner == 1]


# Logins in stages


def begun(holder: User) -> ApiClient:
    browser = ApiClient()
    browser.log_in()
    return browser


def same_browser(browser: ApiClient) -> ApiClient:
    other = ApiClient()
    other.cookies.load({name: morsel.value for name, morsel in browser.cookies.items()})
    return other


def test_of_sixteen_that_complete_a_login_one_does(
    holder: User, stages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.last_name = "key"  # which is no guess, so nothing else holds anybody back
    holder.save()
    claim, all_have_proven = attempts.claim, Barrier(16)

    def claim_at_once(*args: Any) -> None:
        all_have_proven.wait()
        claim(*args)

    monkeypatch.setattr(attempts, "claim", claim_at_once)
    browser = begun(holder)
    body = {"method": "key", "credential": KEY}

    responses = at_once(
        *[partial(same_browser(browser).call, "POST", NEXT, body) for _ in range(16)]
    )

    assert sorted(each.status_code for each in responses) == [200] + [401] * 15
    assert Session.objects.filter(user=holder).count() == 1
    assert LoginAttempt.objects.count() == 0


@pytest.mark.parametrize("attempt", range(5))
def test_a_login_that_is_completed_while_all_sessions_end_opens_none(
    holder: User, stages: None, attempt: int
) -> None:
    browser = begun(holder)

    def end() -> None:
        end_sessions(holder)

    at_once(partial(pin, browser), end)

    assert browser.user() is None


@pytest.mark.parametrize("attempt", range(5))
def test_a_login_that_is_completed_while_the_password_changes_opens_none(
    holder: User, stages: None, attempt: int
) -> None:
    browser = begun(holder)

    def change() -> None:
        user = User.objects.get(pk=holder.pk)
        user.set_password("another one")
        user.save()

    at_once(partial(pin, browser), change)

    assert browser.user() is None


def test_two_that_pass_the_same_stage_go_on_with_the_next(
    holder: User, stages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.email, holder.last_name = "unread@example.org", "key"
    holder.save()
    go_on, all_have_proven = attempts.go_on, Barrier(4)

    def go_on_at_once(*args: Any) -> bool:
        all_have_proven.wait()
        return go_on(*args)

    monkeypatch.setattr(attempts, "go_on", go_on_at_once)
    browser = begun(holder)
    body = {"method": "key", "credential": KEY}

    responses = at_once(
        *[partial(same_browser(browser).call, "POST", NEXT, body) for _ in range(4)]
    )

    assert {each.json()["code"] for each in responses} == {"terms_required"}
    assert LoginAttempt.objects.get().version == 1
