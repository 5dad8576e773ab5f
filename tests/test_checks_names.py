"""A name in the settings that cannot be imported is said by name, not by a traceback."""

from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.test import override_settings

from tests.settings import MIDDLEWARE

NO_MODULE = "No module named"


@pytest.mark.parametrize(
    ("name", "value", "told", "hint"),
    [
        (
            "SESSION_ENGINE",
            "session_auth.engine.database",
            f"names 'session_auth.engine.database', which cannot be imported: {NO_MODULE}",
            "Did you mean 'session_auth.engines.database'?",
        ),
        (
            "MIDDLEWARE",
            [*MIDDLEWARE, "session_auth.SessionMiddleware"],
            "names 'session_auth.SessionMiddleware', which cannot be imported: Module",
            "Did you mean 'session_auth.middleware.SessionMiddleware'?",
        ),
        (
            "AUTHENTICATION_BACKENDS",
            ["session_auth.backend.ModelBackend"],
            f"names 'session_auth.backend.ModelBackend', which cannot be imported: {NO_MODULE}",
            "Did you mean 'session_auth.backends.ModelBackend'?",
        ),
        (
            "SESSION_ENGINE",
            "session_auth.engines.db",
            f"names 'session_auth.engines.db', which cannot be imported: {NO_MODULE}",
            "Did you mean 'session_auth.engines.database'?",
        ),
        (
            "SESSION_ENGINE",
            "session_auth.engines.rediss",
            f"names 'session_auth.engines.rediss', which cannot be imported: {NO_MODULE}",
            "Correct the name, or install the package that it needs.",
        ),
        (
            "SESSION_SERIALIZER",
            "nowhere.Serializer",
            f"names 'nowhere.Serializer', which cannot be imported: {NO_MODULE}",
            "Correct the name, or install the package that it needs.",
        ),
        (
            "SESSION_AUTH_USER_LANGUAGE",
            "nowhere.language_of",
            f"names 'nowhere.language_of', which cannot be imported: {NO_MODULE}",
            "Correct the name, or install the package that it needs.",
        ),
    ],
)
def test_a_name_that_cannot_be_imported_is_said_once_and_alone(
    name: str, value: Any, told: str, hint: str
) -> None:
    with override_settings(**{name: value}):
        found = run_checks(tags=[Tags.security], include_deployment_checks=True)

    [message] = [each for each in found if str(each.id).startswith("session_auth")]
    assert message.id == "session_auth.E016"
    assert message.msg.startswith(f"{name} {told}")
    assert message.hint == hint


def test_in_a_project_whose_names_are_right_all_rules_are_asked() -> None:
    with override_settings(SESSION_COOKIE_HTTPONLY=False):
        found = run_checks()

    assert "session_auth.E005" in {each.id for each in found}
