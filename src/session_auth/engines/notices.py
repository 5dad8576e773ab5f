"""PostgreSQL tells other processes of ends: by NOTIFY, in the statement that ends the sessions.

So a notice is sent if, and only if, the end is committed, and it costs no statement.
https://www.postgresql.org/docs/current/sql-notify.html
"""

from collections.abc import Iterator
from contextlib import closing
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from django.db import connections
from django.db.models import Value

from session_auth.conf import get_conf
from session_auth.sessions.bus import NOBODY, origin
from session_auth.sessions.values import Record
from session_auth.signals import EndReason

CHANNEL = "session_auth_ended"
TICK_SECONDS = 1.0

OPTIONS = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 5}
"""Of a connection that only waits: it has to find out by itself that the server is gone."""


def can_notify(alias: str) -> bool:
    """Say whether the database is PostgreSQL, with psycopg 3."""
    database: Any = connections[alias]
    return database.vendor == "postgresql" and hasattr(database.Database, "pq")


def ended_column(reason: EndReason, successor: Record | None) -> tuple[str, list[Any]]:
    """Return a column for ``DELETE ... RETURNING``, and its parameters: it tells of each end.

    ``successor`` is the session that takes the place of those of the same user.
    """
    next_id, parameters = "%s", [NOBODY]
    if successor is not None:
        next_id = 'CASE WHEN "user_id" = %s THEN %s ELSE %s END'
        parameters = [successor.user_id, successor.id, NOBODY]
    # CONCAT_WS() takes any type: with server_side_binding, PostgreSQL wants to be told which.
    text = f"""CONCAT_WS(' ', %s::text, "id", ({next_id})::text, "user_id")"""
    column = f"""CASE WHEN "user_id" IS NOT NULL THEN pg_notify(%s, {text}) END"""
    return column, [CHANNEL, f"{origin()} {reason}", *parameters]


class NewId(Value):
    """The new id of a session. On PostgreSQL, setting it tells that the session has a new key."""

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        new_id = str(self.value)
        text = """CONCAT_WS(' ', %s::text, "id", %s::text, COALESCE("user_id"::text, %s))"""
        told = [f"{origin()} {NOBODY}", new_id, NOBODY]
        # A call of pg_notify() gives "", which changes no text.
        return f"%s || pg_notify(%s, {text})::text", [new_id, CHANNEL, *told]


def notify(text: str, *, alias: str) -> None:
    """Let ``listen()`` yield this text in each process, once it is committed."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, text])


def listen(alias: str) -> Iterator[str | None]:
    """Do what ``Rows.listen()`` says, on a connection of its own."""
    database: Any = connections[alias].copy()
    options = database.settings_dict["OPTIONS"]
    options.pop("pool", None)
    listen_at = get_conf().LISTEN_AT or {}
    database.settings_dict |= listen_at
    database.settings_dict["OPTIONS"] = OPTIONS | options | listen_at.get("OPTIONS", {})
    with closing(database), DefaultSelector() as selector:
        with database.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        server = database.connection.pgconn
        selector.register(server.socket, EVENT_READ)
        yield None
        while True:
            selector.select(TICK_SECONDS)
            server.consume_input()  # raises an error if the connection is gone
            while (notification := server.notifies()) is not None:
                yield notification.extra.decode()
            yield None
