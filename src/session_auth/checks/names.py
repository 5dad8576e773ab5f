"""A rule for what settings name: what cannot be imported is said once, and breaks no rule."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import cache, wraps
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from session_auth.checks.lookups import setting

Rule = Callable[..., list[CheckMessage]]

OURS = (
    "session_auth.backends.ModelBackend",
    "session_auth.engines.database",
    "session_auth.middleware.AuthenticationMiddleware",
    "session_auth.middleware.CsrfViewMiddleware",
    "session_auth.middleware.SessionMiddleware",
)
"""What a project writes into its settings, and may misspell."""


def names_can_be_imported(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{name} names '{path}', which cannot be imported: {problem}",
            hint=_advice(path),
            id="session_auth.E016",
        )
        for name, path, problem in _broken()
    ]


@cache  # or rules would be registered twice where apps are made ready twice, as in tests
def unless_broken(rule: Rule) -> Rule:
    """Return ``rule`` as one that says nothing while a name has to be corrected first."""
    if rule is names_can_be_imported:
        return rule

    @wraps(rule)
    def rule_of_what_is_there(**kwargs: Any) -> list[CheckMessage]:
        return [] if any(_broken()) else rule(**kwargs)

    return rule_of_what_is_there


def _broken() -> Iterator[tuple[str, str, str]]:
    """Yield a setting, the name in it, and why that cannot be imported."""
    for name, path, load in _named():
        try:
            load(path)
        except (ImportError, ImproperlyConfigured) as exc:
            yield name, path, str(exc)


def _advice(path: str) -> str:
    meant = get_close_matches(path, OURS, cutoff=0.84)  # so that "redi" is no "database"
    if meant:
        return f"Did you mean '{meant[0]}'?"
    return "Correct the name, or install the package that it needs."


def _named() -> Iterator[tuple[str, str, Callable[[str], Any]]]:
    for name in ("MIDDLEWARE", "AUTHENTICATION_BACKENDS"):
        for path in getattr(settings, name):
            yield name, path, import_string
    yield "SESSION_ENGINE", settings.SESSION_ENGINE, import_module
    yield "SESSION_SERIALIZER", settings.SESSION_SERIALIZER, import_string
    for name in ("REQUIRE_FACTOR", "USER_LANGUAGE"):
        if path := setting(name, None):
            yield f"SESSION_AUTH_{name}", path, import_string
