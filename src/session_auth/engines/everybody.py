"""End everybody's sessions: in an emergency, a million rows must not take minutes."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, router, transaction
from django.db.models import Case, CharField, F, Model, Value, When
from django.db.models.functions import Cast
from django.utils import timezone

from session_auth.conf import get_conf
from session_auth.engines import notices
from session_auth.models import EndedSession, Session, UserStamp
from session_auth.sessions import stamps
from session_auth.sessions.bus import Notice, text_of
from session_auth.sessions.ending import keep
from session_auth.sessions.values import Record
from session_auth.signals import EndReason

BATCH_ROWS = 1000

UPDATE = {
    True: " ON CONFLICT ({key}) DO UPDATE SET {column} = excluded.{column}",
    False: " ON DUPLICATE KEY UPDATE {column} = VALUES({column})",
}
"""What to do with a row that exists: in databases with a conflict target, and in MySQL."""


def end_everybody(reason: EndReason, *, alias: str) -> int:
    """Delete all sessions, void all logins until now, and return how many sessions there were."""
    with transaction.atomic(using=alias):
        stamp_everybody(alias)
        if get_conf().KEEP_ENDED is not None:
            _keep_all(reason, alias)
        deleted: int = Session.objects.using(alias)._raw_delete(alias)
        if notices.can_notify(alias):
            notices.notify(text_of(Notice(None, None, reason)), alias=alias)
        return deleted


def stamp_everybody(alias: str) -> None:
    users = get_user_model()
    rows = users._base_manager.using(router.db_for_write(users)).order_by()
    if rows.db != alias:
        for batch in _batches(rows.values_list("pk", flat=True)):
            stamps.stamp(batch, alias=alias)
        return
    connection = connections[alias]
    key, column = (connection.ops.quote_name(name) for name in ("user_id", "ended_before"))
    update = UPDATE[connection.features.supports_update_conflicts_with_target]
    _insert(
        UserStamp,
        rows.values_list("pk", Value(timezone.now())),
        columns=("user_id", "ended_before"),
        alias=alias,
        suffix=update.format(key=key, column=column),
    )


def _keep_all(reason: EndReason, alias: str) -> None:
    rows = Session.objects.using(alias).filter(user__isnull=False).order_by()
    is_number = get_user_model()._meta.pk.get_internal_type() in ("AutoField", "BigAutoField")
    if router.db_for_write(EndedSession) != alias or not is_number:
        for batch in _batches(rows.values_list(*Record._fields)):
            keep([Record._make(row) for row in batch], reason)
        return
    copied = ("methods", "created_at", "ip", "user_agent")
    was_passive = When(passive_seen_at__gt=F("last_seen_at"), then="passive_seen_at")
    _insert(
        EndedSession,
        rows.values_list(
            "id",
            Cast("user_id", CharField(max_length=255)),
            Value(str(reason)),
            Value(timezone.now()),
            Case(was_passive, default="last_seen_at"),
            *copied,
        ),
        columns=("session_id", "user_id", "reason", "ended_at", "last_seen_at", *copied),
        alias=alias,
    )


def _insert(
    model: type[Model], rows: Any, *, columns: tuple[str, ...], alias: str, suffix: str = ""
) -> None:
    """Insert what a query returns, in the database alone: no row comes here."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    sql, parameters = rows.query.get_compiler(alias).as_sql()
    where = " WHERE 1 = 1" if " WHERE " not in sql else ""  # or SQLite reads ON as that of a join
    into = f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(map(quote, columns))}) "
    with connection.cursor() as cursor:
        cursor.execute(into + sql + where + suffix, parameters)


def _batches(rows: Any) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for row in rows.iterator(chunk_size=BATCH_ROWS):
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch
