"""A rule for logins that no CSRF check stands before: other sites could log users in."""

from collections.abc import Iterator
from typing import Any

from django.contrib import auth
from django.core.checks import CheckMessage, Warning

from session_auth import flows
from session_auth.checks.logins import (
    authentication_classes,
    checks_like_drf,
    checks_like_ninja,
    ninja_operations,
)
from session_auth.checks.lookups import (
    FRAMEWORKS,
    RoutedView,
    dotted_names,
    functions_in,
    listed,
    names_in,
    views,
)
from session_auth.http import JSONView

LOGINS = (auth.login, auth.alogin, flows.log_in, flows.alog_in)
NAMES = frozenset(function.__name__ for function in LOGINS)
OUR_DRF = "session_auth.contrib.rest_framework.SessionAuthentication"
OUR_NINJA = "session_auth.contrib.ninja.SessionAuth"
SAFE_HANDLERS = frozenset({"get", "head", "options"})


def logins_are_checked(**kwargs: Any) -> list[CheckMessage]:
    routes = [
        view.route
        for view in views()
        if not getattr(view.callback, "takes_cross_site_logins", False)
        and any(_logs_in(function) for function in _unchecked(view))
    ]
    if not routes:
        return []
    return [
        Warning(
            f"These views log users in, and no CSRF check stands before them: {listed(routes)}. "
            "Only browsers that send Fetch metadata keep other sites from using them.",
            hint="Let SessionAuthentication or SessionAuth(required=False) of session_auth.contrib "
            "check them, or take csrf_exempt away. Mark a view that an identity provider posts to "
            "with session_auth.decorators.cross_site_login.",
            id="session_auth.W016",
        )
    ]


def _unchecked(view: RoutedView) -> Iterator[Any]:
    """Yield what the project has written of a view, if no CSRF check stands before that."""
    if operations := list(ninja_operations(view.callback)):
        for operation in operations:
            if not any(map(_checks_csrf, operation.auth_callbacks)):
                yield operation.view_func
        return
    if issubclass(view.view_class, JSONView) or not getattr(view.callback, "csrf_exempt", False):
        return
    classes = authentication_classes(view)
    if any(OUR_DRF in dotted_names(each) or checks_like_drf(each) for each in classes):
        return  # the latter is for another rule
    if view.view_class is object:
        yield view.callback
    for cls in view.view_class.__mro__:
        if cls.__module__.partition(".")[0] not in FRAMEWORKS:
            yield from (each for name, each in vars(cls).items() if name not in SAFE_HANDLERS)


def _checks_csrf(callback: Any) -> bool:
    """Say whether a way in of Django Ninja makes a CSRF check; Ninja's own is for another rule."""
    return OUR_NINJA in dotted_names(type(callback)) or checks_like_ninja(callback)


def _logs_in(function: Any) -> bool:
    """Say whether a function, or one that it wraps, calls a login by name."""
    return any(
        name in NAMES or inner.__globals__.get(name) in LOGINS
        for inner in functions_in(function)
        for name in names_in(inner.__code__)
    )
