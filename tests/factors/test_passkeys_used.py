"""Passkeys that log in without a name, and those that prove nothing."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from session_auth.factors.models import Challenge, Factor
from tests.api_client import AUTH, ApiClient, signed_in
from tests.clock import NOON
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    log_in_by_passkey,
    log_in_with,
    options_for,
    register,
    told,
)

pytestmark = pytest.mark.django_db


def test_a_passkey_alone_logs_in_and_is_two_factors(passkey: Authenticator, alice: User) -> None:
    browser = ApiClient()

    response = log_in_by_passkey(browser, passkey)

    assert response.status_code == 200
    assert response.json()["user"] == {"id": alice.pk, "username": "alice"}
    assert list(response.json()["session"]["methods"]) == ["passkey"]
    assert browser.call("POST", AUTH + "factors/recovery-codes/").status_code == 201


def test_the_options_of_a_login_name_nobody(passkey: Authenticator) -> None:
    options = options_for(ApiClient())

    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assert options["rpId"] == "example.org"


def test_it_works_on_each_origin_of_the_settings(passkey: Authenticator) -> None:
    passkey.origin = "https://shop.example.org"

    assert log_in_by_passkey(ApiClient(), passkey).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"verifies": False},
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"handle": ""},
        {"handle": None},
        {"handle": "AAAA"},
        {"more": {"crossOrigin": True}},
        {"more": {"type": "webauthn.create"}},
        {"key": Authenticator().key},
    ],
)
def test_a_use_that_does_not_verify_logs_nobody_in(
    passkey: Authenticator, wrong: dict[str, Any]
) -> None:
    """CVE-2026-134320"""
    vars(passkey).update(wrong)
    browser = ApiClient()

    response = log_in_by_passkey(browser, passkey)

    assert told(response) == (401, "invalid_credentials")
    assert browser.user() is None


def test_wrong_uses_are_counted(passkey: Authenticator) -> None:
    """ASVS 6.6.3: for the account, in whatever browser they are made."""
    right, passkey.key = passkey.key, Authenticator().key
    answers = [told(log_in_by_passkey(ApiClient(), passkey)) for _ in range(6)]
    passkey.key = right

    assert answers == [(401, "invalid_credentials")] * 5 + [(429, "throttled")]
    assert told(log_in_by_passkey(ApiClient(), passkey)) == (429, "throttled")


def test_a_wrong_use_is_told(
    passkey: Authenticator, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """ASVS 16.3.1"""
    passkey.key = Authenticator().key
    with caplog.at_level(logging.INFO, logger="session_auth.security"):
        log_in_by_passkey(ApiClient(), passkey)

    [told] = [vars(each) for each in caplog.records if each.name == "session_auth.security"]
    assert (told["event"], told["user_id"]) == ("login_failed", alice.pk)


@pytest.mark.parametrize("rp_id", ["localhost", "example.org"])
def test_the_origin_is_never_taken_from_the_request(passkey: Authenticator, rp_id: str) -> None:
    """CVE-2026-134320"""
    passkey.origin, passkey.rp_id = "http://localhost", rp_id
    browser = ApiClient(headers={"Origin": "http://localhost"}, SERVER_NAME="localhost")

    response = log_in_by_passkey(browser, passkey)

    assert told(response) == (401, "invalid_credentials")
    assert browser.user() is None


def test_the_same_use_is_good_once(passkey: Authenticator) -> None:
    browser = ApiClient()
    credential = passkey.get(options_for(browser))

    first, again = log_in_with(credential, browser), log_in_with(credential, browser)

    assert (first.status_code, told(again)) == (200, (401, "invalid_credentials"))


def test_a_challenge_is_used_up_by_a_wrong_use_too(passkey: Authenticator) -> None:
    browser = ApiClient()
    options = options_for(browser)
    good, bad = passkey.get(options), passkey.get(options)
    bad["response"]["signature"] = good["response"]["clientDataJSON"]

    assert told(log_in_with(bad, browser)) == (401, "invalid_credentials")
    assert told(log_in_with(good, browser)) == (401, "invalid_credentials")


def test_another_browser_cannot_use_it(passkey: Authenticator) -> None:
    credential = passkey.get(options_for(ApiClient()))
    other = ApiClient()
    options_for(other)  # so it has a cookie for challenges of its own

    assert told(log_in_with(credential, other)) == (401, "invalid_credentials")
    assert told(log_in_with(credential)) == (401, "invalid_credentials")


def test_a_challenge_ends_after_five_minutes(clock: Any, passkey: Authenticator) -> None:
    browser = ApiClient()
    credential = passkey.get(options_for(browser))
    clock.move_to(NOON + timedelta(minutes=5))

    assert told(log_in_with(credential, browser)) == (401, "invalid_credentials")


def test_expired_challenges_are_deleted_with_the_next(clock: Any, db: None) -> None:
    for _ in range(3):
        options_for(ApiClient())
    clock.move_to(NOON + timedelta(minutes=6))

    options_for(ApiClient())

    assert Challenge.objects.count() == 1


def test_two_tabs_have_a_challenge_each(passkey: Authenticator) -> None:
    browser = ApiClient()
    first, second = options_for(browser), options_for(browser)

    assert log_in_with(passkey.get(first), browser).status_code == 200
    assert log_in_with(passkey.get(second), browser).status_code == 200


@pytest.mark.parametrize("purpose", ["login", "proof", "passkey"])
def test_a_challenge_serves_its_purpose_alone(passkey: Authenticator, purpose: str) -> None:
    """CVE-2026-110862, CVE-2026-114607"""
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)
    if purpose == "passkey":
        options = browser.call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]
    else:
        options = options_for(browser, purpose)

    answers = {
        "login": lambda: log_in_with(passkey.get(options), browser),
        "proof": lambda: browser.call(
            "POST",
            AUTH + "reauthenticate/",
            {"method": "passkey", "credential": passkey.get(options)},
        ),
        "passkey": lambda: browser.call(
            "POST",
            AUTH + "factors/passkeys/",
            {"credential": Authenticator().create({**options, "user": {"id": passkey.handle}})},
        ),
    }
    for other in answers.keys() - {purpose}:
        assert answers[other]().status_code in (400, 401)


def test_a_passkey_that_the_site_does_not_know_is_named_so(alice: User) -> None:
    stranger = Authenticator()
    stranger.handle = "AAAA"

    assert told(log_in_by_passkey(ApiClient(), stranger)) == (401, "unknown_passkey")


def test_an_inactive_user_cannot_log_in_and_keeps_the_passkey(passkey: Authenticator) -> None:
    """Browsers forget one that is unknown."""
    User.objects.update(is_active=False)
    assert told(log_in_by_passkey(ApiClient(), passkey)) == (401, "invalid_credentials")

    User.objects.update(is_active=True)
    assert log_in_by_passkey(ApiClient(), passkey).status_code == 200


def test_a_passkey_of_another_user_with_this_users_handle_is_refused(
    passkey: Authenticator, bob: User
) -> None:
    of_bob = Authenticator()
    register(signed_in("bob"), of_bob)
    of_bob.handle = passkey.handle

    assert told(log_in_by_passkey(ApiClient(), of_bob)) == (401, "invalid_credentials")


@pytest.mark.parametrize("count", [1, 0])
def test_a_count_that_is_behind_is_noted_and_locks_nobody_out(
    passkey: Authenticator, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    passkey.count, passkey.step = 7, 0
    log_in_by_passkey(ApiClient(), passkey)
    passkey.count = count

    with caplog.at_level(logging.WARNING, logger="session_auth.security"):
        response = log_in_by_passkey(ApiClient(), passkey)

    assert response.status_code == 200
    [event] = [each for each in caplog.records if vars(each)["event"] == "passkey_count_behind"]
    assert vars(event)["count"] == count
    assert Factor.objects.get().counter == 7


def test_one_that_never_counts_is_not_noted(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    synced = Authenticator(step=0)
    register(signed_in(), synced)

    with caplog.at_level(logging.WARNING, logger="session_auth.security"):
        assert log_in_by_passkey(ApiClient(), synced).status_code == 200
    assert "passkey_count_behind" not in [vars(each)["event"] for each in caplog.records]


def test_the_cookie_outlives_the_browser_if_asked(passkey: Authenticator) -> None:
    browser = ApiClient()
    body = {"credential": passkey.get(options_for(browser)), "remember": False}

    response = browser.call("POST", AUTH + "login/passkey/", body)

    assert response.cookies["sessionid"]["max-age"] == ""
