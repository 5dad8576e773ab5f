"""Browsers that their user trusts."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from session_auth.factors.models import Factor
from session_auth.throttling import throw_out_devices
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.clock import NOON
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    code_of,
    half_way,
    options_for,
    register,
    second_factor,
    told,
    user_with_app,
)
from tests.password_calls import NEW

pytestmark = pytest.mark.django_db


@pytest.fixture
def secret(clock: Any, db: None) -> bytes:
    return user_with_app()[1]


@pytest.fixture
def trusted(secret: bytes) -> ApiClient:
    browser = half_way()
    assert second_factor(browser, "totp", code=code_of(secret), trust=True).status_code == 200
    browser.log_out()
    return browser


def flags(cookie: Any) -> tuple[Any, ...]:
    return tuple(cookie[name] for name in ("secure", "httponly", "samesite", "domain", "path"))


@override_settings(
    SESSION_COOKIE_NAME="__Host-sessionid",
    SESSION_COOKIE_SECURE=True,
    SESSION_COOKIE_SAMESITE="Strict",
)
def test_each_cookie_has_the_flags_of_the_session_cookie(secret: bytes) -> None:
    """ASVS 3.3.1 to 3.3.4: also those of a challenge, and of trust."""
    browser = half_way()
    answers = [
        browser.call("POST", AUTH + "passkeys/options/", {"purpose": "login"}),
        second_factor(browser, "totp", code=code_of(secret), trust=True),
    ]

    sent = {name: flags(morsel) for each in answers for name, morsel in each.cookies.items()}
    names = ("__Host-sessionid", "__Host-sessionid_challenge", "__Host-sessionid_trust")
    assert {name: sent[name] for name in names} == dict.fromkeys(
        names, (True, True, "Strict", "", "/")
    )


def test_a_browser_is_trusted_by_choice(secret: bytes) -> None:
    browser = half_way()
    second_factor(browser, "totp", code=code_of(secret))
    browser.log_out()

    assert told(browser.log_in()) == (401, "second_factor_required")


def test_a_trusted_browser_is_asked_for_the_password_alone(trusted: ApiClient) -> None:
    assert trusted.log_in(password="wrong").status_code == 401
    assert trusted.log_in().status_code == 200


def test_its_session_has_proven_one_factor(trusted: ApiClient) -> None:
    trusted.log_in()

    response = trusted.call("POST", AUTH + "factors/recovery-codes/")

    assert told(response) == (403, "reauthentication_required")


def test_a_passkey_can_be_the_last_to_be_asked_for(secret: bytes) -> None:
    browser, passkey = half_way(), Authenticator()
    second_factor(browser, "totp", code=code_of(secret))
    register(browser, passkey)
    browser.log_out()
    browser.log_in()
    credential = passkey.get(options_for(browser, "proof"))

    second_factor(browser, "passkey", credential=credential, trust=True)

    browser.log_out()
    assert browser.log_in().status_code == 200


def test_trust_ends_after_30_days(clock: Any, trusted: ApiClient) -> None:
    clock.move_to(NOON + timedelta(days=30) - timedelta(seconds=1))
    assert trusted.log_in().status_code == 200
    trusted.log_out()
    clock.move_to(NOON + timedelta(days=30))

    assert told(trusted.log_in()) == (401, "second_factor_required")


def test_it_may_end_sooner(clock: Any, secret: bytes) -> None:
    trusted = half_way()
    with override_settings(SESSION_AUTH_TRUST_BROWSER=timedelta(days=1)):
        second_factor(trusted, "totp", code=code_of(secret), trust=True)
    trusted.log_out()
    assert trusted.cookies["sessionid_trust"]["max-age"] == 86400
    clock.move_to(NOON + timedelta(days=1))

    assert told(trusted.log_in()) == (401, "second_factor_required")


@override_settings(SESSION_AUTH_TRUST_BROWSER=timedelta(days=1))
def test_a_setting_that_is_shorter_now_holds_for_those_that_are_trusted(
    clock: Any, secret: bytes
) -> None:
    trusted = half_way()
    with override_settings(SESSION_AUTH_TRUST_BROWSER=timedelta(days=30)):
        second_factor(trusted, "totp", code=code_of(secret), trust=True)
    trusted.log_out()
    clock.move_to(NOON + timedelta(days=1) - timedelta(seconds=1))
    assert trusted.log_in().status_code == 200
    trusted.log_out()
    clock.move_to(NOON + timedelta(days=29))

    assert told(trusted.log_in()) == (401, "second_factor_required")


def test_a_new_secret_key_ends_no_trust_while_the_old_one_is_known(
    trusted: ApiClient, settings: Any
) -> None:
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another one, of fifty characters or a few more"
    assert told(trusted.log_in()) == (401, "second_factor_required")

    settings.SECRET_KEY_FALLBACKS = [old]
    assert trusted.log_in().status_code == 200


def test_another_hash_of_the_same_password_ends_no_trust(trusted: ApiClient, settings: Any) -> None:
    slower = "django.contrib.auth.hashers.ScryptPasswordHasher"
    settings.PASSWORD_HASHERS = [slower, *settings.PASSWORD_HASHERS]

    for _login in range(2):
        assert trusted.log_in().status_code == 200
        trusted.log_out()

    assert User.objects.get().password.startswith("scrypt$")


def new_password() -> None:
    user = User.objects.get()
    user.set_password(NEW)
    user.save()


def another_factor() -> None:
    Factor.objects.create(
        id="x" * 43, user_id=User.objects.get().pk, kind="passkey", created_at=NOON
    )


@pytest.mark.parametrize(
    "change",
    [new_password, another_factor, lambda: throw_out_devices(User.objects.get())],
    ids=["password", "factor", "devices"],
)
def test_trust_ends_with(trusted: ApiClient, change: Callable[[], None]) -> None:
    change()
    password = NEW if change is new_password else PASSWORD

    assert told(trusted.log_in(password=password)) == (401, "second_factor_required")


def test_trust_of_one_device_is_none_on_another(secret: bytes, trusted: ApiClient) -> None:
    other = half_way()
    second_factor(other, "totp", code=code_of(secret, steps=1))
    other.log_out()
    other.cookies["sessionid_trust"] = trusted.cookies["sessionid_trust"].value

    assert told(other.log_in()) == (401, "second_factor_required")


def test_trust_of_one_user_is_none_of_another(clock: Any, trusted: ApiClient) -> None:
    _, secret = user_with_app("bob")
    assert told(trusted.log_in("bob")) == (401, "second_factor_required")
    second_factor(trusted, "totp", code=code_of(secret), trust=True)
    trusted.log_out()

    assert trusted.log_in("bob").status_code == 200
    trusted.log_out()
    assert trusted.log_in("alice").status_code == 200


@pytest.mark.parametrize("value", ["", "x", "9999999999.", "9999999999." + "A" * 43, ":" * 50])
def test_a_cookie_that_nobody_signed_is_no_trust(secret: bytes, value: str) -> None:
    browser = half_way()
    second_factor(browser, "totp", code=code_of(secret))
    browser.log_out()
    browser.cookies["sessionid_trust"] = value

    assert told(browser.log_in()) == (401, "second_factor_required")
