"""Rules for sessions in Redis or Valkey."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from session_auth.checks.lookups import setting

ENGINES = frozenset(
    f"session_auth.engines.{name}" for name in ("redis", "redis_and_database", "database_and_redis")
)


def redis_is_named(**kwargs: Any) -> list[CheckMessage]:
    if settings.SESSION_ENGINE not in ENGINES or setting("REDIS", "not valid") is not None:
        return []
    return [
        Error(
            f"SESSION_ENGINE is '{settings.SESSION_ENGINE}', and SESSION_AUTH_REDIS does not say "
            "where its server is.",
            hint="Set SESSION_AUTH_REDIS = 'redis://localhost:6379/0', or what docs/redis.md says.",
            id="session_auth.E027",
        )
    ]


def redis_client_can_be_made(**kwargs: Any) -> list[CheckMessage]:
    if settings.SESSION_ENGINE not in ENGINES or setting("REDIS", None) is None:
        return []
    mistake = import_module("session_auth.engines.redis.client").mistake()
    if mistake is None:
        return []
    return [
        Error(
            f"No client can be made of SESSION_AUTH_REDIS: {mistake}",
            hint="Name options as redis-py does, or take them out: docs/redis.md has examples. A "
            "path must be that of a function without arguments, which returns a client.",
            id="session_auth.E028",
        )
    ]


def sessions_are_not_in_a_cache(**kwargs: Any) -> list[CheckMessage]:
    if settings.SESSION_ENGINE not in ENGINES:
        return []
    shared = sorted(
        name
        for name, cache in settings.CACHES.items()
        if not set(_urls(cache.get("LOCATION"))).isdisjoint(_urls(setting("REDIS", None)))
    )
    if not shared:
        return []
    return [
        Warning(
            f"The cache '{shared[0]}' is in the database of SESSION_AUTH_REDIS: clearing it signs "
            "users out, and so does a server that evicts what it has no room for.",
            hint="Give sessions a server of their own, whose maxmemory-policy is noeviction; or "
            "another database, such as '/1' at the end of the URL, if nothing is evicted.",
            id="session_auth.W022",
        )
    ]


def _urls(given: Any) -> Iterator[str]:
    """Yield the URLs in a ``LOCATION`` or in ``SESSION_AUTH_REDIS``."""
    if isinstance(given, Mapping):
        given = [given.get("url"), given.get("client")]
    for each in given if isinstance(given, list | tuple) else [given]:
        if isinstance(each, str):
            yield from (
                url.rstrip("/").removesuffix("/0") for url in each.replace(",", ";").split(";")
            )
