"""How many guesses a browser has that has logged in before, and where they end for everybody."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings

from session_auth import throttling
from session_auth.models import DeviceGeneration
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.guessing import (
    caller,
    device_cookie,
    guess,
    reauthenticate,
)
from tests.password_calls import NEW, ask, change, confirm, link_for, with_links

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


def test_a_device_is_known_for_its_own_users_alone(alice: User, bob: User) -> None:
    here = signed_in("bob")
    guess(ApiClient(), 5)

    assert here.log_in().status_code == 429  # as alice
    User.objects.filter(pk=alice.pk).update(password=bob.password)
    assert here.log_in().status_code == 429


def locked() -> None:
    """Let strangers guess at alice until nobody who is not known gets in."""
    assert guess(ApiClient(), 6)[-1] == 429


def test_a_browser_is_a_device_of_five_accounts_of_which_the_first_is_forgotten(
    alice: User,
) -> None:
    here = signed_in()
    for n in range(4):
        User.objects.create_user(f"user-{n}", password=PASSWORD)
        here.log_in(f"user-{n}")
    locked()
    assert here.log_in().status_code == 200
    for n in range(5):
        User.objects.get_or_create(username=f"user-{n}")[0].set_password(PASSWORD)

    User.objects.create_user("user-5", password=PASSWORD)
    here.log_in("user-5")  # the sixth: that of user-0 goes, which was longest ago
    assert len(device_cookie(here)) < 250
    guess(ApiClient(), 6, "user-0")
    guess(ApiClient(), 6, "user-1")

    assert here.log_in("user-0").status_code == 429
    assert here.log_in("user-1").status_code == 200


def test_a_known_device_stays_known_whatever_happens_to_the_password(alice: User) -> None:
    here, there = signed_in(), signed_in()
    stranger = ApiClient()

    assert confirm(there, link_for()).status_code == 200
    locked()
    assert here.log_in(password=NEW).status_code == 200
    assert there.log_in(password=NEW).status_code == 200

    assert change(here, old_password=NEW, new_password=PASSWORD).status_code == 200
    assert there.log_in().status_code == 200
    alice.refresh_from_db()
    alice.set_password(NEW)
    alice.save()
    assert there.log_in(password=NEW).status_code == 200
    assert stranger.log_in(password=NEW).status_code == 429


def test_a_browser_that_has_made_a_reset_is_known(alice: User) -> None:
    here = ApiClient()
    locked()

    assert confirm(here, link_for()).status_code == 200

    assert ApiClient().log_in(password=NEW).status_code == 429  # which tells nobody of the reset
    assert here.log_in(password=NEW).status_code == 200


def test_a_new_secret_key_makes_no_device_unknown(alice: User) -> None:
    here, late = signed_in(), signed_in()
    new = {"SECRET_KEY": "new" * 20}

    with override_settings(**new, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        locked()
        assert here.log_in().status_code == 200
    with override_settings(**new):
        locked()
        assert here.log_in().status_code == 200
        assert late.log_in().status_code == 429


def test_whoever_ends_the_other_sessions_throws_the_devices_out(alice: User) -> None:
    here, thrown_out = signed_in(), signed_in()

    here.call("DELETE", AUTH + "sessions/")
    locked()

    assert thrown_out.log_in().status_code == 429
    assert here.log_in().status_code == 200


def test_nothing_but_the_password_brings_a_device_back_that_was_thrown_out(
    alice: User, bob: User
) -> None:
    here, thrown_out = signed_in(), signed_in()
    here.call("DELETE", AUTH + "sessions/")

    thrown_out.log_in("bob")  # in that browser, which takes the cookie anew
    confirm(here, link_for())
    ApiClient().log_in(password=NEW)
    throttling.forget(alice)
    locked()

    assert thrown_out.log_in(password=NEW).status_code == 429
    throttling.forget(alice)
    assert thrown_out.log_in(password=NEW).status_code == 200
    locked()
    assert thrown_out.log_in(password=NEW).status_code == 200


def test_python_throws_devices_out(alice: User) -> None:
    here = signed_in()

    throttling.throw_out_devices(alice)
    throttling.throw_out_devices(alice)
    locked()
    assert str(DeviceGeneration.objects.get()) == str(alice.pk)

    assert here.log_in().status_code == 429


def test_whoever_ends_other_sessions_in_a_strange_browser_makes_it_no_device(alice: User) -> None:
    here = signed_in()
    here.cookies.pop("sessionid_device")

    here.call("DELETE", AUTH + "sessions/")

    assert device_cookie(here) == ""


# Mails to the owner


@with_links
def test_a_stranger_cannot_use_up_the_resets_of_a_known_device(alice: User, bob: User) -> None:
    here = signed_in()
    here.log_out()
    other = signed_in("bob")
    assert [ask(ApiClient()).status_code for _ in range(7)] == [202] * 5 + [429] * 2

    assert [ask(here).status_code for _ in range(6)] == [202] * 5 + [429]
    assert ask(other).status_code == 429
    assert ask(here, "bob@example.org").status_code == 202


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
