"""What a report shows of the project at hand: each fact is one sentence, read from its settings.

A row of docs/ledger.toml names those that it is about. Where a fact decides the row by itself, it
says so by ``holds``.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.hashers import get_hashers
from django.contrib.auth.password_validation import get_default_password_validators
from django.db import connections, router

from session_auth.checks.password_rules import FACTORS
from session_auth.conf import get_conf
from session_auth.events import logger
from session_auth.models import Session
from session_auth.stages import get_stages

OUR_FACTORS = "session_auth.factors"
"""The app that brings second factors and passkeys."""

SETUP_REQUIRED = "factor_setup_required"
"""The code of the stage that lets nobody in who must have a second factor and has none."""

NO_TIME_LIMIT = "none is set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What was seen; whether that is what is asked for, or ``None`` if it does not decide."""

    seen: str
    holds: bool | None = None
    hint: str = ""


def admin() -> Fact:
    is_here = apps.is_installed("django.contrib.admin")
    return Fact(seen="The admin is installed." if is_here else "There is no admin.")


def backends() -> Fact:
    return Fact(seen=f"Users log in by {_listed(settings.AUTHENTICATION_BACKENDS)}.")


def cookies() -> Fact:
    names = ["SESSION"] if settings.CSRF_USE_SESSIONS else ["SESSION", "CSRF"]
    told = "; ".join(_cookie(name) for name in names)
    ends = "ends with the browser" if settings.SESSION_EXPIRE_AT_BROWSER_CLOSE else "outlives it"
    return Fact(seen=f"{told}. Unless a login asks otherwise, the session's {ends}.")


def database() -> Fact:
    configured = connections.settings[router.db_for_write(Session)]
    options = configured["OPTIONS"]
    limits = [name for name in sorted(options) if "timeout" in name or name == "options"]
    return Fact(
        seen=f"Sessions are in {configured['ENGINE']}, with connections that are kept for "
        f"{configured['CONN_MAX_AGE']} seconds; time limits among its OPTIONS: "
        f"{_listed(limits) if limits else NO_TIME_LIMIT}."
    )


def debug() -> Fact:
    return Fact(seen=f"DEBUG is {'on' if settings.DEBUG else 'off'}.", holds=not settings.DEBUG)


def ended() -> Fact:
    kept = get_conf().KEEP_ENDED
    if kept is None:
        return Fact(seen="No record is kept of a session that has ended.")
    return Fact(seen=f"Records of ended sessions are kept for {_span(kept)}.")


def engine() -> Fact:
    return Fact(seen=f"SESSION_ENGINE is {settings.SESSION_ENGINE}.")


def factors() -> Fact:
    found = [name for name in FACTORS if apps.is_installed(name)]
    if not found:
        return Fact(
            seen=f"None of {_listed(FACTORS)} is installed.",
            holds=False,
            hint="Let users add a passkey or another second factor, by this package or by another.",
        )
    installed = f"{_listed(found)} is installed"
    if OUR_FACTORS not in found:
        return Fact(seen=f"{installed}.")
    rule = get_conf().REQUIRE_FACTOR
    if rule and any(stage.code == SETUP_REQUIRED for stage in get_stages()):
        return Fact(seen=f"{installed}; {rule}() says who must have a second factor.")
    return Fact(
        seen=f"{installed}, but nobody must have a second factor.",
        holds=False,
        hint="Set SESSION_AUTH_REQUIRE_FACTOR, and list SetUpFactor in SESSION_AUTH_STAGES.",
    )


def fields() -> Fact:
    names = get_conf().USER_FIELDS
    shown = f"what {names}() returns" if isinstance(names, str) else _listed(names)
    return Fact(seen=f"Of a user, clients see {shown}.")


def hashers() -> Fact:
    hasher: Any = get_hashers()[0]
    work = getattr(hasher, "iterations", None)
    return Fact(
        seen=f"New passwords are hashed by {hasher.algorithm}"
        + (f", {work} iterations." if work else ".")
    )


def https() -> Fact:
    names = ("SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS")
    told = (f"{name} is {getattr(settings, name)}" for name in (*names, "SECURE_HSTS_PRELOAD"))
    return Fact(seen=f"{'; '.join(told)}.")


def limits() -> Fact:
    conf = get_conf()
    return Fact(
        seen=f"{conf.GUESSES_PER_ACCOUNT} wrong passwords a day at an account, and "
        f"{conf.GUESSES_PER_ADDRESS} an hour from an address, cost no delay."
    )


def log() -> Fact:
    handlers = _listed(sorted({type(each).__name__ for each in _handlers(logger)}))
    level = logging.getLevelName(logger.getEffectiveLevel())
    return Fact(seen=f"{logger.name} logs from {level} on, to {handlers or 'nobody'}.")


def proxies() -> Fact:
    trusted = get_conf().TRUSTED_PROXIES
    if not trusted:
        return Fact(seen="No proxy is trusted: a client's address is that of the peer.")
    return Fact(seen=f"X-Forwarded-For is taken from {_listed(trusted)}.")


def reset() -> Fact:
    if get_conf().PASSWORD_RESET_URL is None:
        return Fact(seen="No links for new passwords are sent.")
    seconds = timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    return Fact(seen=f"Links for new passwords work for {_span(seconds)}.")


def sessions() -> Fact:
    number = get_conf().MAX_SESSIONS
    return Fact(
        seen="A user may have any number of sessions."
        if number is None
        else f"A user may have {number} sessions; a login ends the oldest above that."
    )


def timeouts() -> Fact:
    conf = get_conf()
    idle = conf.IDLE_TIMEOUT or timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return Fact(
        seen=f"A session ends after {_span(idle)} without activity, and after "
        f"{_span(conf.ABSOLUTE_TIMEOUT)} in all; a login is recent for {_span(conf.RECENT_LOGIN)}."
    )


def validators() -> Fact:
    found = [
        f"{type(each).__name__} ({each.min_length})"
        if hasattr(each, "min_length")
        else type(each).__name__
        for each in get_default_password_validators()
    ]
    return Fact(seen=f"New passwords are judged by {_listed(found) if found else 'nobody'}.")


FACTS: dict[str, Callable[[], Fact]] = {
    read.__name__: read
    for read in (
        *(admin, backends, cookies, database, debug, ended, engine, factors, fields),
        *(hashers, https, limits, log, proxies, reset, sessions, timeouts, validators),
    )
}


def _cookie(name: str) -> str:
    flags = [
        "Secure" if getattr(settings, f"{name}_COOKIE_SECURE") else "not Secure",
        "HttpOnly" if getattr(settings, f"{name}_COOKIE_HTTPONLY") else "not HttpOnly",
        f"SameSite={getattr(settings, f'{name}_COOKIE_SAMESITE')}",
    ]
    domain = getattr(settings, f"{name}_COOKIE_DOMAIN")
    flags += [f"Domain={domain}"] if domain else []
    return f"{getattr(settings, f'{name}_COOKIE_NAME')} is {_listed(flags)}"


def _handlers(of: logging.Logger) -> Iterable[logging.Handler]:
    each: logging.Logger | None = of
    while each is not None:
        yield from each.handlers
        each = each.parent if each.propagate else None


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))


def _span(time: timedelta) -> str:
    """Return ``time`` in its largest whole unit, such as "15 minutes"."""
    seconds = time.total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            number = round(seconds / length)
            return f"{number} {unit}{'s' * (number != 1)}"
    return f"{seconds:g} seconds"
