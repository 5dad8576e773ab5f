"""Rules for passwords."""

from typing import Any

import pytest
from django.contrib.auth import hashers
from django.contrib.auth.password_validation import CommonPasswordValidator

from session_auth.checks import password_rules
from tests.checking import PRODUCTION, STARTPROJECT, VALIDATION, deployed

pytestmark = pytest.mark.django_db

HASHERS = "django.contrib.auth.hashers"


class FewIterations(hashers.PBKDF2PasswordHasher):
    iterations = 599_999


class EnoughIterations(hashers.PBKDF2PasswordHasher):
    iterations = 600_000


class Passphrase:
    min_length = 20


class Leaked(CommonPasswordValidator):
    pass


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (f"{HASHERS}.PBKDF2PasswordHasher", []),
        (f"{HASHERS}.Argon2PasswordHasher", []),
        (f"{HASHERS}.ScryptPasswordHasher", []),
        (f"{HASHERS}.BCryptSHA256PasswordHasher", []),
        (f"{__name__}.EnoughIterations", []),
        (f"{__name__}.FewIterations", ["session_auth.E110"]),
        (f"{HASHERS}.MD5PasswordHasher", ["session_auth.E110"]),
        (f"{HASHERS}.BCryptPasswordHasher", ["session_auth.W106"]),
    ],
)
def test_passwords_are_hashed_slowly_and_whole(first: str, expected: list[str]) -> None:
    # That an old hash can still be checked, until its owner logs in, is not what is asked.
    assert deployed(PASSWORD_HASHERS=[first, f"{HASHERS}.MD5PasswordHasher"]) == expected


@pytest.mark.parametrize(
    ("validators", "expected"),
    [
        (
            [f"{VALIDATION}.MinimumLengthValidator", f"{VALIDATION}.CommonPasswordValidator"],
            ["session_auth.I103"],
        ),
        ([f"{__name__}.Passphrase", f"{__name__}.Leaked"], []),
        ([f"{VALIDATION}.MinimumLengthValidator"], ["session_auth.I103", "session_auth.W108"]),
        ([f"{VALIDATION}.CommonPasswordValidator"], ["session_auth.W107"]),
        ([], ["session_auth.W107", "session_auth.W108"]),
    ],
)
def test_short_and_common_passwords_are_refused(validators: list[str], expected: list[str]) -> None:
    assert deployed(AUTH_PASSWORD_VALIDATORS=[{"NAME": name} for name in validators]) == expected


def test_a_list_of_leaked_passwords_has_the_common_ones() -> None:
    validators: list[dict[str, Any]] = [
        {"NAME": f"{VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
        {
            "NAME": "session_auth.passwords.validators.LeakedPasswordValidator",
            "OPTIONS": {"url": "https://example.org/range/{prefix}"},
        },
    ]

    assert deployed(AUTH_PASSWORD_VALIDATORS=validators) == []


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (15, []),
        (14, ["session_auth.I103"]),
        (8, ["session_auth.I103"]),
        (7, ["session_auth.W107"]),
    ],
)
def test_eight_characters_are_the_least_and_fifteen_where_there_is_no_factor(
    length: int, expected: list[str]
) -> None:
    validators: list[dict[str, Any]] = [
        {"NAME": f"{VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": length}},
        {"NAME": f"{VALIDATION}.CommonPasswordValidator"},
    ]

    assert deployed(AUTH_PASSWORD_VALIDATORS=validators) == expected


def reset(*, scheme: str, seconds: int) -> list[str]:
    url = f"{scheme}://example.org/{{uid}}/{{token}}"
    return deployed(SESSION_AUTH_PASSWORD_RESET_URL=url, PASSWORD_RESET_TIMEOUT=seconds)


def test_links_for_a_new_password_are_https_and_live_for_a_day() -> None:
    assert reset(scheme="https", seconds=86400) == []
    assert reset(scheme="http", seconds=86400) == ["session_auth.E104"]
    assert reset(scheme="https", seconds=86401) == ["session_auth.W109"]
    assert deployed(PASSWORD_RESET_TIMEOUT=259200) == []


def test_eight_characters_do_beside_a_second_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_rules, "FACTORS", ["django.contrib.auth"])

    assert deployed(AUTH_PASSWORD_VALIDATORS=STARTPROJECT["AUTH_PASSWORD_VALIDATORS"][1:3]) == []


def test_a_validator_that_refuses_long_digits_is_found() -> None:
    validators = [
        *PRODUCTION["AUTH_PASSWORD_VALIDATORS"],
        {"NAME": f"{VALIDATION}.NumericPasswordValidator"},
    ]

    assert deployed(AUTH_PASSWORD_VALIDATORS=validators) == ["session_auth.I102"]
