"""Rules for what stands around the project: proxies, HTTPS, ASGI, the database."""

import logging
from contextlib import suppress
from ipaddress import ip_network
from typing import Any

import django
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning
from django.db import Error as DatabaseError
from django.db import connections, router

from session_auth import events
from session_auth.checks.lookups import listed, middleware, setting
from session_auth.checks.stores import ENGINES as REDIS
from session_auth.conf import UNIX_SOCKET
from session_auth.models import Session

SECURITY_RELEASES = {(5, 2): 15, (6, 0): 6}
"""The release of each series of Django that has CVE-2026-5766, -6907 and -48587 mended."""

HSTS_SECONDS = 365 * 24 * 60 * 60
"""OWASP ASVS 5.0, 3.4.1"""


def not_everybody_is_a_proxy(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"SESSION_AUTH_TRUSTED_PROXIES contains '{proxy}', which is everybody: a client can "
            "name any address as its own, a new one for each guess.",
            hint="List the addresses or networks of your proxies: "
            "SESSION_AUTH_TRUSTED_PROXIES = ['10.0.0.5'], say.",
            id="session_auth.E012",
        )
        for proxy in setting("TRUSTED_PROXIES", ())
        if proxy != UNIX_SOCKET and ip_network(proxy).prefixlen == 0
    ]


def proxies_are_known(**kwargs: Any) -> list[CheckMessage]:
    signs = [name for name in ("SECURE_PROXY_SSL_HEADER", "USE_X_FORWARDED_HOST") if _is_set(name)]
    if not signs or setting("TRUSTED_PROXIES", ["not valid"]):
        return []
    return [
        Warning(
            f"{signs[0]} says that there is a proxy, but SESSION_AUTH_TRUSTED_PROXIES is empty: "
            "every client has the address of the proxy, in the list of sessions and in the counts "
            "of guesses, so that strangers can use up the guesses of all.",
            hint="List the addresses or networks of your proxies, or 'unix' for one that comes "
            "through a Unix socket: SESSION_AUTH_TRUSTED_PROXIES = ['10.0.0.5'], say.",
            id="session_auth.W103",
        )
    ]


def https_is_seen_behind_a_proxy(**kwargs: Any) -> list[CheckMessage]:
    has_proxy = setting("TRUSTED_PROXIES", ()) or settings.USE_X_FORWARDED_HOST
    if not has_proxy or settings.SECURE_PROXY_SSL_HEADER:
        return []
    return [
        Info(
            "There is a proxy, but SECURE_PROXY_SSL_HEADER is not set: if the proxy ends TLS, "
            "Django takes each request for plain HTTP, and the CSRF check refuses browsers that "
            "send no Fetch metadata.",
            hint="Set it as Django's documentation says, unless the server sets the scheme, as "
            "gunicorn and uvicorn do for proxies that they trust; 'session_doctor --url' tests it.",
            id="session_auth.I101",
        )
    ]


def django_is_patched(**kwargs: Any) -> list[CheckMessage]:
    series, release = django.VERSION[:2], django.VERSION[2]
    needed = SECURITY_RELEASES.get(series, 0)
    if release >= needed:
        return []
    version = ".".join(map(str, (*series, needed)))
    return [
        Warning(
            f"Django {django.get_version()} lacks security releases: it can cache a page for the "
            "wrong user (CVE-2026-6907, CVE-2026-48587), and read uploads of any size under ASGI "
            "(CVE-2026-5766).",
            hint=f"Install Django {version}, or the newest release of its series.",
            id="session_auth.W112",
        )
    ]


def https_is_remembered(**kwargs: Any) -> list[CheckMessage]:
    seconds = settings.SECURE_HSTS_SECONDS
    if seconds >= HSTS_SECONDS:
        return []
    return [
        Warning(
            f"SECURE_HSTS_SECONDS is {seconds}, less than a year: whoever can change the traffic "
            "can keep a browser on plain HTTP.",
            hint=f"Set SECURE_HSTS_SECONDS = {HSTS_SECONDS} once HTTPS works; silence this check "
            "if the proxy sends the header.",
            id="session_auth.W110",
        )
    ]


def logins_are_logged(**kwargs: Any) -> list[CheckMessage]:
    if _is_heard(events.logger, logging.INFO):
        return []
    return [
        Warning(
            f"Nothing shows what '{events.logger.name}' logs at the level INFO: logins, ends of "
            "sessions and new passwords leave no trace.",
            hint="Give the logger a handler and the level INFO in LOGGING: docs/logging.md has it.",
            id="session_auth.W114",
        )
    ]


def middleware_is_async(**kwargs: Any) -> list[CheckMessage]:
    if not getattr(settings, "ASGI_APPLICATION", None):
        return []
    sync_only = [
        path
        for path, found in zip(settings.MIDDLEWARE, middleware(), strict=True)
        if not getattr(found, "async_capable", False)
    ]
    if not sync_only:
        return []
    return [
        Warning(
            f"Under ASGI, each request needs a thread for middleware that is sync only: "
            f"{listed(sync_only)}.",
            hint="Look for a version that is async, too, or write it with "
            "django.utils.decorators.sync_and_async_middleware.",
            id="session_auth.W102",
        )
    ]


def sessions_outlive_the_process(**kwargs: Any) -> list[CheckMessage]:
    connection: Any = connections[router.db_for_write(Session)]
    if connection.vendor != "sqlite" or not connection.is_in_memory_db():
        return []
    return [
        Error(
            "Sessions and counts of guesses are in an SQLite database in memory: each process has "
            "its own, and loses it when it ends.",
            hint="Give DATABASES a file as NAME, or another database.",
            id="session_auth.E111",
        )
    ]


def sqlite_waits_for_writes(**kwargs: Any) -> list[CheckMessage]:
    options = connections[router.db_for_write(Session)].settings_dict
    if (
        not options["ENGINE"].endswith("sqlite3")
        or not options["ATOMIC_REQUESTS"]
        or options["OPTIONS"].get("transaction_mode") in {"IMMEDIATE", "EXCLUSIVE"}
    ):
        return []
    return [
        Warning(
            "With ATOMIC_REQUESTS on SQLite, if two requests first read and then write at the same "
            "time, one of them fails with 503 without waiting.",
            hint="Add 'transaction_mode': 'IMMEDIATE' to the OPTIONS of the database.",
            id="session_auth.W111",
        )
    ]


def pooled_transactions_prepare_nothing(
    *, databases: Any = None, **kwargs: Any
) -> list[CheckMessage]:
    options = connections.settings[router.db_for_write(Session)]["OPTIONS"]
    if options.get("prepare_threshold") is None or not (sign := _pooler(databases)):
        return []
    return [
        Warning(
            f"prepare_threshold is set, and {sign}: that looks like a PgBouncer that pools "
            "transactions. One before 1.21, or without max_prepared_statements, loses prepared "
            "statements, and requests fail.",
            hint="Remove 'prepare_threshold' from the OPTIONS of the database, or set "
            "max_prepared_statements in PgBouncer 1.21 or newer and silence this check.",
            id="session_auth.W113",
        )
    ]


def ends_are_heard_past_a_pooler(*, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    if (
        settings.SESSION_ENGINE in REDIS
        or setting("LISTEN_AT", None)
        or not (sign := _pooler(databases))
    ):
        return []
    return [
        Info(
            f"SESSION_AUTH_LISTEN_AT is not set, and {sign}: that looks like a PgBouncer that "
            "pools transactions. It cannot carry LISTEN, so no process hears at once of sessions "
            "that others end, and WebSockets stay open for some seconds more.",
            hint="If you use LiveSessions, set SESSION_AUTH_LISTEN_AT to what differs for the "
            "server itself, such as {'HOST': 'db.internal', 'PORT': '5432'}.",
            id="session_auth.I104",
        )
    ]


def _pooler(databases: Any) -> str | None:
    """Return what tells that the database is a PgBouncer: it is asked if it is in ``databases``."""
    alias = router.db_for_write(Session)
    database = connections.settings[alias]
    if not database["ENGINE"].endswith("postgresql"):
        return None
    signs = {
        "PORT is 6432": str(database["PORT"]) == "6432",
        "HOST names a bouncer": "bouncer" in str(database["HOST"]).lower(),
        "DISABLE_SERVER_SIDE_CURSORS is set": database.get("DISABLE_SERVER_SIDE_CURSORS"),
    }
    found = next((sign for sign, is_seen in signs.items() if is_seen), None)
    if found is None and databases and alias in databases and _answers_for_another(alias):
        return "another process answers than the one that has let us in"
    return found


def _answers_for_another(alias: str) -> bool:
    """Say whether a pooler stands before the server.

    A pooler makes up the process id that it tells when the connection begins; a query is answered
    with the id of the process of the server.
    """
    connection: Any = connections[alias]
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return bool(cursor.fetchone() != (connection.connection.info.backend_pid,))
    return False  # nobody answers, which other checks say


def _is_heard(logger: logging.Logger, level: int) -> bool:
    """Say whether a handler takes what ``logger`` logs at ``level``."""
    if not logger.isEnabledFor(level):
        return False
    above: logging.Logger | None = logger
    while above is not None:
        for handler in above.handlers:
            if handler.level <= level and not isinstance(handler, logging.NullHandler):
                return True
        above = above.parent if above.propagate else None
    return False


def _is_set(name: str) -> bool:
    return bool(getattr(settings, name))
