"""Sessions in a table of the project's database: the default engine."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.base import CreateError
from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    router,
    transaction,
)
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from session_auth.engines.lookup import JoinedLookup, can_take, take, unavailable
from session_auth.models import Session
from session_auth.sessions.base import BaseSessionStore
from session_auth.sessions.values import Record
from session_auth.signals import EndReason


class DatabaseRows(JoinedLookup):
    """The rows of the session table."""

    def insert(
        self, record: Record, *, ending: Collection[str], at_most: int | None
    ) -> dict[EndReason, list[Record]]:
        with _store_errors(), transaction.atomic(using=_alias()):
            try:
                _rows().create(**record._asdict())
            except IntegrityError as exc:
                raise CreateError from exc
            ended = {EndReason.REPLACED: self.remove_ids(ending)}
            if at_most is not None and record.user_id is not None:
                _lock_user(record.user_id)
                oldest_last = _rows().filter(user=record.user_id).order_by("-created_at", "-id")
                surplus = list(oldest_last.values_list("id", flat=True)[at_most:])
                ended[EndReason.EVICTED] = self.remove_ids(surplus)
            return ended

    def compare_and_set(self, record: Record, *, version: int) -> bool:
        with _store_errors():
            return bool(_live(record.id).filter(version=version).update(**record._asdict()))

    def revise(self, session_id: str, change: Callable[[Record], Record]) -> Record | None:
        with _store_errors(), transaction.atomic(using=_alias()):
            # An UPDATE locks the row on every database; SQLite has no SELECT FOR UPDATE.
            _live(session_id).update(version=F("version"))
            # And MySQL may show a row as it was when the transaction began to whoever locks none.
            record = _first(_live(session_id).select_for_update())
            if record is None:
                return None
            record = change(record)
            _live(session_id).update(**record._asdict())
            return record

    def mark_seen(self, record: Record, *, since: datetime) -> bool:
        due = Q(last_seen_at__lte=since) | Q(last_seen_at__gt=record.last_seen_at)
        return self._mark(record, due, "last_seen_at", "expires_at", "ip", "user_agent")

    def mark_passive(self, record: Record, *, since: datetime) -> bool:
        due = (
            Q(passive_seen_at=None)
            | Q(passive_seen_at__lte=since)
            | Q(passive_seen_at__gt=record.passive_seen_at)
        )
        return self._mark(record, due, "passive_seen_at", "ip", "user_agent")

    def rename(self, session_id: str, new_id: str, *, proven: Record | None = None) -> bool:
        columns = ("authenticated_at", "methods", "expires_at") if proven else ()
        with _store_errors():
            proof = {column: getattr(proven, column) for column in columns}
            return bool(_live(session_id).update(id=new_id, **proof))

    def remove_unseen(self, record: Record) -> bool:
        unseen = _rows().filter(
            id=record.id, version=record.version, last_seen_at=record.last_seen_at
        )
        with _store_errors():
            return bool(unseen.delete()[0])

    def remove_ids(self, session_ids: Collection[str]) -> list[Record]:
        return _take(_rows().filter(id__in=session_ids)) if session_ids else []

    def remove_of_user(
        self, user_id: Any, *, only: str | None = None, but: str | None = None
    ) -> list[Record]:
        rows = _rows().filter(user=user_id)
        if only is not None:
            rows = rows.filter(id=only)
        return _take(rows if but is None else rows.exclude(id=but))

    def remove_some(self, *, at_most: int, expired_only: bool = False) -> list[Record]:
        rows = _rows().order_by("expires_at")
        if expired_only:
            rows = rows.filter(expires_at__lte=timezone.now())
        with _store_errors():
            ids = list(rows.values_list("id", flat=True)[:at_most])
        return self.remove_ids(ids)

    def _mark(self, record: Record, due: Q, *columns: str) -> bool:
        with _store_errors():
            seen = {column: getattr(record, column) for column in columns}
            return bool(_live(record.id).filter(due).update(**seen))

    def in_transaction(self) -> bool:
        return connections[_alias()].in_atomic_block

    def of_user(self, user_id: Any) -> list[Record]:
        rows = _rows().filter(user=user_id, expires_at__gt=timezone.now())
        with _store_errors():
            return _records(rows.order_by("-last_seen_at", "id"))


class SessionStore(BaseSessionStore):
    """The engine for ``SESSION_ENGINE = "session_auth.engines.database"``.

    What needs the database raises ``StoreUnavailable`` when it cannot be asked.
    """

    rows = DatabaseRows()

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session


def _alias() -> str:
    """Return the database that is written to: a replica may not know yet that a session ended."""
    return router.db_for_write(Session)


def _rows() -> QuerySet[Session]:
    return Session.objects.using(_alias())


def _live(session_id: str) -> QuerySet[Session]:
    return _rows().filter(id=session_id, expires_at__gt=timezone.now())


def _records(rows: QuerySet[Session]) -> list[Record]:
    return [Record._make(row) for row in rows.values_list(*Record._fields)]


def _first(rows: QuerySet[Session]) -> Record | None:
    return next(iter(_records(rows)), None)


def _take(rows: QuerySet[Session]) -> list[Record]:
    """Delete the rows and return them: of two who take a row at once, one gets it."""
    if can_take(_alias()):
        with _store_errors():
            return take(rows)
    with _store_errors(), transaction.atomic(using=_alias(), savepoint=False):
        taken = _records(rows.select_for_update())
        _rows().filter(id__in=[record.id for record in taken]).delete()
    return taken


def _lock_user(user_id: Any) -> None:
    """Let logins of one user wait for each other, if users are in the database of the sessions."""
    users = get_user_model()._base_manager
    if router.db_for_write(users.model) == _alias():
        list(users.using(_alias()).select_for_update().filter(pk=user_id).values_list("pk"))


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except (InterfaceError, OperationalError) as exc:
        raise unavailable() from exc
