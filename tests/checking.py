"""Which of our rules a project breaks."""

from typing import Any

from django.core.checks import run_checks
from django.test import override_settings

VALIDATION = "django.contrib.auth.password_validation"

# What ``startproject`` writes and tests.settings leaves out, to be fast and to set any password.
STARTPROJECT: dict[str, Any] = {
    "AUTH_PASSWORD_VALIDATORS": [
        {"NAME": f"{VALIDATION}.UserAttributeSimilarityValidator"},
        {"NAME": f"{VALIDATION}.MinimumLengthValidator"},
        {"NAME": f"{VALIDATION}.CommonPasswordValidator"},
        {"NAME": f"{VALIDATION}.NumericPasswordValidator"},
    ],
    "PASSWORD_HASHERS": ["django.contrib.auth.hashers.PBKDF2PasswordHasher"],
}
PRODUCTION: dict[str, Any] = STARTPROJECT | {
    "AUTH_PASSWORD_VALIDATORS": [
        {"NAME": f"{VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
        {"NAME": f"{VALIDATION}.CommonPasswordValidator"},
    ],
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_NAME": "__Host-csrftoken",
    "CSRF_COOKIE_SECURE": True,
    "SECURE_HSTS_SECONDS": 365 * 24 * 60 * 60,
}


def found(*, deploy: bool = False) -> list[tuple[str, str]]:
    messages = run_checks(include_deployment_checks=deploy)
    return [(str(m.id), str(m.msg)) for m in messages if str(m.id).startswith("session_auth.")]


def ids(*, deploy: bool = False, **settings: Any) -> list[str]:
    with override_settings(**settings):
        return sorted(found_id for found_id, message in found(deploy=deploy))


def deployed(**change: Any) -> list[str]:
    """Return what is found when a sound project goes into production with these settings."""
    return ids(deploy=True, **PRODUCTION | change)
