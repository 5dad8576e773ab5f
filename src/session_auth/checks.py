"""System checks: what is set up wrongly is said before users find out. One function a rule."""

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLResolver, get_resolver
from django.utils.functional import cached_property
from django.utils.module_loading import import_string

from session_auth.backends import ThrottleMixin
from session_auth.conf import get_conf, unknown_settings
from session_auth.engines.base import BaseSessionStore
from session_auth.middleware import (
    AuthenticationMiddleware,
    CsrfViewMiddleware,
    SessionMiddleware,
)

CSRF_VIEW = "session_auth.views.CsrfView"


def middleware_is_installed(**kwargs: Any) -> list[CheckMessage]:
    installed = _middleware()
    return [
        Error(
            f"'{ours.__module__}.{ours.__name__}' is not in MIDDLEWARE.",
            hint=f"Put it where '{ours.__base__.__module__}.{ours.__name__}' is or would be.",
            id="session_auth.E001",
        )
        for ours in (SessionMiddleware, CsrfViewMiddleware, AuthenticationMiddleware)
        if not any(issubclass(middleware, ours) for middleware in installed)
    ]


def session_middleware_comes_first(**kwargs: Any) -> list[CheckMessage]:
    ours = [
        middleware
        for middleware in _middleware()
        if issubclass(middleware, SessionMiddleware | CsrfViewMiddleware | AuthenticationMiddleware)
    ]
    if not any(issubclass(middleware, SessionMiddleware) for middleware in ours[1:]):
        return []
    return [
        Error(
            "SessionMiddleware stands below a middleware that needs the session.",
            hint="Put it above CsrfViewMiddleware and AuthenticationMiddleware in MIDDLEWARE.",
            id="session_auth.E002",
        )
    ]


def engine_keeps_the_promises(**kwargs: Any) -> list[CheckMessage]:
    store = getattr(import_module(settings.SESSION_ENGINE), "SessionStore", None)
    if isinstance(store, type) and issubclass(store, BaseSessionStore):
        return []
    return [
        Error(
            f"SESSION_ENGINE is '{settings.SESSION_ENGINE}': there, an ended session can come "
            "back, and keys are stored as they are or sessions cannot be ended at all.",
            hint="Set SESSION_ENGINE = 'session_auth.engines.database'.",
            id="session_auth.E003",
        )
    ]


def serializer_writes_json(**kwargs: Any) -> list[CheckMessage]:
    probe = {"probe": ["ü", 1, None]}
    try:
        serializer = import_string(settings.SESSION_SERIALIZER)()
        if json.loads(serializer.dumps(probe).decode()) == probe:
            return []
    except ValueError:
        pass
    return [
        Error(
            f"SESSION_SERIALIZER is '{settings.SESSION_SERIALIZER}', which does not write JSON. "
            "Whoever can write to a store of pickles can run code on the server.",
            hint="Remove SESSION_SERIALIZER, or name one that writes UTF-8 JSON.",
            id="session_auth.E004",
        )
    ]


def session_cookie_is_hidden_from_scripts(**kwargs: Any) -> list[CheckMessage]:
    if settings.SESSION_COOKIE_HTTPONLY:
        return []
    return [
        Error(
            "SESSION_COOKIE_HTTPONLY is off: any script on a page can take the session away.",
            hint="Remove the setting. Scripts read the CSRF cookie, never the session cookie.",
            id="session_auth.E005",
        )
    ]


def settings_have_the_right_types(**kwargs: Any) -> list[CheckMessage]:
    try:
        get_conf()
    except ImproperlyConfigured as exc:
        return [
            Error(str(exc), hint='As in ("/api/",) or timedelta(hours=1).', id="session_auth.E006")
        ]
    return []


def kept_keys_are_not_auth_keys(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"SESSION_AUTH_KEEP_AT_LOGIN must not contain '{name}'.",
            hint="It says who is logged in, which is for login() alone to write.",
            id="session_auth.E007",
        )
        for name in _setting("KEEP_AT_LOGIN", ())
        if name in {SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY}
    ]


def user_fields_can_be_shown(**kwargs: Any) -> list[CheckMessage]:
    model = get_user_model()
    columns = {field.attname for field in model._meta.concrete_fields} - {"password"}
    return [
        Error(
            f"SESSION_AUTH_USER_FIELDS must not contain '{name}'.",
            hint=f"Name columns or properties of {model.__name__} that clients may see.",
            id="session_auth.E008",
        )
        for name in _setting("USER_FIELDS", ())
        if name not in columns | {"id", "username"}
        and not isinstance(getattr(model, name, None), property | cached_property)
    ]


def settings_are_known(**kwargs: Any) -> list[CheckMessage]:
    return [
        Warning(
            f"{name} is not a setting of this package: it has no effect.",
            hint="Is it misspelt?",
            id="session_auth.W001",
        )
        for name in unknown_settings()
    ]


def sliding_expiry_is_left_to_the_engine(**kwargs: Any) -> list[CheckMessage]:
    if not settings.SESSION_SAVE_EVERY_REQUEST:
        return []
    return [
        Warning(
            "SESSION_SAVE_EVERY_REQUEST writes the session and sets a cookie at each request.",
            hint="Remove it: activity makes a session last longer without it, once a minute.",
            id="session_auth.W002",
        )
    ]


def adoption_comes_to_an_end(**kwargs: Any) -> list[CheckMessage]:
    if _setting("ADOPT_FROM", None) is None:
        return []
    return [
        Info(
            "SESSION_AUTH_ADOPT_FROM is set: sessions of Django's engine are still taken over.",
            hint="Remove it when they have expired, SESSION_COOKIE_AGE after the switch.",
            id="session_auth.I001",
        )
    ]


def guesses_in_the_admin_are_counted(**kwargs: Any) -> list[CheckMessage]:
    counted = any(
        issubclass(import_string(path), ThrottleMixin) for path in settings.AUTHENTICATION_BACKENDS
    )
    if counted or not apps.is_installed("django.contrib.admin"):
        return []
    return [
        Warning(
            "Guesses at passwords are counted by the endpoints of this package, but not by the "
            "login of the admin.",
            hint="Put 'session_auth.backends.ModelBackend' first in AUTHENTICATION_BACKENDS; see "
            "docs/throttling.md for sites with sessions and for other backends.",
            id="session_auth.W003",
        )
    ]


def host_prefix_is_valid(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"Browsers refuse the {which} cookie: its name starts with __Host-, so it must be "
            "Secure, with the path / and without a domain.",
            hint=f"Set {which}_COOKIE_SECURE = True, and remove {which}_COOKIE_PATH and "
            f"{which}_COOKIE_DOMAIN.",
            id="session_auth.E009",
        )
        for which in _cookies()
        if _cookie(which, "NAME").startswith("__Host-")
        and not (
            _cookie(which, "SECURE")
            and _cookie(which, "PATH") == "/"
            and _cookie(which, "DOMAIN") is None
        )
    ]


def cookies_are_secure(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{which}_COOKIE_SECURE is off: the cookie goes out over plain HTTP too.",
            hint=f"Set {which}_COOKIE_SECURE = True in production.",
            id="session_auth.E101",
        )
        for which in _cookies()
        if not _cookie(which, "SECURE")
    ]


def cookies_are_same_site(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{which}_COOKIE_SAMESITE is {_cookie(which, 'SAMESITE')!r}: requests that other "
            "sites cause carry the cookie.",
            hint=f"Remove {which}_COOKIE_SAMESITE, or set it to 'Lax' or 'Strict'.",
            id="session_auth.E102",
        )
        for which in _cookies()
        if _cookie(which, "SAMESITE") not in {"Lax", "Strict"}
    ]


def cookies_have_host_prefix(**kwargs: Any) -> list[CheckMessage]:
    return [
        Warning(
            f"The {which} cookie is named '{_cookie(which, 'NAME')}', so a subdomain or a plain "
            "HTTP page can plant one in its place.",
            hint=f"Set {which}_COOKIE_NAME = '__Host-{_cookie(which, 'NAME')}' in production.",
            id="session_auth.W101",
        )
        for which in _cookies()
        if not _cookie(which, "NAME").startswith("__Host-")
    ]


def scripts_can_get_a_csrf_token(**kwargs: Any) -> list[CheckMessage]:
    hidden = settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_HTTPONLY
    if not hidden or CSRF_VIEW in _view_names(get_resolver()):
        return []
    return [
        Error(
            "Scripts cannot read the CSRF cookie (CSRF_COOKIE_HTTPONLY or CSRF_USE_SESSIONS), "
            "and no URL gives them a token.",
            hint="Include session_auth.urls, or let scripts read the cookie.",
            id="session_auth.E103",
        )
    ]


def reset_links_use_https(**kwargs: Any) -> list[CheckMessage]:
    if not (get_conf().PASSWORD_RESET_URL or "").startswith("http:"):
        return []
    return [
        Error(
            "SESSION_AUTH_PASSWORD_RESET_URL is not an https URL.",
            hint="Whoever can read the traffic could set a new password.",
            id="session_auth.E104",
        )
    ]


ALWAYS = (
    middleware_is_installed,
    session_middleware_comes_first,
    engine_keeps_the_promises,
    serializer_writes_json,
    session_cookie_is_hidden_from_scripts,
    settings_have_the_right_types,
    kept_keys_are_not_auth_keys,
    user_fields_can_be_shown,
    settings_are_known,
    sliding_expiry_is_left_to_the_engine,
    adoption_comes_to_an_end,
    guesses_in_the_admin_are_counted,
    host_prefix_is_valid,
)
DEPLOY = (
    cookies_are_secure,
    cookies_are_same_site,
    cookies_have_host_prefix,
    scripts_can_get_a_csrf_token,
    reset_links_use_https,
)


def _middleware() -> list[type]:
    found = [import_string(path) for path in settings.MIDDLEWARE]
    return [middleware for middleware in found if isinstance(middleware, type)]


def _setting(name: str, default: Any) -> Any:
    try:
        return getattr(get_conf(), name)
    except ImproperlyConfigured:  # which E006 tells
        return default


def _cookies() -> tuple[str, ...]:
    return ("SESSION",) if settings.CSRF_USE_SESSIONS else ("SESSION", "CSRF")


def _cookie(which: str, attribute: str) -> Any:
    return getattr(settings, f"{which}_COOKIE_{attribute}")


def _view_names(resolver: URLResolver) -> Iterator[str]:
    """Yield the dotted name of each view in the URLconf."""
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _view_names(pattern)
        else:
            yield pattern.lookup_str
