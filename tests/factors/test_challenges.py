"""Challenges are rows that anybody can have stored: an address has so many at a time."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from session_auth.conf import Conf
from session_auth.factors import challenges
from session_auth.factors.models import Challenge
from session_auth.models import GuessCount
from session_auth.throttling import ROWS_PER_GUESS
from tests.api_client import AUTH, ApiClient, signed_in
from tests.clock import NOON
from tests.factors.calls import told

pytestmark = pytest.mark.django_db

few = override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=2)
MANY = 2 * ROWS_PER_GUESS
RENEWAL = timedelta(minutes=4)
"""When a page with autofill asks for new options: see js/src/factors.ts."""


def ask(**more: Any) -> Any:
    """Ask for the options of a login, as a browser that keeps no cookie."""
    return ApiClient(**more).call("POST", AUTH + "passkeys/options/", {})


def refusals(ask: Callable[[], Any] = ask) -> Iterator[Any]:
    answers = (ask() for _ in range(5 * MANY))
    return (response for response in answers if response.status_code != 200)


@few
def test_who_wants_to_fill_the_table_is_refused(clock: Any, db: None) -> None:
    refusal = next(refusals())

    assert told(refusal) == (429, "throttled")
    assert int(refusal.headers["Retry-After"]) == 30
    assert Challenge.objects.count() == MANY


@few
def test_a_flood_of_a_day_is_a_few_rows_at_a_time(clock: Any, db: None) -> None:
    for minutes in range(0, 24 * 60, 60):
        clock.move_to(NOON + timedelta(minutes=minutes))
        assert told(next(refusals())) == (429, "throttled")

        assert (
            Challenge.objects.filter(expires_at__gt=NOON + timedelta(minutes=minutes)).count()
            <= MANY
        )
    assert Challenge.objects.count() < 2 * MANY


@few
def test_another_address_is_none_of_it(clock: Any, db: None) -> None:
    next(refusals())

    assert ask(REMOTE_ADDR="192.0.2.7").status_code == 200


@few
def test_of_ipv6_a_whole_network_is_one(clock: Any, db: None) -> None:
    hosts = (f"2001:db8::{host}" for host in range(1, 1000))

    refusal = next(refusals(lambda: ask(REMOTE_ADDR=next(hosts))))

    assert told(refusal) == (429, "throttled")


@few
@pytest.mark.parametrize(
    "path", ["passkeys/options/", "factors/passkeys/options/", "factors/totp/"]
)
def test_who_is_logged_in_cannot_fill_it_either(path: str, clock: Any, alice: User) -> None:
    browser = signed_in()

    def ask() -> Any:
        browser.cookies.pop(challenges.cookie_name(), None)
        return browser.call("POST", AUTH + path, {})

    assert told(next(refusals(ask))) == (429, "throttled")
    assert Challenge.objects.count() == MANY


def test_a_hundred_pages_with_autofill_never_meet_it(clock: Any, db: None) -> None:
    """Behind one address, all at the same moment; here, each asks as often as all of them."""
    pages = 100
    with override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=Conf().GUESSES_PER_ADDRESS // 20):
        for minutes in range(0, 60, 4):
            clock.move_to(NOON + timedelta(minutes=minutes))
            assert {ask().status_code for _ in range(pages // 20)} == {200}


@few
def test_who_waits_as_told_is_served_again(clock: Any, db: None) -> None:
    refusal = next(refusals())

    clock.move_to(NOON + timedelta(seconds=int(refusal.headers["Retry-After"])))

    assert ask().status_code == 200


@few
def test_guesses_and_challenges_have_counts_of_their_own(clock: Any, alice: User) -> None:
    next(refusals())

    assert ApiClient().log_in().status_code == 200


def test_a_new_address_deletes_old_counts(clock: Any, db: None) -> None:
    for host in range(3):
        ask(REMOTE_ADDR=f"192.0.2.{host}")
    clock.move_to(NOON + timedelta(hours=2))

    ask(REMOTE_ADDR="192.0.2.7")

    assert GuessCount.objects.count() == 1


def test_without_any_address_nothing_is_counted(db: None) -> None:
    assert ask(REMOTE_ADDR="").status_code == 200
    assert GuessCount.objects.count() == 0
