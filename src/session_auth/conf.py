"""The one door to the ``SESSION_AUTH_*`` settings."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

PREFIX = "SESSION_AUTH_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """Every setting with its default; the setting ``SESSION_AUTH_X`` overrides the field ``X``."""

    API_PATHS: Sequence[str] = ("/api/",)
    """Path prefixes below which refusals are JSON; elsewhere they are Django's HTML pages."""

    KEEP_AT_LOGIN: Sequence[str] = ()
    """Session keys that an anonymous visitor keeps at login, a cart say; all others are dropped."""

    USER_FIELDS: Sequence[str] = ("id", "username")
    """What clients see of a user: ``id``, ``username`` (``get_username()``), or an attribute."""


@lru_cache(maxsize=1)
def get_conf() -> Conf:
    """Return the settings in force.

    Raises ``ImproperlyConfigured`` for one that is not a list or tuple of strings.
    """
    given = {
        field.name: getattr(settings, PREFIX + field.name)
        for field in fields(Conf)
        if hasattr(settings, PREFIX + field.name)
    }
    for name, value in given.items():
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise ImproperlyConfigured(f"{PREFIX}{name} must be a list or tuple of strings.")
    return Conf(**given)


def unknown_settings() -> list[str]:
    """Return the names of ``SESSION_AUTH_*`` settings that have no effect."""
    known = {PREFIX + field.name for field in fields(Conf)}
    return sorted(name for name in dir(settings) if name.startswith(PREFIX) and name not in known)


@receiver(setting_changed, dispatch_uid="session_auth.conf")
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting.startswith(PREFIX):
        get_conf.cache_clear()
