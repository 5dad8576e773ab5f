"""Sessions in a table of the project's database: the default engine."""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.contrib.sessions.backends.base import CreateError
from django.db import IntegrityError, InterfaceError, OperationalError, router, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from session_auth.engines.base import BaseSessionStore, Record
from session_auth.exceptions import StoreUnavailable
from session_auth.models import Session

logger = logging.getLogger("session_auth")

COLUMNS = tuple(Record.__dataclass_fields__)


class SessionStore(BaseSessionStore):
    """The engine for ``SESSION_ENGINE = "session_auth.engines.database"``.

    Each method raises ``StoreUnavailable`` when the database cannot be asked.
    """

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def read(self, session_id: str) -> Record | None:
        with _store_errors():
            return _first(_rows().filter(id=session_id))

    def insert(self, record: Record, *, ending: Collection[str]) -> None:
        with _store_errors(), transaction.atomic(using=_alias()):
            try:
                _rows().create(**_values(record))
            except IntegrityError as exc:
                raise CreateError from exc
            self.remove(ending)

    def compare_and_set(self, record: Record, *, version: int) -> bool:
        with _store_errors():
            return bool(_live(record.id).filter(version=version).update(**_values(record)))

    def revise(self, session_id: str, change: Callable[[Record], Record]) -> Record | None:
        with _store_errors(), transaction.atomic(using=_alias()):
            # An UPDATE locks the row on every database; SQLite has no SELECT FOR UPDATE.
            _live(session_id).update(version=F("version"))
            record = _first(_live(session_id))
            if record is None:
                return None
            record = change(record)
            _live(session_id).update(**_values(record))
            return record

    def mark_seen(self, record: Record, *, since: datetime) -> bool:
        due = Q(last_seen_at__lte=since) | Q(last_seen_at__gt=record.last_seen_at)
        columns = ("last_seen_at", "expires_at", "ip", "user_agent")
        with _store_errors():
            seen = {column: getattr(record, column) for column in columns}
            return bool(_live(record.id).filter(due).update(**seen))

    def rename(self, session_id: str, new_id: str) -> bool:
        with _store_errors():
            return bool(_live(session_id).update(id=new_id))

    def remove(self, session_ids: Collection[str]) -> None:
        if session_ids:
            with _store_errors():
                _rows().filter(id__in=session_ids).delete()

    @classmethod
    def clear_expired(cls) -> None:
        with _store_errors():
            _rows().filter(expires_at__lte=timezone.now()).delete()


def _alias() -> str:
    """Return the database that is written to: a replica may not know yet that a session ended."""
    return router.db_for_write(Session)


def _rows() -> QuerySet[Session]:
    return Session.objects.using(_alias())


def _live(session_id: str) -> QuerySet[Session]:
    return _rows().filter(id=session_id, expires_at__gt=timezone.now())


def _first(rows: QuerySet[Session]) -> Record | None:
    return next((Record(**values) for values in rows.values(*COLUMNS)), None)


def _values(record: Record) -> dict[str, Any]:
    return {column: getattr(record, column) for column in COLUMNS}


@contextmanager
def _store_errors() -> Iterator[None]:
    try:
        yield
    except (InterfaceError, OperationalError) as exc:
        logger.exception("The session store cannot be asked.")
        raise StoreUnavailable from exc
