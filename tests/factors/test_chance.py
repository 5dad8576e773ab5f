"""Where codes and challenges come from, and how much chance is in them (ASVS 6.5.3, 6.7.2)."""

import random
import secrets
from base64 import b32decode
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from webauthn.helpers import base64url_to_bytes

from session_auth.factors import challenges, recovery, totp
from tests.api_client import AUTH, ApiClient, signed_in
from tests.factors.calls import begin_app, make_codes, options_for

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "make",
    [totp.new_secret, recovery.new_codes, challenges.new_challenge],
    ids=lambda f: f.__name__,
)
def test_nothing_secret_comes_from_the_module_random(make: Callable[[], object]) -> None:
    """Who knows its state knows what it will say."""
    state = random.getstate()
    first = make()
    random.setstate(state)

    assert make() != first


def test_all_of_a_secret_is_what_the_operating_system_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[bytes] = []
    make = secrets.token_bytes

    def noted(size: int) -> bytes:
        given.append(make(size))
        return given[-1]

    monkeypatch.setattr(secrets, "token_bytes", noted)

    secret, challenge, codes = totp.new_secret(), challenges.new_challenge(), recovery.new_codes()

    assert given == [
        secret,
        base64url_to_bytes(challenge),
        *(b32decode(code.replace("-", "").upper()) for code in codes),
    ]
    assert [len(each) for each in given] == [20, 32, *[15] * 10]


def test_a_secret_of_an_app_is_new_each_time(alice: User) -> None:
    made = {begin_app(signed_in()) for _ in range(3)}

    assert [len(secret) for secret in made] == [20] * 3


def test_a_recovery_code_has_chance_in_each_letter(alice: User) -> None:
    codes = [code.replace("-", "") for _ in range(3) for code in make_codes(signed_in())]

    for letters in zip(*codes, strict=True):
        assert len(set(letters)) > 3


def options(browser: ApiClient, path: str) -> Any:
    return browser.call("POST", AUTH + path).json()["publicKey"]


def test_a_challenge_is_long_and_new_each_time(alice: User) -> None:
    browser = signed_in()

    seen = [options_for(ApiClient())["challenge"] for _ in range(3)]
    seen += [options(browser, "factors/passkeys/options/")["challenge"] for _ in range(3)]

    assert [len(base64url_to_bytes(each)) for each in seen] == [32] * 6
    assert len(set(seen)) == 6
