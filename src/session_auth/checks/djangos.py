"""Rules of Django's that say what a rule of ours says, too: each fact is reported once."""

from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.core.checks.registry import registry
from django.core.checks.security import base, csrf, sessions

SAID_BY_OURS = {
    **dict.fromkeys(("admin.E408", "admin.E410"), "session_auth.E001"),
    "security.W003": "session_auth.E001",  # theirs knows no subclass of their middleware
    "security.W004": "session_auth.W110",
    **dict.fromkeys(("security.W010", "security.W011", "security.W012"), "session_auth.E101"),
    **dict.fromkeys(("security.W013", "security.W014", "security.W015"), "session_auth.E005"),
    "security.W016": "session_auth.E101",
}

OF_THE_ADMIN = "django.contrib.admin.checks.check_dependencies"
"""The rule for MIDDLEWARE, by name: where there is no admin, it cannot be imported."""

Check = Callable[..., Sequence[CheckMessage]]


@cache  # or rules would be registered twice where apps are made ready twice, as in tests
def _without_ours(check: Check) -> Check:
    @wraps(check)
    def rest(*args: Any, **kwargs: Any) -> list[CheckMessage]:
        return [
            message
            for message in check(*args, **kwargs)
            if SAID_BY_OURS.get(str(message.id)) in {None, *settings.SILENCED_SYSTEM_CHECKS}
        ]

    return rest


THEIRS = (
    base.check_sts,
    csrf.check_csrf_cookie_secure,
    csrf.check_csrf_middleware,
    sessions.check_session_cookie_httponly,
    sessions.check_session_cookie_secure,
)
QUIET = tuple(map(_without_ours, THEIRS))


def say_it_once() -> None:
    """Keep Django's rules from saying what ours say; one of ours that is silenced says nothing.

    That of the admin is there only if ``django.contrib.admin`` comes first in ``INSTALLED_APPS``.
    """
    for theirs, quiet in zip(THEIRS, QUIET, strict=True):
        registry.deployment_checks.discard(theirs)
        register(quiet, Tags.security, deploy=True)
    checks: set[Any] = registry.registered_checks
    for check in list(checks):
        name = f"{check.__module__}.{getattr(check, '__name__', '')}"
        if name == OF_THE_ADMIN and not hasattr(check, "__wrapped__"):
            checks.discard(check)
            register(_without_ours(check), Tags.admin)
