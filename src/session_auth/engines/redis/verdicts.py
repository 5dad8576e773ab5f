"""What SQL says of a session whose row is elsewhere: whether it has ended, and who its user is.

One statement, which the ORM makes once, as in ``lookup``. It steps aside where that does.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.signals import setting_changed
from django.db import Error, connections
from django.db.models import Exists, Model, OuterRef, Subquery
from django.dispatch import receiver

from session_auth.engines.lookup import (
    SESSIONS,
    SETTINGS,
    Columns,
    converters_of,
    plain_user_model,
    read_row,
    to_convert,
    user_is_there,
)
from session_auth.models import Tombstone, UserStamp
from session_auth.sessions import tombstones
from session_auth.sessions.values import Record

ID = "the id of the session"
"""Stands for it while the statement is made."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """The ``SELECT`` of a user, and of what is known of one of their sessions."""

    sql: str
    columns: Columns
    names: list[str]
    """Of the columns of the user, which come first."""

    user_model: type[Model]


STATEMENTS: dict[str, Statement | None] = {}
"""By the alias of their database."""


def find(record: Record) -> tuple[bool, Callable[[], Any] | None]:
    """Say whether a session has ended; return a function that makes its user, if they are known."""
    try:
        return _find(record)
    except Error as error:
        return SESSIONS.asks_again(error, _find, record)


@SESSIONS.asks
def ended_among(records: Collection[Record]) -> dict[str, str]:
    """Return the ids of those sessions that have ended, each with its successor, or ""."""
    alias = SESSIONS.alias()
    ended = tombstones.successors_of([record.id for record in records], alias=alias)
    user_ids = {record.user_id for record in records} - {None}
    stamps = dict(
        UserStamp.objects.using(alias)
        .filter(user_id__in=user_ids)
        .values_list("user_id", "ended_before")
    )
    void = [
        record.id
        for record in records
        if record.user_id in stamps and began(record) <= stamps[record.user_id]
    ]
    return dict.fromkeys(void, "") | ended


def _find(record: Record) -> tuple[bool, Callable[[], Any] | None]:
    alias = SESSIONS.alias()
    statement = None if record.user_id is None else _statement(alias, record.user_id)
    if statement is None:
        return record.id in ended_among([record]), None
    connection: Any = connections[alias]
    key = statement.user_model._meta.pk.get_db_prep_value(record.user_id, connection)
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, {"id": record.id, "user": key})
        row = cursor.fetchone()
    if row is None:
        return record.id in ended_among([record]), None
    *columns, ended_before, is_ended = read_row(
        row, converters_of(statement.columns, connection), connection
    )
    if is_ended or (ended_before is not None and began(record) <= ended_before):
        return True, None
    return False, partial(statement.user_model.from_db, alias, statement.names, columns)


def began(record: Record) -> Any:
    return record.authenticated_at or record.created_at


def _statement(alias: str, user_id: Any) -> Statement | None:
    """Return the statement; ``None`` if users are not where the tombstones are, or not plain."""
    if alias not in STATEMENTS:
        STATEMENTS[alias] = _make_statement(alias, user_id)
    return STATEMENTS[alias]


def _make_statement(alias: str, user_id: Any) -> Statement | None:
    """Make the statement, by one of the primary keys for which it is."""
    users = plain_user_model()
    if users is None or not user_is_there(alias):
        return None
    stamp = UserStamp.objects.filter(user_id=OuterRef("pk")).values("ended_before")
    rows = users._base_manager.using(alias).annotate(
        _session_auth_ended_before=Subquery(stamp),
        _session_auth_is_ended=Exists(Tombstone.objects.filter(pk=ID)),
    )
    compiler = rows.filter(pk=user_id).order_by().query.get_compiler(alias)
    sql, parameters = compiler.as_sql()
    *others, _ = parameters  # the last is the user's
    if not all(each == ID or isinstance(each, int) for each in others):
        return None  # the database computes a column, such as an encrypted one
    columns = [column for column, _, _ in compiler.select]
    return Statement(
        sql=sql % (*("%(id)s" if each == ID else each for each in others), "%(user)s"),
        columns=to_convert(columns, connections[alias]),
        names=[column.target.attname for column in columns[:-2]],
        user_model=users,
    )


@receiver(setting_changed, dispatch_uid="session_auth.engines.redis.verdicts")
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in SETTINGS:
        STATEMENTS.clear()
