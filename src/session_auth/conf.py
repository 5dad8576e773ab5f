"""The one door to the ``SESSION_AUTH_*`` settings."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import lru_cache, partial
from ipaddress import ip_network
from math import inf
from typing import Annotated, Any, NamedTuple, get_type_hints

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver

PREFIX = "SESSION_AUTH_"
SECRET_NAME = re.compile(
    r"_.*|(?!(?:has|is|must|needs)_).*"
    r"(?:password|passwd|passphrase|secret|token|hash|digest|(?:api|private)_?key|codes)",
    re.IGNORECASE,
)
COOKIE_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
OF_CONNECTIONS = {"HOST", "PORT", "NAME", "USER", "PASSWORD", "OPTIONS"}
IN_PATTERNS = frozenset("{}*?[]\\")
"""What a prefix of keys has not: it is the beginning of patterns, and braces choose the slot."""

REDIS_URL = re.compile(r"(rediss?://[^/?#\s]*(/[0-9]*)?|unix://[^?#\s]+)(\?[^#\s]*)?")
REDIS_NODE = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^][:/@\s]+)(:[0-9]+)?")

UNIX_SOCKET = "unix"
HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")
ORIGIN = re.compile(rf"(https://{HOST.pattern}|http://localhost)(:[0-9]+)?")
"""Browsers offer passkeys to secure contexts alone."""

FERNET_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")
RESET_URL = re.compile(r"https?://[^/{}]+/(?=.*{uid})(?=.*{token})")


class Rule(NamedTuple):
    """What the value of a setting must be: in words, and as a test."""

    wanted: str
    accepts: Callable[[Any], bool]


def _is_sequence(value: object, of: Callable[[object], bool]) -> bool:
    return isinstance(value, list | tuple) and all(map(of, value))


def _is_string(value: object) -> bool:
    return isinstance(value, str)


def _is_prefix(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")


def _is_shown(value: object) -> bool:
    """Say whether ``value`` is a name, and not one that a secret would have."""
    return isinstance(value, str) and not SECRET_NAME.fullmatch(value)


def _is_path(value: object) -> bool:
    parts = value.split(".") if isinstance(value, str) else []
    return len(parts) > 1 and all(map(str.isidentifier, parts))


def _is_proxy(value: object) -> bool:
    try:
        return value == UNIX_SOCKET or bool(ip_network(str(value)))
    except ValueError:
        return False


def _one_of(*values: str) -> Rule:
    return Rule(" or ".join(f"'{value}'" for value in values), values.__contains__)


def _is_origin(value: object) -> bool:
    return isinstance(value, str) and bool(ORIGIN.fullmatch(value))


def _is_key(value: object) -> bool:
    return isinstance(value, str) and bool(FERNET_KEY.fullmatch(value))


def _is_client(value: object) -> bool:
    if isinstance(value, str) and "://" not in value:
        return _is_path(value)
    return _is_redis_url(value) or hasattr(value, "register_script")


def _is_redis_url(value: object) -> bool:
    return isinstance(value, str) and bool(REDIS_URL.fullmatch(value))


def _are_redis_nodes(value: object) -> bool:
    def is_node(node: object) -> bool:
        return isinstance(node, str) and bool(REDIS_NODE.fullmatch(node))

    return bool(value) and _is_sequence(value, of=is_node)


OF_STORE: dict[str, Callable[[object], bool]] = {
    "client": _is_client,
    "cluster": _are_redis_nodes,
    "sentinels": _are_redis_nodes,
    "url": _is_redis_url,
}


def _is_store(value: object) -> bool:
    if not isinstance(value, Mapping):
        return _is_client(value)
    prefix = value.get("prefix", "sa")
    if not isinstance(prefix, str) or not IN_PATTERNS.isdisjoint(prefix):
        return False
    replicas, seconds = value.get("wait_replicas", 1), value.get("wait_timeout", 1)
    if not COUNT.accepts(replicas) or type(seconds) not in {int, float} or not 0 < seconds < inf:
        return False
    named = OF_STORE.keys() & value.keys()
    return len(named) == 1 and all(OF_STORE[name](value[name]) for name in named)


COOKIE = Rule(
    "the name of a cookie",
    lambda value: isinstance(value, str) and bool(COOKIE_NAME.fullmatch(value)),
)
COUNT = Rule("a whole number above 0", lambda value: type(value) is int and value > 0)
COUNT_OR_NONE = Rule(
    "a whole number above 0, or None", lambda value: value is None or COUNT.accepts(value)
)
DATABASE = Rule(
    "a dict with any of 'HOST', 'PORT', 'NAME', 'USER', 'PASSWORD' and 'OPTIONS', or None",
    lambda value: value is None or (isinstance(value, Mapping) and value.keys() <= OF_CONNECTIONS),
)
DAYS = Rule(
    "a timedelta above 0, of 30 days at most",
    lambda value: isinstance(value, timedelta) and timedelta(0) < value <= timedelta(days=30),
)
DOMAIN = Rule(
    "a domain such as 'example.org', without a scheme",
    lambda value: isinstance(value, str) and bool(HOST.fullmatch(value)),
)
ENGINE = Rule("the dotted path of an engine", _is_path)
KEYS = Rule(
    "a list or tuple of keys, each as Fernet.generate_key() makes them, as a string",
    partial(_is_sequence, of=_is_key),
)
NAME = Rule("a string", _is_string)
NETWORKS = Rule(
    'a list or tuple of addresses, networks such as "10.0.0.0/8", or "unix"',
    partial(_is_sequence, of=_is_proxy),
)
ORIGINS = Rule(
    "a list or tuple of origins such as 'https://example.org', or 'http://localhost:8000'",
    partial(_is_sequence, of=_is_origin),
)
PATH = Rule("the dotted path of a function", _is_path)
SHOWN = Rule(
    "a list or tuple of names, without that of a secret such as 'password', or the dotted path of "
    "a function",
    lambda value: _is_path(value) or _is_sequence(value, of=_is_shown),
)
PATHS = Rule("a list or tuple of dotted paths", partial(_is_sequence, of=_is_path))
PREFIXES = Rule(
    "a list or tuple of paths that begin with a slash, such as '/api/'",
    partial(_is_sequence, of=_is_prefix),
)
STORE = Rule(
    "a URL such as 'redis://localhost:6379/0', with rediss:// for TLS or unix:// for a socket, the "
    "dotted path of a function that returns a client, a client, or a dict with one of 'url', "
    "'cluster', 'sentinels' and 'client', whose 'cluster' or 'sentinels' is a list of addresses "
    "such as '10.0.0.1:6379', whose 'prefix' is a string with none of {}*?[]\\, whose "
    "'wait_replicas' is a whole number above 0, and whose 'wait_timeout' are seconds",
    _is_store,
)
STRINGS = Rule("a list or tuple of strings", partial(_is_sequence, of=_is_string))
PAGE = Rule(
    "an absolute URL",
    lambda value: isinstance(value, str) and bool(re.match(r"https?://[^/{}]+/", value)),
)
TIME = Rule(
    "a timedelta above 0", lambda value: isinstance(value, timedelta) and value > timedelta(0)
)
URL_OF_LINKS = Rule(
    "an absolute URL with {uid} and {token} in it",
    lambda value: isinstance(value, str) and bool(RESET_URL.match(value)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """What a project may set: the field ``CSRF`` is the setting ``SESSION_AUTH_CSRF``.

    A value must follow the rule of its field, or be the default. For any other, ``manage.py check``
    reports an error, and what uses the setting raises ``ImproperlyConfigured``.
    """

    ABSOLUTE_TIMEOUT: Annotated[timedelta, TIME] = timedelta(days=30)
    """How long a session lasts at most, from the login or the last proof of the password."""

    ADOPT_COOKIE: Annotated[str, COOKIE] = "sessionid"
    """The name of the session cookie before the switch: it is read while ``ADOPT_FROM`` is set."""

    ADOPT_FROM: Annotated[str | None, ENGINE] = None
    """The engine whose sessions are taken over, each at its first request; ``None``: none."""

    API_PATHS: Annotated[Sequence[str], PREFIXES] = ("/api/",)
    """Path prefixes below which refusals are JSON; elsewhere they are Django's HTML pages."""

    CSRF: Annotated[str, _one_of("token", "headers")] = "token"
    """``"headers"`` lets an unsafe request pass without a token if its headers say same-origin."""

    GUESSES_PER_ACCOUNT: Annotated[int, COUNT] = 5
    """How many wrong passwords a day an account takes before each costs a delay."""

    GUESSES_PER_ADDRESS: Annotated[int, COUNT] = 50
    """How many wrong passwords an hour an address may send before each costs a delay."""

    IDLE_TIMEOUT: Annotated[timedelta | None, TIME] = None
    """How long after the last activity a session ends; ``None`` is ``SESSION_COOKIE_AGE``."""

    KEEP_AT_LOGIN: Annotated[Sequence[str], STRINGS] = ()
    """Keys of ``request.session`` that live on at each login, such as a cart; others do not."""

    KEEP_ENDED: Annotated[timedelta | None, TIME] = None
    """How long a record is kept of each session that has ended; ``None`` keeps none."""

    LAST_SEEN_INTERVAL: Annotated[timedelta, TIME] = timedelta(minutes=1)
    """How often activity is recorded: once in this time at most."""

    LISTEN_AT: Annotated[Mapping[str, Any] | None, DATABASE] = None
    """What differs from ``DATABASES`` for the connection that hears of ends: past a pooler, say."""

    MAX_SESSIONS: Annotated[int | None, COUNT_OR_NONE] = 1000
    """How many sessions a user may have; a login ends the oldest above that. ``None``: no limit."""

    PASSKEY_DOMAIN: Annotated[str | None, DOMAIN] = None
    """The domain that passkeys are bound to; ``None`` is the host of the first origin."""

    PASSKEY_ORIGINS: Annotated[Sequence[str], ORIGINS] = ()
    """The origins of the pages that use passkeys, ``"https://example.org"`` say; ``()``: nobody."""

    PASSWORD_RESET_URL: Annotated[str | None, URL_OF_LINKS] = None
    """The front end's page for a new password, with ``{uid}`` and ``{token}`` in its URL."""

    RECENT_LOGIN: Annotated[timedelta, TIME] = timedelta(minutes=15)
    """How long a login, or a proof of the password, counts as recent."""

    REDIS: Annotated[Any, STORE] = None
    """Where the engine ``session_auth.engines.redis`` has its sessions: see docs/redis.md."""

    REQUIRE_FACTOR: Annotated[str | None, PATH] = None
    """The path of a function of the user: ``None``, or the time from which they need a factor."""

    SESSIONS_URL: Annotated[str | None, PAGE] = None
    """The front end's page of sessions: a mail of each new device has it. ``None``: no mail."""

    SITE_NAME: Annotated[str, NAME] = ""
    """What authenticator apps and passkeys show of the site; ``""``: its domain."""

    STAGES: Annotated[Sequence[str], PATHS] = ()
    """What a login may ask for after the password: dotted paths of classes, in their order."""

    TOTP_KEYS: Annotated[Sequence[str], KEYS] = ()
    """The keys for the secrets of authenticator apps: the first encrypts, each of them decrypts."""

    TRUST_BROWSER: Annotated[timedelta, DAYS] = timedelta(days=30)
    """How long a browser that its user trusts is asked for no second factor: 30 days at most."""

    TRUSTED_PROXIES: Annotated[Sequence[str], NETWORKS] = ()
    """Whose X-Forwarded-For is trusted: addresses, ``"unix"``, or networks of the nearest proxy."""

    USER_FIELDS: Annotated[Sequence[str] | str, SHOWN] = ("id", "username")
    """What clients see of a user: ``id``, ``username`` (``get_username()``), or an attribute.

    Or the dotted path of a function that takes the user and returns a dict.
    """

    USER_LANGUAGE: Annotated[str | None, PATH] = None
    """The path of a function of the user: the code of their language, for mails, or ``None``."""


RULES: Mapping[str, Rule] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Conf, include_extras=True).items()
}


class _CachedSettings:
    """Django's settings, each read once: reading one of ``settings`` takes two calls each time."""

    def __getattr__(self, name: str) -> Any:
        value = vars(self)[name] = getattr(settings, name)
        return value


cached_settings = _CachedSettings()


@lru_cache(maxsize=1)
def get_conf() -> Conf:
    """Return the settings in force.

    Raises ``ImproperlyConfigured`` for one that breaks its rule; the message says what is wanted.
    """
    given = {}
    for field in fields(Conf):
        if hasattr(settings, PREFIX + field.name):
            value = given[field.name] = getattr(settings, PREFIX + field.name)
            rule = RULES[field.name]
            if value is not field.default and not rule.accepts(value):
                raise ImproperlyConfigured(f"{PREFIX}{field.name} must be {rule.wanted}.")
    return Conf(**given)


def unknown_settings() -> list[str]:
    """Return the names of ``SESSION_AUTH_*`` settings that have no effect."""
    known = {PREFIX + field.name for field in fields(Conf)}
    return sorted(name for name in dir(settings) if name.startswith(PREFIX) and name not in known)


@receiver(setting_changed, dispatch_uid="session_auth.conf")
def _forget(*, setting: str, **kwargs: Any) -> None:
    vars(cached_settings).pop(setting, None)
    if setting.startswith(PREFIX):
        get_conf.cache_clear()
