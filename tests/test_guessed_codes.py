"""Guesses at codes of a second factor are counted, with those at the password and by themselves."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest

from tests.api_client import ApiClient
from tests.stages import PIN, pin

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stages")]


@pytest.fixture
def here(clock: Any, holder: User) -> ApiClient:
    browser = ApiClient(REMOTE_ADDR="9.9.9.9")
    browser.log_in()
    return browser


def statuses(browser: ApiClient, *codes: str) -> list[int]:
    return [pin(browser, code).status_code for code in codes]


def test_codes_are_counted(here: ApiClient) -> None:
    assert statuses(here, *"123456") == [401] * 5 + [429]
    assert statuses(here, PIN) == [429]


def test_a_right_password_takes_no_code_back(here: ApiClient, clock: Any) -> None:
    statuses(here, *"12345")
    clock.shift(60)
    other = ApiClient(REMOTE_ADDR="8.8.8.8")
    other.log_in()

    assert statuses(other, "6", "7") == [401, 429]


def test_codes_and_passwords_are_guesses_at_one_account(here: ApiClient) -> None:
    statuses(here, *"12345")
    User.objects.update(username="renamed")  # so that it is not for the name alone

    response = ApiClient(REMOTE_ADDR="8.8.8.8").log_in("renamed", password="wrong")

    assert response.status_code == 429


def test_guesses_at_codes_do_not_lock_the_user_out_of_a_known_device(
    here: ApiClient, holder: User
) -> None:
    known = ApiClient()
    known.log_in()
    pin(known)
    known.log_out()
    statuses(here, *"12345")

    known.log_in()
    assert pin(known).status_code == 200


def test_a_known_device_has_a_count_that_no_password_takes_back(
    here: ApiClient, holder: User
) -> None:
    pin(here)
    here.log_out()
    here.log_in()
    assert statuses(here, *"12345") == [401] * 5

    here.log_in()
    assert statuses(here, "6") == [429]


def test_a_hundred_wrong_codes_in_a_row_are_the_last(here: ApiClient, clock: Any) -> None:
    for _ in range(100):
        clock.shift(24 * 3600)
        here.log_in()
        assert pin(here, "wrong").status_code == 401
    clock.shift(24 * 3600)
    here.log_in()

    assert statuses(here, "wrong", PIN) == [401, 401]


def test_a_guess_is_counted_though_a_password_was_the_same_text(holder: User, clock: Any) -> None:
    """One request may check both; each is a guess of its own."""
    from session_auth import throttling

    request = HttpRequest()
    guesses = [throttling.reserve(request, holder, PIN, purpose=p) for p in ("password", "pin")]

    assert guesses[0] is not guesses[1]
    assert guesses[1] is throttling.reserve(request, holder, PIN, purpose="pin")


def test_an_account_that_is_unlocked_takes_codes_again(here: ApiClient) -> None:
    from session_auth import throttling

    statuses(here, *"12345")
    assert throttling.unlock("alice")
    throttling.unlock("9.9.9.9")

    assert statuses(here, PIN) == [200]
