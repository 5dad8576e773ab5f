"""The edits by which a project comes to this package, as it would have to make them."""

from collections.abc import Iterator, Sequence

from django.conf import global_settings, settings
from django.urls import NoReverseMatch, reverse

ENGINE = "session_auth.engines.database"
BACKEND = "session_auth.backends.ModelBackend"
DJANGOS_BACKEND = "django.contrib.auth.backends.ModelBackend"
MIDDLEWARE = {
    "django.contrib.sessions.middleware.SessionMiddleware": "SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware": "CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "AuthenticationMiddleware",
}
"""Django's middleware, and ours that take their places."""


def edits_of_settings() -> Iterator[str]:
    """Yield the lines to change in the settings, with "-" before the old and "+" before the new."""
    if settings.SESSION_ENGINE != ENGINE:
        yield from _changed(
            "MIDDLEWARE", settings.MIDDLEWARE, list(map(_ours, settings.MIDDLEWARE))
        )
        yield f'+SESSION_ENGINE = "{ENGINE}"'
        yield f'+SESSION_AUTH_ADOPT_FROM = "{settings.SESSION_ENGINE}"'
        if settings.SESSION_COOKIE_NAME != "sessionid":
            yield f'+SESSION_AUTH_ADOPT_COOKIE = "{settings.SESSION_COOKIE_NAME}"'
    backends = settings.AUTHENTICATION_BACKENDS
    if list(backends) == global_settings.AUTHENTICATION_BACKENDS:
        yield f'+AUTHENTICATION_BACKENDS = ["{BACKEND}"]'
    elif BACKEND not in backends:
        ours = [BACKEND if path == DJANGOS_BACKEND else path for path in backends]
        yield from _changed("AUTHENTICATION_BACKENDS", backends, ours)
    if settings.SESSION_SAVE_EVERY_REQUEST:
        yield "-SESSION_SAVE_EVERY_REQUEST = True"


def edits_of_urls() -> Iterator[str]:
    """Yield the lines to add to the URLconf, unless they are there."""
    try:
        reverse("session_auth:login")
    except NoReverseMatch:
        yield "+from django.urls import include, path"  # startproject imports path alone
        yield " urlpatterns = ["
        yield '+    path("api/auth/", include("session_auth.urls")),'


def _ours(path: str) -> str:
    return f"session_auth.middleware.{MIDDLEWARE[path]}" if path in MIDDLEWARE else path


def _changed(name: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Yield a list of settings with the lines that change; nothing if none does."""
    if list(before) == list(after):
        return
    yield f" {name} = ["
    for old, new in zip(before, after, strict=True):
        if old == new:
            yield f'     "{old}",'
        else:
            yield f'-    "{old}",'
            yield f'+    "{new}",'
    yield " ]"
