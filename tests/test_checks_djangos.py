"""What Django's rules and ours say of one fact is said once."""

from typing import Any

import pytest
from django.core.checks import Warning, run_checks
from django.core.checks.security import base, csrf, sessions
from django.test import override_settings

from session_auth.checks import djangos
from tests.checking import PRODUCTION

pytestmark = pytest.mark.django_db

NOT_SECURE = {
    "SESSION_COOKIE_SECURE": False,
    "SESSION_COOKIE_NAME": "a",
    "SESSION_COOKIE_HTTPONLY": False,
    "CSRF_COOKIE_SECURE": False,
    "CSRF_COOKIE_NAME": "b",
    "SECURE_HSTS_SECONDS": 0,
}
DJANGOS = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
]


def found(**change: Any) -> set[str]:
    with override_settings(**PRODUCTION | change):
        messages = run_checks(include_deployment_checks=True)
    # Django's run_checks() leaves it to its commands to leave out what is silenced.
    return {str(message.id) for message in messages if not message.is_silenced()}


def test_what_ours_say_django_does_not() -> None:
    ids = found(**NOT_SECURE)

    assert {"session_auth.E005", "session_auth.E101", "session_auth.W110"} <= ids
    assert ids.isdisjoint(djangos.SAID_BY_OURS)


def test_a_subclass_of_djangos_middleware_is_its_middleware() -> None:
    assert found().isdisjoint(djangos.SAID_BY_OURS)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("session_auth.E001", {"security.W003"}),
        ("session_auth.E005", {"security.W015"}),
        ("session_auth.E101", {"security.W012"}),
        ("session_auth.W110", {"security.W004"}),
        ("session_auth.W101", set()),
    ],
)
def test_where_ours_is_silenced_django_says_it(ours: str, theirs: set[str]) -> None:
    with override_settings(**NOT_SECURE, MIDDLEWARE=DJANGOS, SILENCED_SYSTEM_CHECKS=[ours]):
        said = {str(message.id) for rule in djangos.QUIET for message in rule(None)}

    assert said == theirs


def test_middleware_that_is_missing_is_reported_by_one_who_knows_which() -> None:
    said = {each for each in found(MIDDLEWARE=[]) if each.startswith(("admin.", "session_auth.E"))}

    assert said == {"admin.E409", "session_auth.E001"}
    silenced = found(MIDDLEWARE=[], SILENCED_SYSTEM_CHECKS=["session_auth.E001"])
    assert silenced >= {"admin.E408", "admin.E410"}


def test_all_that_djangos_rules_can_say_stands_in_the_table() -> None:
    of_sessions = [each for each in vars(sessions).values() if isinstance(each, Warning)]

    said = {each.id for each in (base.W004, csrf.W003, csrf.W016, *of_sessions)}
    assert said | {"admin.E408", "admin.E410"} == set(djangos.SAID_BY_OURS)
