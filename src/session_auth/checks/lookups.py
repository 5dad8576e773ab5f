"""What the checks look at: middleware, cookies, views."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from inspect import unwrap
from types import CodeType, FunctionType
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLResolver, get_resolver
from django.utils.module_loading import import_string

from session_auth.conf import get_conf

FRAMEWORKS = ("builtins", "django", "ninja", "rest_framework", "session_auth")
"""The packages whose views are not read: they log nobody in and count guesses, or have a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedView:
    """A view of the URLconf: its route from the root, its dotted name, and what is called."""

    route: str
    name: str
    callback: Any

    @property
    def view_class(self) -> type:
        """The class of a class-based view, Django's or Django REST framework's; else ``object``."""
        view_class = getattr(self.callback, "cls", getattr(self.callback, "view_class", object))
        return view_class if isinstance(view_class, type) else object


def middleware() -> list[Any]:
    """Return what ``MIDDLEWARE`` names: classes, and functions that make middleware."""
    return [import_string(path) for path in settings.MIDDLEWARE]


def middleware_classes() -> list[type]:
    return [found for found in middleware() if isinstance(found, type)]


def setting(name: str, default: Any) -> Any:
    """Return a setting of this package, or ``default`` if one of them is invalid."""
    try:
        return getattr(get_conf(), name)
    except ImproperlyConfigured:  # E006 reports it
        return default


def cookies() -> tuple[str, ...]:
    """Return the prefixes of the settings for the cookies that are in use."""
    return ("SESSION",) if settings.CSRF_USE_SESSIONS else ("SESSION", "CSRF")


def cookie(which: str, attribute: str) -> Any:
    return getattr(settings, f"{which}_COOKIE_{attribute}")


def views() -> list[RoutedView]:
    """Return all views of the URLconf."""
    return list(_views(get_resolver(), ""))


def dotted_names(cls: type) -> set[str]:
    """Return the names of a class and its bases: to compare them, no framework is imported."""
    return {f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__}


def listed(names: list[str]) -> str:
    """Return the first three names, and how many more there are."""
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def functions_in(function: Any) -> Iterator[FunctionType]:
    """Yield a function, or the one that it wraps, and the functions in its closure.

    A decorator that does not use ``wraps()`` keeps the view there: ``api_view`` does. This yields
    nothing for an object that is no function.
    """
    function = unwrap(function) if callable(function) else None
    if not isinstance(function, FunctionType):
        return
    yield function
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # of a function that is not made yet
            held = cell.cell_contents
            if isinstance(held, FunctionType) and held is not function:
                yield from functions_in(held)


def names_in(code: CodeType) -> Iterator[str]:
    """Yield the names that a function uses, those of functions within it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant)


def _views(resolver: URLResolver, prefix: str) -> Iterator[RoutedView]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _views(pattern, route)
        else:
            yield RoutedView(route=route, name=pattern.lookup_str, callback=pattern.callback)
