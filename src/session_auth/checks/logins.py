"""Rules for the ways in: backends, the admin, and what other frameworks let in."""

from collections.abc import Iterator
from inspect import getfile
from types import FunctionType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.views import LoginView
from django.core.checks import CheckMessage, Warning
from django.utils.module_loading import import_string

from session_auth.backends import ThrottleMixin
from session_auth.checks.lookups import RoutedView, dotted_names, listed, views

DRF = "rest_framework.authentication"
NINJA_COOKIE = "ninja.security.apikey.APIKeyCookie"
TOKEN_LOGIN = "rest_framework.authtoken.views.ObtainAuthToken"  # noqa: S105 # a name
FORWARDED = ("authenticate", "get_user", "get_user_permissions", "get_group_permissions")
"""Methods of a backend whose async twin in ``BaseBackend`` calls them. No other twin there does."""

METHODS = (*FORWARDED, "get_all_permissions", "has_perm", "has_module_perms")
"""Methods of a backend that have an async twin, with an "a" in front of the name."""


def guesses_in_the_admin_are_counted(**kwargs: Any) -> list[CheckMessage]:
    if _guesses_are_counted() or not apps.is_installed("django.contrib.admin"):
        return []
    return [
        Warning(
            "Guesses at passwords are counted by the endpoints of this package, but not by the "
            "login of the admin.",
            hint="Put 'session_auth.backends.ModelBackend' first in AUTHENTICATION_BACKENDS. Where "
            "users are signed in already, or with other backends, see docs/throttling.md first.",
            id="session_auth.W003",
        )
    ]


def guesses_elsewhere_are_counted(**kwargs: Any) -> list[CheckMessage]:
    if _guesses_are_counted():
        return []
    routes = [view.route for view in views() if _takes_passwords(view)]
    if not routes:
        return []
    return [
        Warning(
            f"Guesses at passwords are not counted by these views: {listed(routes)}.",
            hint="Put 'session_auth.backends.ModelBackend' first in AUTHENTICATION_BACKENDS. Where "
            "users are signed in already, or with other backends, see docs/throttling.md first.",
            id="session_auth.W004",
        )
    ]


def backends_are_the_same_under_async(**kwargs: Any) -> list[CheckMessage]:
    return [
        Warning(
            f"{path}.{name}() is not used under async: Django calls a{name}() there, which "
            f"{_where(owner)}.",
            hint=f"Define a{name}() beside it, for example as sync_to_async(self.{name})(...); for "
            "a backend of somebody else's, in a subclass of yours.",
            id="session_auth.W005",
        )
        for path in settings.AUTHENTICATION_BACKENDS
        if _is_called_under_async(backend := import_string(path))
        for name, owner in _bypassed(backend)
    ]


def rest_framework_checks_csrf_in_full(**kwargs: Any) -> list[CheckMessage]:
    routes = [
        view.route
        for view in views()
        if any(checks_like_drf(found) for found in authentication_classes(view))
    ]
    if not routes:
        return []
    return [
        Warning(
            "SessionAuthentication of Django REST framework checks CSRF in these views: "
            f"{listed(routes)}. It checks no Fetch metadata, checks nothing for anonymous callers, "
            "and answers them with 403.",
            hint="Put 'session_auth.contrib.rest_framework.SessionAuthentication' in its place, in "
            "DEFAULT_AUTHENTICATION_CLASSES and in the views that name theirs.",
            id="session_auth.W007",
        )
    ]


def ninja_checks_csrf_in_full(**kwargs: Any) -> list[CheckMessage]:
    routes = [
        view.route
        for view in views()
        if any(
            checks_like_ninja(callback)
            for operation in ninja_operations(view.callback)
            for callback in operation.auth_callbacks
        )
    ]
    if not routes:
        return []
    return [
        Warning(
            f"Django Ninja's own cookie authentication checks CSRF in these views: "
            f"{listed(routes)}. It checks no Fetch metadata, and a view without auth, such as a "
            "login, is not checked at all.",
            hint="Write NinjaAPI(auth=SessionAuth()), with session_auth.contrib.ninja.SessionAuth, "
            "and auth=SessionAuth(required=False) for a login.",
            id="session_auth.W008",
        )
    ]


def api_tokens_end(**kwargs: Any) -> list[CheckMessage]:
    routes = [
        view.route
        for view in views()
        if any(
            f"{DRF}.TokenAuthentication" in dotted_names(found)
            for found in authentication_classes(view)
        )
    ]
    if not routes:
        return []
    return [
        Warning(
            "TokenAuthentication of Django REST framework opens these views: "
            f"{listed(routes)}. Its tokens are stored as they are, and neither time, a logout nor "
            "a new password ends them.",
            hint="Keep it for machines, in views of their own, or remove it.",
            id="session_auth.W105",
        )
    ]


def _guesses_are_counted() -> bool:
    return any(
        issubclass(import_string(path), ThrottleMixin) for path in settings.AUTHENTICATION_BACKENDS
    )


def _takes_passwords(view: RoutedView) -> bool:
    return (
        issubclass(view.view_class, LoginView)
        or TOKEN_LOGIN in dotted_names(view.view_class)
        or any(
            f"{DRF}.BasicAuthentication" in dotted_names(found)
            for found in authentication_classes(view)
        )
    )


def authentication_classes(view: RoutedView) -> list[type]:
    """Return the classes by which Django REST framework finds the caller, its default included."""
    found = getattr(view.view_class, "authentication_classes", ())
    return [cls for cls in found if isinstance(cls, type)]


def checks_like_drf(cls: type) -> bool:
    return any(
        f"{base.__module__}.{base.__qualname__}" == f"{DRF}.SessionAuthentication"
        and vars(base).get("enforce_csrf") is getattr(cls, "enforce_csrf", None)
        for base in cls.__mro__
    )


def checks_like_ninja(callback: Any) -> bool:
    return NINJA_COOKIE in dotted_names(type(callback)) and bool(getattr(callback, "csrf", False))


def ninja_operations(view: Any) -> Iterator[Any]:
    """Yield the operations of Django Ninja's, whose views are functions around a PathView."""
    names = view.__code__.co_freevars if isinstance(view, FunctionType) else ()
    if "self" in names:
        yield from getattr(view.__closure__[names.index("self")].cell_contents, "operations", ())


def _is_called_under_async(backend: type) -> bool:
    """Say whether the async methods of a backend matter.

    They do under ASGI, and if the project has written the backend. Nearly no package defines them,
    and under WSGI hardly anything calls them.
    """
    is_of_project = "site-packages" not in (getfile(backend).replace("dist-", "site-"))
    return is_of_project or bool(getattr(settings, "ASGI_APPLICATION", None))


def _bypassed(backend: type) -> Iterator[tuple[str, type | None]]:
    """Yield each method whose async twin does something else, and the class of the twin."""
    # ThrottleMixin has both, and each calls the method of the same name in the next class.
    bases = [cls for cls in backend.__mro__ if cls is not ThrottleMixin]
    for name in METHODS:
        owner = _first_with(name, bases)
        twin = _first_with(f"a{name}", bases)
        if owner is None or owner.__module__ == BaseBackend.__module__:
            continue
        if twin is None:
            # Django skips a backend that lacks the twin of another method: it grants less.
            is_bypassed = name in {"authenticate", "get_user"}
        elif twin is BaseBackend:
            is_bypassed = name not in FORWARDED
        else:
            is_bypassed = bases.index(twin) > bases.index(owner)
        if is_bypassed:
            yield name, twin


def _first_with(name: str, classes: list[type]) -> type | None:
    return next((cls for cls in classes if name in vars(cls)), None)


def _where(owner: type | None) -> str:
    return "is missing" if owner is None else f"is that of {owner.__module__}.{owner.__qualname__}"
