"""How many guesses an account, an address and a device have, and what takes them back."""

import pickle
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest
from django.test import RequestFactory, override_settings

from session_auth import throttling
from session_auth.exceptions import InvalidCredentials, NotAuthenticated, Throttled
from session_auth.guessing.counts import PRUNE_ROWS
from session_auth.models import GuessCount
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.clock import NOON
from tests.guessing import (
    ELSEWHERE,
    HOME,
    caller,
    guess,
    retry_after,
)

pytestmark = pytest.mark.django_db


def test_after_five_failures_a_guess_is_refused_in_the_errors_own_words(
    browser: ApiClient, alice: User, clock: Any
) -> None:
    assert guess(browser, 5) == [401] * 5

    response = browser.log_in()

    assert response.status_code == 429
    assert response.json() == {"error": "Too many attempts. Try again later.", "code": "throttled"}
    assert response.headers["Retry-After"] == "30"
    assert response.headers["Cache-Control"] == "no-store"
    assert not response.cookies


def test_each_further_failure_doubles_the_delay_up_to_an_hour(
    browser: ApiClient, alice: User, clock: Any
) -> None:
    guess(browser, 5)
    delays = []

    for _ in range(10):
        delays.append(retry_after(browser.log_in()))
        clock.shift(delays[-1] - 1)
        assert retry_after(browser.log_in()) == 1
        clock.shift(1)
        assert browser.log_in(password="wrong").status_code == 401

    assert delays == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_the_right_password_gets_in_as_soon_as_the_delay_is_over(
    browser: ApiClient, alice: User, clock: Any
) -> None:
    guess(browser, 5)
    clock.shift(30)

    assert browser.log_in().status_code == 200


def test_a_success_gives_its_own_guess_back_and_no_others(
    browser: ApiClient, alice: User, clock: Any
) -> None:
    """Otherwise, the answers to a stranger would tell that somebody has logged in."""
    guess(browser, 4)
    browser.log_in()

    stranger = ApiClient()

    assert guess(stranger, 2) == [401, 429]


@pytest.mark.parametrize("strangers", [3, 5, 6, 8])
def test_a_stranger_sees_the_same_whether_somebody_logs_in_elsewhere(
    alice: User, clock: Any, strangers: int
) -> None:
    def seen(name: str) -> list[tuple[int, str | None]]:
        stranger, seen = caller(), []
        for n in range(2 * strangers):
            if n == strangers:
                caller(ELSEWHERE).log_in()
            response = stranger.log_in(name, f"wrong-{n}")
            seen.append((response.status_code, response.get("Retry-After")))
            clock.shift(31)
        return seen

    known = seen("alice")
    clock.shift(86_400)

    assert seen("nobody") == known


def test_many_right_logins_are_no_guesses(alice: User) -> None:
    assert [caller().log_in().status_code for _ in range(60)] == [200] * 60


def test_the_free_failures_are_for_a_day(browser: ApiClient, alice: User, clock: Any) -> None:
    guess(browser, 5)
    clock.shift(timedelta(days=1))

    assert guess(browser, 6) == [401] * 5 + [429]


@override_settings(SESSION_AUTH_GUESSES_PER_ACCOUNT=1)
def test_with_one_free_failure_the_next_waits(browser: ApiClient, alice: User, clock: Any) -> None:
    assert guess(browser, 2) == [401, 429]
    assert retry_after(browser.log_in()) == 30


def test_a_name_that_nobody_has_is_throttled_alike(browser: ApiClient, clock: Any) -> None:
    assert guess(browser, 6, "nobody") == [401] * 5 + [429]
    assert retry_after(browser.log_in("nobody")) == 30


def test_what_is_no_guess_is_not_counted(browser: ApiClient, alice: User) -> None:
    for body in ({"username": "alice"}, {"username": " ", "password": "x"}, {"username": 1}):
        assert browser.call("POST", AUTH + "login/", body).status_code == 400
    assert browser.log_in("alice", "").status_code == 400

    assert GuessCount.objects.count() == 0


# The address


@override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=3)
def test_an_address_has_guesses_for_all_accounts_together(alice: User, clock: Any) -> None:
    statuses = [guess(caller(), 1, f"name-{n}") for n in range(4)]

    assert statuses == [[401], [401], [401], [429]]
    assert retry_after(caller().log_in()) == 30
    assert caller(ELSEWHERE).log_in().status_code == 200


@override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=3)
def test_the_free_failures_of_an_address_are_for_an_hour(alice: User, clock: Any) -> None:
    for n in range(3):
        guess(caller(), 1, f"name-{n}")
    clock.shift(timedelta(hours=1))

    assert [guess(caller(), 1, f"other-{n}") for n in range(4)] == [[401], [401], [401], [429]]


@override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=3)
def test_what_the_address_is_refused_does_not_count_for_the_account(
    alice: User, clock: Any
) -> None:
    for n in range(3):
        guess(caller(), 1, f"name-{n}")

    assert guess(caller(), 9) == [429] * 9
    assert guess(caller(ELSEWHERE), 3) == [401] * 3


@override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=7)
def test_what_the_account_is_refused_does_not_count_for_the_address(
    alice: User, clock: Any
) -> None:
    guess(caller(), 20)

    assert [guess(caller(), 1, f"name-{n}") for n in range(3)] == [[401], [401], [429]]


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.1.2.3", "172.17.0.1", "::1", "fe80::1", HOME])
@override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=3)
def test_a_private_address_has_no_more_guesses_than_others(ip: str, alice: User) -> None:
    """A53, from inside"""
    statuses = [caller(ip).log_in(f"name-{n}", "the same").status_code for n in range(6)]

    assert statuses == [401] * 3 + [429] * 3


@override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=1)
def test_whose_proxies_are_named_has_an_address_for_each_client(alice: User) -> None:
    with override_settings(SESSION_AUTH_TRUSTED_PROXIES=["10.0.0.0/8"]):
        statuses = [
            ApiClient(REMOTE_ADDR="10.1.2.3", headers={"X-Forwarded-For": f"192.168.0.{n}"})
            .log_in(f"name-{n}", "wrong")
            .status_code
            for n in range(3)
        ]

    assert statuses == [401] * 3


@override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=1)
def test_without_an_address_accounts_alone_are_limited(alice: User) -> None:
    assert [guess(caller(""), 1, f"name-{n}") for n in range(3)] == [[401]] * 3


# Requests that cost something


def request(ip: str = HOME) -> Any:
    return RequestFactory(REMOTE_ADDR=ip).post("/")


def test_requests_for_one_name_are_limited_wherever_they_come_from(clock: Any) -> None:
    for n in range(5):
        throttling.limit_requests(request(f"9.9.9.{n}"), purpose="reset", name="A@example.org")

    with pytest.raises(Throttled) as refusal:
        throttling.limit_requests(request(), purpose="reset", name="a@example.org ")
    assert refusal.value.retry_after == 30
    assert refusal.value.headers == {"Retry-After": "30"}
    throttling.limit_requests(request(), purpose="other", name="a@example.org")


@override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=2)
def test_requests_of_one_address_are_limited_and_are_no_guesses(alice: User) -> None:
    throttling.limit_requests(request(), purpose="reset", name="a@example.org")
    throttling.limit_requests(request(), purpose="reset", name="b@example.org")

    with pytest.raises(Throttled):
        throttling.limit_requests(request(), purpose="reset", name="c@example.org")
    throttling.limit_requests(request("127.0.0.1"), purpose="reset", name="c@example.org")
    assert caller().log_in().status_code == 200


# From Python


def test_a_password_is_one_guess_whoever_asks(alice: User) -> None:
    here = request()

    first = throttling.reserve(here, alice, "wrong")

    assert throttling.reserve(here, "alice", "wrong") is first
    assert throttling.reserve(here, "ALICE", "wrong") is not first
    assert throttling.reserve(here, "alice", "other") is not first
    assert throttling.reserve(here, "nobody", "wrong") is not first
    assert throttling.reserve(request(), "alice", "wrong") is not first


def test_of_two_backends_one_may_find_the_password_right(alice: User) -> None:
    here = throttling.reserve(request(), alice, PASSWORD)

    assert [here.accept(False), here.accept(True), here.accept(True)] == [False, True, True]
    assert sum(GuessCount.objects.values_list("next_at", flat=True)) == 0
    assert guess(ApiClient(), 5) == [401] * 5


def test_a_guess_that_was_right_is_not_right_for_whoever_says_that_it_is_wrong(alice: User) -> None:
    """As reauthenticate() does where a backend has let somebody else in."""
    here = throttling.reserve(request(), alice, PASSWORD)

    assert [here.accept(True), here.accept(False), here.accept(True)] == [True, False, True]


def test_a_request_that_made_a_guess_keeps_nothing_that_was_typed(alice: User) -> None:
    here = request()

    throttling.reserve(here, "alice", "my secret").accept(True)

    kept = pickle.dumps(
        {"guesses": here.META[throttling.GUESSES]}
    )  # with all objects that they refer to
    assert b"alice" in kept
    assert b"my secret" not in kept


def test_a_password_that_is_too_long_is_no_guess(alice: User) -> None:
    with pytest.raises(InvalidCredentials):
        throttling.reserve(request(), alice, "ü" * 2049)
    throttling.reserve(request(), alice, "ü" * 2048)

    assert GuessCount.objects.count() == 3


# At rest


def test_there_is_no_guess_at_nobody() -> None:
    with pytest.raises(NotAuthenticated):
        throttling.reserve(RequestFactory().get("/"), AnonymousUser(), PASSWORD)
    assert not GuessCount.objects.exists()


def test_the_table_names_no_account_and_no_address(alice: User) -> None:
    guess(caller(), 1)
    guess(caller(), 1, "nobody")

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM session_auth_guesscount")
        text = str(cursor.fetchall())
    assert not [value for value in ("alice", "nobody", HOME) if value in text]
    assert len(str(GuessCount.objects.all()[0])) == 43


def test_each_failure_clears_some_of_what_expired(alice: User, clock: Any) -> None:
    for n in range(30):
        guess(ApiClient(), 1, f"name-{n}")
    clock.shift(timedelta(days=1))

    guess(ApiClient(), 2, "nobody")

    assert GuessCount.objects.count() == 61 - 2 * PRUNE_ROWS + 2  # one is of the address


def test_the_command_that_prunes_clears_all_that_expired(clock: Any, capsys: Any) -> None:
    for n in range(30):
        guess(ApiClient(), 1, f"name-{n}")
    clock.shift(timedelta(days=1))

    call_command("prune_sessions", batch=7)

    assert GuessCount.objects.count() == 0


def test_a_refusal_is_logged_without_the_name(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    guess(caller(), 6)
    guess(caller(), 6, "nobody")

    told = [text for text in caplog.messages if text.startswith("throttled")]
    assert told == [
        f"throttled method=POST path=/api/auth/login/ ip={HOME} user_id={alice.pk}",
        f"throttled method=POST path=/api/auth/login/ ip={HOME} user_id=None",
    ]


def test_when_guesses_cannot_be_counted_there_are_none(outage: None) -> None:
    """A60: no free guess: neither the right password nor a wrong one is looked at."""
    response = ApiClient().log_in()

    assert response.status_code == 503
    assert response.json()["code"] == "store_unavailable"


def test_when_the_table_cannot_be_written_there_are_no_guesses(alice: User) -> None:
    """A60"""
    with connection.execute_wrapper(refuse_to_count):
        response = ApiClient().log_in()

    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")


def refuse_to_count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """A database that has become read-only."""
    return execute("SELECT no_such_column" if "guesscount" in sql else sql, params, many, context)


def test_when_a_guess_cannot_be_taken_back_nobody_is_let_in(alice: User) -> None:
    """As when the database becomes read-only while the password is checked."""

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and "guesscount" in sql and "CASE" in sql:
            sql = "SELECT no_such_column"
        return execute(sql, params, many, context)

    here = ApiClient()
    with connection.execute_wrapper(refuse):
        response = here.log_in()

    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
    assert here.user() is None


def test_the_clock_is_the_one_that_tests_freeze(clock: Any, alice: User) -> None:
    guess(ApiClient(), 1)

    ends = set(GuessCount.objects.values_list("window_ends_at", flat=True))
    assert ends == {(NOON + each).timestamp() for each in (timedelta(days=1), timedelta(hours=1))}


def test_who_has_the_table_alone_can_look_nobody_up(alice: User) -> None:
    """Without the secret key, nobody can tell whose count a row is: ASVS 1.3.9."""
    ids = []
    for secret in ("one", "another"):
        with override_settings(SECRET_KEY=secret):
            guess(ApiClient(REMOTE_ADDR="9.9.9.9"), 1)
        ids.append(set(GuessCount.objects.values_list("id", flat=True)))

    assert len(ids[0]) == 3
    assert len(ids[1]) == 6


def test_a_request_of_nobody_from_nowhere_is_not_counted() -> None:
    throttling.limit_requests(HttpRequest(), purpose="reset")

    assert not GuessCount.objects.exists()
