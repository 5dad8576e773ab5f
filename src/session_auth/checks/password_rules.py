"""Rules for passwords: how they are hashed, which are refused, and how they are reset."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.hashers import (
    BCryptSHA256PasswordHasher,
    MD5PasswordHasher,
    PBKDF2PasswordHasher,
    get_hashers,
)
from django.contrib.auth.password_validation import (
    CommonPasswordValidator,
    NumericPasswordValidator,
    get_default_password_validators,
)
from django.core.checks import CheckMessage, Error, Info, Warning

from session_auth.checks.lookups import setting
from session_auth.passwords.validators import LeakedPasswordValidator

PBKDF2_ITERATIONS = 600_000
"""What OWASP's cheat sheet for stored passwords asks for at least, with SHA-256."""

MIN_LENGTH = 8
"""OWASP ASVS 5.0, 6.2.1. NIST SP 800-63B-4, 3.1.1.2 asks for 15 without a second factor."""

MIN_LENGTH_ALONE = 15
FACTORS = ("session_auth.factors", "allauth.mfa", "django_otp")
"""Apps for a second factor: whether a project asks all its users for one, nobody can see."""

RESET_SECONDS = 24 * 60 * 60
"""NIST SP 800-63B-4, 4.2.1.2: for codes that are sent to an e-mail address."""


def reset_links_use_https(**kwargs: Any) -> list[CheckMessage]:
    if not (setting("PASSWORD_RESET_URL", None) or "").startswith("http:"):
        return []
    return [
        Error(
            "SESSION_AUTH_PASSWORD_RESET_URL is not an https URL: whoever can read the traffic "
            "could set a new password.",
            hint="Begin it with https://.",
            id="session_auth.E104",
        )
    ]


def reset_links_are_short_lived(**kwargs: Any) -> list[CheckMessage]:
    if (
        setting("PASSWORD_RESET_URL", None) is None
        or settings.PASSWORD_RESET_TIMEOUT <= RESET_SECONDS
    ):
        return []
    return [
        Warning(
            "Links for a new password work for "
            f"{settings.PASSWORD_RESET_TIMEOUT / 3600:.0f} hours: whoever finds one in a mailbox "
            "has that long to use it.",
            hint=f"Set PASSWORD_RESET_TIMEOUT = {RESET_SECONDS}, a day, or less.",
            id="session_auth.W109",
        )
    ]


def passwords_are_hashed_slowly(**kwargs: Any) -> list[CheckMessage]:
    hasher = get_hashers()[0]
    iterations = hasher.iterations if isinstance(hasher, PBKDF2PasswordHasher) else None
    if isinstance(hasher, MD5PasswordHasher):
        reason = "takes no time to try"
    elif iterations is not None and iterations < PBKDF2_ITERATIONS:
        reason = f"repeats its hash {iterations} times only"
    else:
        return []
    return [
        Error(
            f"{type(hasher).__name__}, the first of PASSWORD_HASHERS, {reason}: whoever gets the "
            "table of users has most passwords within a day.",
            hint="Put Django's default, 'django.contrib.auth.hashers.PBKDF2PasswordHasher', or "
            "'...Argon2PasswordHasher' first; logins upgrade what is stored.",
            id="session_auth.E110",
        )
    ]


def passwords_are_hashed_whole(**kwargs: Any) -> list[CheckMessage]:
    hasher = get_hashers()[0]
    is_plain = isinstance(hasher, BCryptSHA256PasswordHasher) and hasher.digest is None
    if not is_plain:
        return []
    return [
        Warning(
            f"{type(hasher).__name__}, the first of PASSWORD_HASHERS, takes 72 bytes of a password "
            "at most: it ignores the bytes after them, or the login fails.",
            hint="Put 'django.contrib.auth.hashers.BCryptSHA256PasswordHasher' first.",
            id="session_auth.W106",
        )
    ]


def passwords_have_a_minimum_length(**kwargs: Any) -> list[CheckMessage]:
    if _shortest() >= MIN_LENGTH:
        return []
    return [
        Warning(
            f"AUTH_PASSWORD_VALIDATORS lets passwords of less than {MIN_LENGTH} characters pass, "
            "which are soon guessed.",
            hint="Add 'django.contrib.auth.password_validation.MinimumLengthValidator', with "
            "{'min_length': 15} if a password is all that users log in with.",
            id="session_auth.W107",
        )
    ]


def long_digits_are_passwords(**kwargs: Any) -> list[CheckMessage]:
    validators = get_default_password_validators()
    if not any(isinstance(validator, NumericPasswordValidator) for validator in validators):
        return []
    return [
        Info(
            "NumericPasswordValidator in AUTH_PASSWORD_VALIDATORS refuses twenty random digits, "
            "which nobody guesses (ASVS 6.2.5).",
            hint="Remove it: MinimumLengthValidator and CommonPasswordValidator do its work.",
            id="session_auth.I102",
        )
    ]


def a_password_alone_is_long(**kwargs: Any) -> list[CheckMessage]:
    shortest = _shortest()
    has_factors = any(map(apps.is_installed, FACTORS))
    if has_factors or not MIN_LENGTH <= shortest < MIN_LENGTH_ALONE:
        return []
    return [
        Info(
            f"AUTH_PASSWORD_VALIDATORS lets passwords of {shortest} characters pass, and no app "
            f"for a second factor is installed: NIST SP 800-63B-4 asks for {MIN_LENGTH_ALONE}.",
            hint="Give MinimumLengthValidator the OPTIONS {'min_length': 15}.",
            id="session_auth.I103",
        )
    ]


def common_passwords_are_refused(**kwargs: Any) -> list[CheckMessage]:
    validators = get_default_password_validators()
    enough = (CommonPasswordValidator, LeakedPasswordValidator)
    if any(isinstance(validator, enough) for validator in validators):
        return []
    return [
        Warning(
            "AUTH_PASSWORD_VALIDATORS has no CommonPasswordValidator: users can choose the "
            "passwords that attackers try first.",
            hint="Add 'django.contrib.auth.password_validation.CommonPasswordValidator'; if "
            "another validator knows leaked passwords, silence this check. Ours is "
            "'session_auth.passwords.validators.LeakedPasswordValidator'.",
            id="session_auth.W108",
        )
    ]


def _shortest() -> int:
    """Return the least number of characters that the validators ask for."""
    lengths = [
        length
        for validator in get_default_password_validators()
        if isinstance(length := getattr(validator, "min_length", None), int)
    ]
    return max(lengths, default=0)
