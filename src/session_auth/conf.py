"""The one door to the ``SESSION_AUTH_*`` settings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

PREFIX = "SESSION_AUTH_"
ADOPTABLE = ("django.contrib.sessions.backends.db", "django.contrib.sessions.backends.cached_db")
TIMES = frozenset(
    {"ABSOLUTE_TIMEOUT", "IDLE_TIMEOUT", "KEEP_ENDED", "LAST_SEEN_INTERVAL", "RECENT_LOGIN"}
)
COUNTS = frozenset({"GUESSES_PER_ACCOUNT", "GUESSES_PER_ADDRESS", "MAX_SESSIONS"})
SECRET_NAME = re.compile(
    r"_.*|(?!(?:has|is|must|needs)_).*"
    r"(?:password|passwd|passphrase|secret|token|hash|digest|(?:api|private)_?key|codes)",
    re.IGNORECASE,
)
UNIX_SOCKET = "unix"
RESET_URL = re.compile(r"https?://[^/{}]+/(?=.*{uid})(?=.*{token})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """Every setting with its default; the setting ``SESSION_AUTH_X`` overrides the field ``X``."""

    ABSOLUTE_TIMEOUT: timedelta = timedelta(days=30)
    """How long after the login a session ends, however active it is."""

    ADOPT_FROM: str | None = None
    """Django's engine whose sessions are taken over at their first request, if any."""

    API_PATHS: Sequence[str] = ("/api/",)
    """Path prefixes below which refusals are JSON; elsewhere they are Django's HTML pages."""

    CSRF: str = "token"
    """``"headers"`` lets unsafe requests pass without a token whose headers say same-origin."""

    GUESSES_PER_ACCOUNT: int = 5
    """How many wrong passwords a day an account takes before each costs a delay."""

    GUESSES_PER_ADDRESS: int = 50
    """How many wrong passwords an hour an address may send before each costs a delay."""

    IDLE_TIMEOUT: timedelta | None = None
    """How long after the last activity a session ends; ``None`` is ``SESSION_COOKIE_AGE``."""

    KEEP_AT_LOGIN: Sequence[str] = ()
    """Session keys that an anonymous visitor keeps at login, a cart say; all others are dropped."""

    KEEP_ENDED: timedelta | None = None
    """How long a record is kept of each session that has ended; ``None`` keeps none."""

    LAST_SEEN_INTERVAL: timedelta = timedelta(minutes=1)
    """How long activity goes unrecorded after it was recorded: one write in this time at most."""

    MAX_SESSIONS: int | None = None
    """How many sessions a user may have; the oldest make way for new ones. ``None``: any number."""

    PASSWORD_RESET_URL: str | None = None
    """The front end's page for a new password, with ``{uid}`` and ``{token}`` in its URL."""

    RECENT_LOGIN: timedelta = timedelta(minutes=15)
    """How long after it a login, or a proof of the password, counts as recent."""

    TRUSTED_PROXIES: Sequence[str] = ()
    """Addresses and networks whose X-Forwarded-For is believed; ``"unix"`` is a Unix socket."""

    USER_FIELDS: Sequence[str] | str = ("id", "username")
    """What clients see of a user: ``id``, ``username`` (``get_username()``), or an attribute.

    Or the dotted path of a function that takes the user and returns it as a dict.
    """


class _CachedSettings:
    """Django's settings, each read once, since reading one takes ``settings`` two calls."""

    def __getattr__(self, name: str) -> Any:
        value = vars(self)[name] = getattr(settings, name)
        return value


cached_settings = _CachedSettings()


@lru_cache(maxsize=1)
def get_conf() -> Conf:
    """Return the settings in force.

    Raises ``ImproperlyConfigured`` for one of the wrong type.
    """
    given = {}
    for field in fields(Conf):
        if hasattr(settings, PREFIX + field.name):
            value = given[field.name] = getattr(settings, PREFIX + field.name)
            if value != field.default:
                _check(field.name, value)
    return Conf(**given)


def _check(name: str, value: object) -> None:
    if name in TIMES:
        valid, wanted = isinstance(value, timedelta) and value > timedelta(0), "a timedelta above 0"
    elif name in COUNTS:
        valid, wanted = type(value) is int and value > 0, "a whole number above 0"
    elif name == "ADOPT_FROM":
        valid, wanted = value in ADOPTABLE, " or ".join(f"'{engine}'" for engine in ADOPTABLE)
    elif name == "CSRF":
        valid, wanted = value in ("token", "headers"), "'token' or 'headers'"
    elif name == "PASSWORD_RESET_URL":
        valid = isinstance(value, str) and bool(RESET_URL.match(value))
        wanted = "an absolute URL with {uid} and {token} in it"
    elif name == "TRUSTED_PROXIES":
        valid = isinstance(value, list | tuple) and all(map(_is_proxy, value))
        wanted = 'a list or tuple of addresses, networks such as "10.0.0.0/8", or "unix"'
    elif name == "USER_FIELDS":
        valid = _is_path(value) or _is_names(value)
        wanted = (
            "a list or tuple of names, none of which is that of a secret as 'password' is, or the "
            "dotted path of a function"
        )
    else:
        valid = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
        wanted = "a list or tuple of strings"
    if not valid:
        raise ImproperlyConfigured(f"{PREFIX}{name} must be {wanted}.")


def _is_proxy(value: object) -> bool:
    try:
        return value == UNIX_SOCKET or bool(ip_network(str(value)))
    except ValueError:
        return False


def _is_names(value: object) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(name, str) and not SECRET_NAME.fullmatch(name) for name in value
    )


def _is_path(value: object) -> bool:
    parts = value.split(".") if isinstance(value, str) else []
    return len(parts) > 1 and all(map(str.isidentifier, parts))


def unknown_settings() -> list[str]:
    """Return the names of ``SESSION_AUTH_*`` settings that have no effect."""
    known = {PREFIX + field.name for field in fields(Conf)}
    return sorted(name for name in dir(settings) if name.startswith(PREFIX) and name not in known)


@receiver(setting_changed, dispatch_uid="session_auth.conf")
def _forget(*, setting: str, **kwargs: Any) -> None:
    vars(cached_settings).pop(setting, None)
    if setting.startswith(PREFIX):
        get_conf.cache_clear()
