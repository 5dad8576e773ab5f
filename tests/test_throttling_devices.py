"""How many guesses a browser has that has logged in before, and where they end for everybody."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from session_auth import throttling
from session_auth.guessing import counts
from session_auth.models import GuessCount
from tests.api_client import PASSWORD, ApiClient, signed_in
from tests.guessing import (
    caller,
    device_cookie,
    guess,
    reauthenticate,
    retry_after,
)

pytestmark = pytest.mark.django_db


def test_who_logged_in_here_before_has_guesses_of_their_own(alice: User, clock: Any) -> None:
    here = signed_in()
    here.log_out()

    assert guess(ApiClient(), 6) == [401] * 5 + [429]
    assert guess(here, 6) == [401] * 5 + [429]
    clock.shift(30)
    assert here.log_in().status_code == 200


@override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=1)
def test_a_known_device_is_not_held_up_by_its_neighbours(alice: User) -> None:
    here = caller()
    here.log_in()
    guess(caller(), 3, "nobody")

    assert caller().log_in().status_code == 429
    assert here.log_in().status_code == 200


def test_the_device_cookie_has_the_flags_of_the_session_cookie(alice: User) -> None:
    with override_settings(
        SESSION_COOKIE_NAME="__Host-s", SESSION_COOKIE_SECURE=True, SESSION_COOKIE_SAMESITE="Strict"
    ):
        cookie = ApiClient().log_in().cookies["__Host-s_device"]

    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Strict")
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert cookie["max-age"] == 365 * 24 * 60 * 60


def test_the_device_cookie_names_nobody_and_opens_nothing(alice: User) -> None:
    here = signed_in()
    thief = ApiClient()
    thief.cookies["sessionid_device"] = device_cookie(here)

    assert thief.user() is None
    assert thief.log_in(password="wrong").status_code == 401
    assert "alice" not in device_cookie(here)


def test_a_device_is_the_same_after_the_next_login(alice: User) -> None:
    here = signed_in()
    cookie = device_cookie(here)

    here.log_in()

    assert device_cookie(here) == cookie
    assert device_cookie(signed_in()) != cookie


def test_a_device_is_known_for_its_own_user_and_password_alone(alice: User, bob: User) -> None:
    here = signed_in("bob")
    guess(ApiClient(), 5)

    assert here.log_in().status_code == 429  # as alice
    User.objects.filter(pk=alice.pk).update(password=bob.password)
    assert here.log_in().status_code == 429
    bob.set_password("another " + PASSWORD)
    bob.save()
    guess(ApiClient(), 5, "bob")
    assert here.log_in("bob", "another " + PASSWORD).status_code == 429


@pytest.mark.parametrize("cookie", ["", ":", "x:y", "x" * 4000, "a:b:c", "ü:ü"])
def test_a_made_up_device_is_unknown(alice: User, cookie: str) -> None:
    guess(ApiClient(), 5)

    stranger = ApiClient()
    stranger.cookies["sessionid_device"] = cookie
    assert stranger.log_in().status_code == 429


def test_a_failed_login_makes_no_device_known(browser: ApiClient, alice: User) -> None:
    browser.log_in(password="wrong")

    assert device_cookie(browser) == ""


def test_a_request_that_proves_nothing_sends_no_device_cookie(alice: User) -> None:
    here = signed_in()

    assert list(here.call("POST", "/api/note/?a=1").cookies) == ["sessionid"]


# Proving the password again


def test_a_proof_of_the_password_counts_on_the_same_limit(alice: User) -> None:
    here = signed_in()
    here.cookies.pop("sessionid_device")

    statuses = [reauthenticate(here, "wrong-{n}").status_code for n in range(5)]

    assert statuses == [401] * 5
    assert reauthenticate(here, PASSWORD).status_code == 429
    assert ApiClient().log_in().status_code == 429


def test_a_proof_that_is_right_gives_the_guesses_back(alice: User) -> None:
    here = signed_in()
    for _ in range(4):
        reauthenticate(here, "wrong")

    assert reauthenticate(here, PASSWORD).status_code == 200
    assert [reauthenticate(here, "wrong").status_code for _ in range(6)] == [401] * 5 + [429]


# The ceiling


def fail(browser: ApiClient, clock: Any, times: int) -> None:
    for _ in range(times):
        assert browser.log_in(password="wrong").status_code == 401
        clock.shift(3600)


@pytest.mark.parametrize("backend", ["django.contrib.auth.backends", "session_auth.backends"])
def test_after_a_hundred_failures_in_a_row_no_password_is_right(
    alice: User, clock: Any, backend: str
) -> None:
    here = signed_in()
    stranger = ApiClient()
    fail(stranger, clock, 100)

    with override_settings(AUTHENTICATION_BACKENDS=[f"{backend}.ModelBackend"]):
        refused = stranger.log_in()

    assert refused.json() == {"error": "Invalid credentials", "code": "invalid_credentials"}
    assert "sessionid" not in refused.cookies
    clock.shift(3600)
    assert here.log_in().status_code == 200


def test_the_hundredth_guess_may_still_be_right(alice: User, clock: Any) -> None:
    stranger = ApiClient()
    fail(stranger, clock, 99)

    assert stranger.log_in().status_code == 200


def test_a_login_on_a_known_device_begins_the_hundred_anew(alice: User, clock: Any) -> None:
    here = signed_in()
    stranger = ApiClient()
    fail(stranger, clock, 100)
    here.log_in()

    fail(stranger, clock, 99)
    assert stranger.log_in().status_code == 200


def test_a_login_on_a_known_device_gives_strangers_no_guesses(alice: User, clock: Any) -> None:
    here = signed_in()
    stranger = ApiClient()
    guess(stranger, 5)
    here.log_in()

    assert retry_after(stranger.log_in()) == 30


def test_a_reset_begins_anew(alice: User, clock: Any) -> None:
    stranger = ApiClient()
    fail(stranger, clock, 100)
    throttling.forget(alice)

    assert stranger.log_in().status_code == 200


def test_failures_in_a_row_are_remembered_while_names_that_nobody_has_are_forgotten(
    alice: User, clock: Any
) -> None:
    stranger = ApiClient()
    fail(stranger, clock, 100)
    guess(stranger, 1, "nobody")
    clock.shift(timedelta(days=300))

    counts.prune()

    assert GuessCount.objects.count() == 1
    assert guess(ApiClient(), 1, "ALICE ") == [401]  # a spelling that nobody has
    clock.shift(timedelta(days=60))
    counts.prune()
    assert ApiClient().log_in().status_code == 401
