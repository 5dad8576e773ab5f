"""A rule for code that checks passwords beside the one door at which guesses are counted."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error

from session_auth.checks.logins import ninja_operations
from session_auth.checks.lookups import (
    FRAMEWORKS,
    RoutedView,
    functions_in,
    listed,
    names_in,
    views,
)

CHECKS = frozenset({"check_password", "acheck_password"})
COUNTS = "reserve"
"""What a function calls that counts the guess: ``throttling.reserve()``."""

COUNTED_BY_THEMSELVES = ("allauth",)
HELD = ("form_class", "serializer_class")
"""The attributes of a view by which it holds a class that may check a password for it."""


def passwords_are_checked_at_the_door(**kwargs: Any) -> list[CheckMessage]:
    routes = [view.route for view in views() if any(map(_is_uncounted, _written(view)))]
    if not routes:
        return []
    return [
        Error(
            "These views check a password by check_password(), where no guess is counted: "
            f"{listed(routes)}. Whoever has a session can try passwords without end.",
            hint="Call session_auth.throttling.reserve() before it, as docs/throttling.md shows, "
            "or authenticate(), or use Django's PasswordChangeForm, where guesses are counted.",
            id="session_auth.E112",
        )
    ]


def _written(view: RoutedView) -> Iterator[Any]:
    """Yield the functions of a view, and of its form, that no framework has written."""
    yield view.callback
    for operation in ninja_operations(view.callback):
        yield operation.view_func
    given = getattr(view.callback, "view_initkwargs", {})
    held = [given.get(name, getattr(view.view_class, name, None)) for name in HELD]
    for each in [view.view_class, *held]:
        for cls in getattr(each, "__mro__", ()):
            if cls.__module__.partition(".")[0] not in (*FRAMEWORKS, *COUNTED_BY_THEMSELVES):
                yield from vars(cls).values()


def _is_uncounted(function: Any) -> bool:
    return any(
        function.__module__.partition(".")[0] not in (*FRAMEWORKS, *COUNTED_BY_THEMSELVES)
        and not CHECKS.isdisjoint(names := set(names_in(function.__code__)))
        and COUNTS not in names
        for function in functions_in(function)
    )
