"""Rules for the parts of this package: are they in place, and are its settings right?"""

import json
from collections.abc import Iterable
from datetime import timedelta
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.messages.middleware import MessageMiddleware
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db.models import BinaryField, CompositePrimaryKey, FileField
from django.utils.functional import cached_property
from django.utils.module_loading import import_string

from session_auth.checks.lookups import middleware_classes, setting
from session_auth.conf import get_conf, unknown_settings
from session_auth.middleware import (
    AuthenticationMiddleware,
    CsrfViewMiddleware,
    SessionMiddleware,
)
from session_auth.sessions.base import BaseSessionStore

OURS = (SessionMiddleware, CsrfViewMiddleware, AuthenticationMiddleware)
MAX_COOKIE_AGE = timedelta(days=400)
"""How long browsers keep a cookie at most (draft-ietf-httpbis-rfc6265bis, 5.5)."""


def middleware_is_installed(**kwargs: Any) -> list[CheckMessage]:
    installed = middleware_classes()
    return [
        Error(
            f"'{_path(ours)}' is not in MIDDLEWARE, so its part of the protection is missing.",
            hint=f"Put it where '{_replaced(ours).__module__}.{ours.__name__}' is or would be.",
            id="session_auth.E001",
        )
        for ours in OURS
        if not any(issubclass(middleware, ours) for middleware in installed)
    ]


def session_middleware_comes_first(**kwargs: Any) -> list[CheckMessage]:
    which = (*OURS, MessageMiddleware)
    found = [each for each in middleware_classes() if issubclass(each, which)]
    if not any(issubclass(each, SessionMiddleware) for each in found[1:]):
        return []
    return [
        Error(
            f"'{found[0].__name__}' needs the session, and finds none: it stands above "
            "SessionMiddleware.",
            hint="Put SessionMiddleware above CsrfViewMiddleware, AuthenticationMiddleware and "
            "MessageMiddleware in MIDDLEWARE.",
            id="session_auth.E002",
        )
    ]


def _path(ours: type) -> str:
    """Return what a project writes into MIDDLEWARE, wherever the class is made."""
    return f"{SessionMiddleware.__module__}.{ours.__name__}"


def djangos_middleware_is_replaced(**kwargs: Any) -> list[CheckMessage]:
    installed = middleware_classes()
    return [
        Error(
            f"'{base.__module__}.{base.__name__}' is in MIDDLEWARE beside the one of this package, "
            "and undoes what that one does.",
            hint=f"Remove it: '{_path(ours)}' does all that it does.",
            id="session_auth.E011",
        )
        for ours in OURS
        if (base := _replaced(ours)) in installed
        and any(issubclass(middleware, ours) for middleware in installed)
    ]


def engine_keeps_the_promises(**kwargs: Any) -> list[CheckMessage]:
    store = getattr(import_module(settings.SESSION_ENGINE), "SessionStore", None)
    if isinstance(store, type) and issubclass(store, BaseSessionStore):
        return []
    return [
        Error(
            f"SESSION_ENGINE is '{settings.SESSION_ENGINE}': there an ended session can come back "
            "and keys are stored in plain text, or no session can be ended.",
            hint="Set SESSION_ENGINE = 'session_auth.engines.database'. On a site with users, run "
            "'manage.py session_adopt' first: it says how they stay signed in.",
            id="session_auth.E003",
        )
    ]


def serializer_writes_json(**kwargs: Any) -> list[CheckMessage]:
    probe = {"probe": ["ü", 1, None]}
    try:
        serializer = import_string(settings.SESSION_SERIALIZER)()
        if json.loads(serializer.dumps(probe).decode()) == probe:
            return []
    except (AttributeError, TypeError, ValueError):
        pass  # what it writes is no bytes, or no JSON
    return [
        Error(
            f"SESSION_SERIALIZER is '{settings.SESSION_SERIALIZER}', which does not write JSON. "
            "Whoever can write to a store of pickles can run code on the server.",
            hint="Remove SESSION_SERIALIZER, or name one that writes UTF-8 JSON.",
            id="session_auth.E004",
        )
    ]


def settings_have_the_right_types(**kwargs: Any) -> list[CheckMessage]:
    try:
        get_conf()
    except ImproperlyConfigured as exc:
        return [
            Error(
                str(exc),
                hint="Set it to such a value, or remove it: it has a default.",
                id="session_auth.E006",
            )
        ]
    return []


def kept_keys_are_not_auth_keys(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"SESSION_AUTH_KEEP_AT_LOGIN contains '{name}', which says who is logged in: what was "
            "in a visitor's session could log somebody in.",
            hint=f"Remove '{name}' from it. Only login() writes that key.",
            id="session_auth.E007",
        )
        for name in setting("KEEP_AT_LOGIN", ())
        if name in {SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY}
    ]


def user_fields_can_be_shown(**kwargs: Any) -> list[CheckMessage]:
    fields = setting("USER_FIELDS", ())
    problems = _no_function(fields) if isinstance(fields, str) else _no_fields(fields)
    return [
        Error(
            f"SESSION_AUTH_USER_FIELDS must not {problem}.",
            hint=f"Name columns or properties of {get_user_model().__name__} that clients may see, "
            "or a function that takes the user and returns a dict.",
            id="session_auth.E008",
        )
        for problem in problems
    ]


def users_have_one_key(**kwargs: Any) -> list[CheckMessage]:
    users = get_user_model()
    if not isinstance(users._meta.pk, CompositePrimaryKey):
        return []
    return [
        Error(
            f"The primary key of {users.__name__} is of several columns, and a session names its "
            "user by one: nobody can log in.",
            hint="Give the user model a primary key of one column, and a UniqueConstraint.",
            id="session_auth.E014",
        )
    ]


def age_of_the_cookie_is_in_seconds(**kwargs: Any) -> list[CheckMessage]:
    if _is_age(settings.SESSION_COOKIE_AGE):
        return []
    return [
        Error(
            f"SESSION_COOKIE_AGE is {settings.SESSION_COOKIE_AGE!r}, and has to be a number of "
            "seconds above 0: nobody can stay logged in.",
            hint="Write 60 * 60 * 24 * 14, say, for two weeks; a timedelta goes into "
            "SESSION_AUTH_IDLE_TIMEOUT.",
            id="session_auth.E015",
        )
    ]


def activity_is_seen_before_it_counts(**kwargs: Any) -> list[CheckMessage]:
    interval = setting("LAST_SEEN_INTERVAL", timedelta(0))
    idle = _idle_timeout()
    if interval < idle:
        return []
    return [
        Error(
            f"SESSION_AUTH_LAST_SEEN_INTERVAL, {interval}, is not shorter than the idle timeout, "
            f"{idle}: users are logged out while they work.",
            hint="Make it a tenth of SESSION_AUTH_IDLE_TIMEOUT, or less.",
            id="session_auth.E013",
        )
    ]


def idle_timeout_can_be_reached(**kwargs: Any) -> list[CheckMessage]:
    idle, absolute = _idle_timeout(), setting("ABSOLUTE_TIMEOUT", timedelta.max)
    if idle <= absolute:
        return []
    name = "SESSION_COOKIE_AGE" if setting("IDLE_TIMEOUT", None) is None else "the idle timeout"
    return [
        Warning(
            f"{name} is {idle}, but each session ends {absolute} after its login, by "
            "SESSION_AUTH_ABSOLUTE_TIMEOUT.",
            hint="Set SESSION_AUTH_ABSOLUTE_TIMEOUT to the longest time that a login may last, and "
            "SESSION_COOKIE_AGE or SESSION_AUTH_IDLE_TIMEOUT to no more than that.",
            id="session_auth.W014",
        )
    ]


def browsers_keep_the_cookie_as_long(**kwargs: Any) -> list[CheckMessage]:
    absolute = setting("ABSOLUTE_TIMEOUT", timedelta(0))
    if absolute <= MAX_COOKIE_AGE:
        return []
    return [
        Warning(
            f"SESSION_AUTH_ABSOLUTE_TIMEOUT is {absolute}, but browsers keep a cookie for "
            f"{MAX_COOKIE_AGE.days} days at most: then its user has to log in again.",
            hint=f"Make it {MAX_COOKIE_AGE.days} days or less.",
            id="session_auth.W015",
        )
    ]


def settings_are_known(**kwargs: Any) -> list[CheckMessage]:
    return [
        Warning(
            f"{name} is not a setting of this package: it has no effect.",
            hint="Write it as docs/settings.md does, or remove it.",
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


def _idle_timeout() -> timedelta:
    timeout: timedelta | None = setting("IDLE_TIMEOUT", None)
    if timeout is not None:
        return timeout
    age = settings.SESSION_COOKIE_AGE
    return timedelta(seconds=age) if _is_age(age) else timedelta(weeks=2)  # E015 reports it


def _is_age(value: object) -> bool:
    return type(value) in {int, float} and value > 0  # type: ignore[operator]  # they are numbers


def _no_fields(names: Iterable[str]) -> list[str]:
    model = get_user_model()
    known = {field.attname: field for field in model._meta.concrete_fields}
    unknown = [
        f"contain '{name}'"
        for name in names
        if name not in {*known, "id", "username"}
        and not isinstance(getattr(model, name, None), property | cached_property)
    ]
    return unknown + [
        f"contain '{name}', a {type(known[name]).__name__}: JSON cannot hold what it is"
        for name in names
        if isinstance(known.get(name), FileField | BinaryField)
    ]


def _no_function(path: str) -> list[str]:
    try:
        function = import_string(path)
        if iscoroutinefunction(function):
            return [f"be '{path}', which is async"]
        return [] if callable(function) else [f"be '{path}', which is no function"]
    except ImportError as exc:
        return [f"be '{path}', which cannot be imported: {exc}"]


def _replaced(ours: type) -> type:
    """Return Django's class of the same name, which ``ours`` replaces."""
    return next(base for base in ours.__mro__ if base.__module__.startswith("django."))
