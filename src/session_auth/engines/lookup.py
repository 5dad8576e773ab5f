"""Session and user in one statement, which is made once.

To find the caller of a request, Django makes two statements anew each time, which is nearly all of
its cost. Here the ORM makes one statement, a join, and each request runs it through Django's
cursor: so transactions, routers, instrumentation and counted queries see it like any other.
Django's own converters read its columns, and ``Model.from_db`` makes the user.

Rows that are deleted are fetched in a similar way, by ``DELETE ... RETURNING``, which the ORM does
not have.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from inspect import getattr_static
from types import FunctionType
from typing import Any

from django.contrib.auth import get_user_model
from django.core.signals import setting_changed
from django.db import Error, connections, router
from django.db.models import Manager, Model, QuerySet
from django.db.models.sql import DeleteQuery
from django.dispatch import receiver

from session_auth.engines import notices
from session_auth.models import Session
from session_auth.sessions import stamps
from session_auth.sessions.rows import Rows
from session_auth.sessions.values import Record
from session_auth.signals import EndReason
from session_auth.stores import Boundary

SESSIONS = Boundary("sessions", alias=lambda: router.db_for_write(Session))

SETTINGS = frozenset({"AUTH_USER_MODEL", "DATABASES", "INSTALLED_APPS", "USE_TZ"})
BOUND = "_session_auth_lookups"
"""The attribute of a connection that holds its lookups: they must not outlive it."""

Columns = list[tuple[int, Any]]
"""Columns with their positions in their row."""

Converters = list[tuple[int, Callable[..., Any], Any]]
"""For each step from a row to values: the position of the column, the step, and the column."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """The ``SELECT`` of one session, and of its user if they are joined."""

    sql: str
    session_columns: Columns
    """The columns of the session that have to be converted."""

    user_columns: Columns
    width: int
    """How many columns are the session's: the first ones."""

    user_names: Sequence[str]
    user_model: type[Model]
    user_key: int | None
    """The position of the user's primary key; ``None`` without a join."""


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """A statement with the converters of one connection."""

    statement: Statement
    session_converters: Converters
    user_converters: Converters


class JoinedLookup(Rows):
    """Rows that are looked up together with their users."""

    def read_with_user(
        self, session_id: str, fetched: Sequence[Any] | None = None
    ) -> tuple[Record | None, Callable[[], Any] | None]:
        try:
            return _find(session_id)
        except Error as error:
            return SESSIONS.asks_again(error, _find, session_id)


def _find(session_id: str) -> tuple[Record | None, Callable[[], Any] | None]:
    alias = router.db_for_write(Session)
    connection = connections[alias]
    lookup = _lookup(connection, _statement(alias, user_is_there(alias)))
    statement = lookup.statement
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, {"id": session_id})
        row = cursor.fetchone()
    if row is None:
        return None, None
    values = read_row(row[: statement.width], lookup.session_converters, connection)
    record = Record._make(values)
    if statement.user_key is None or row[statement.user_key] is None:
        return record, None
    return record, partial(_make_user, lookup, row[statement.width :], connection)


def take(
    rows: QuerySet[Session], *, reason: EndReason | None, successor: Record | None
) -> list[Record]:
    """Delete the rows and return them, in one statement.

    PostgreSQL locks them first, in the order of their ids: so no two deletes wait for each other.
    A row that has got another id while this waited for it is deleted as it is by then. And it tells
    other processes, unless the sessions have timed out.
    """
    connection = connections[rows.db]
    lookup = _lookup(connection, _statement(rows.db, False))
    quote = connection.ops.quote_name
    sql, parameters = rows.query.chain(DeleteQuery).get_compiler(rows.db).as_sql()
    if connection.vendor == "postgresql":
        ids, more = rows.order_by("id").values("id").query.get_compiler(rows.db).as_sql()
        # Not "id IN", which would look for the id that a row had before.
        sql = f"{sql} AND (SELECT COUNT(*) FROM ({ids} FOR UPDATE) locked) > 0"  # noqa: S608 # made here
        parameters = (*parameters, *more)
    columns = [quote(str(field.column)) for field in Session._meta.concrete_fields]
    told: list[Any] = []
    if reason is not None and notices.can_notify(rows.db):
        column, told = notices.ended_column(reason, successor)
        columns.append(column)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} RETURNING {', '.join(columns)}", (*parameters, *told))
        taken = cursor.fetchall()
    width = lookup.statement.width
    return [
        Record._make(read_row(row[:width], lookup.session_converters, connection)) for row in taken
    ]


def _make_user(lookup: Lookup, row: Sequence[Any], connection: Any) -> Any:
    statement = lookup.statement
    values = read_row(row, lookup.user_converters, connection)
    return statement.user_model.from_db(connection.alias, statement.user_names, values)


def read_row(row: Sequence[Any], converters: Converters, connection: Any) -> list[Any]:
    values = list(row)
    for position, convert, column in converters:
        values[position] = convert(values[position], column, connection)
    return values


def user_is_there(alias: str) -> bool:
    """Say whether a plain query for a user, sent to ``alias``, is what Django would do."""
    user_model = plain_user_model()
    return user_model is not None and router.db_for_read(user_model) == alias


@lru_cache(maxsize=1)
def plain_user_model() -> type[Model] | None:
    """Return the user model if ``ModelBackend.get_user()`` finds each of its rows, or ``None``.

    It may not if the default manager filters or overrides anything, or if the columns are in two
    tables (multi-table inheritance).
    """
    user_model = get_user_model()
    manager: Any = user_model._default_manager
    is_plain = (
        _overrides_nothing(type(manager), Manager)
        and _overrides_nothing(manager._queryset_class, QuerySet)
        and not user_model._meta.get_parent_list()
    )
    return user_model if is_plain else None


def _overrides_nothing(child: type, parent: type) -> bool:
    return all(
        getattr_static(child, name) is getattr_static(parent, name)
        for name in dir(parent)
        if isinstance(getattr_static(parent, name), FunctionType | classmethod | property)
    )


@lru_cache(maxsize=8)
def _statement(alias: str, join: bool) -> Statement:
    rows = Session._base_manager.using(alias).filter(pk="id").exclude(stamps.is_void())
    joined = rows.select_related("user") if join else rows
    compiler = joined.query.get_compiler(alias)
    sql, parameters = compiler.as_sql()
    key, *others = parameters  # of EXISTS, which selects 1
    if join and (key != "id" or not all(isinstance(each, int) for each in others)):
        return _statement(alias, False)  # the database computes a column, such as an encrypted one
    columns = [column for column, _, _ in compiler.select]
    names = [column.target.attname for column in columns]
    width = len(Session._meta.concrete_fields)
    user_model = get_user_model()
    connection = connections[alias]
    return Statement(
        sql=sql % ("%(id)s", *map(int, others)),
        session_columns=to_convert(columns[:width], connection),
        user_columns=to_convert(columns[width:], connection),
        width=width,
        user_names=names[width:],
        user_model=user_model,
        user_key=names.index(user_model._meta.pk.attname, width) if join else None,
    )


def _lookup(connection: Any, statement: Statement) -> Lookup:
    lookups: dict[Statement, Lookup] = vars(connection).setdefault(BOUND, {})
    lookup = lookups.get(statement)
    if lookup is None:
        lookup = lookups[statement] = Lookup(
            statement=statement,
            session_converters=converters_of(statement.session_columns, connection),
            user_converters=converters_of(statement.user_columns, connection),
        )
    return lookup


def to_convert(columns: Sequence[Any], connection: Any) -> Columns:
    """Return the columns that have converters: only these need a look for each new connection."""
    return [each for each in enumerate(columns) if converters_of([each], connection)]


def converters_of(columns: Columns, connection: Any) -> Converters:
    return [
        (position, convert, column)
        for position, column in columns
        for convert in (
            *connection.ops.get_db_converters(column),
            *column.get_db_converters(connection),
        )
    ]


@receiver(setting_changed, dispatch_uid="session_auth.lookup")
def forget(*, setting: str, **kwargs: Any) -> None:
    """Make the statement anew when it is next needed."""
    if setting in SETTINGS:
        plain_user_model.cache_clear()
        _statement.cache_clear()
