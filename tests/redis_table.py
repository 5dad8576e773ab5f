"""The rows in Redis, as a table: so that one test looks at the rows of any engine.

Where the suite runs with the engine for Redis, ``conftest`` gives this to each test module instead
of the model ``Session``. A query first copies what is in Redis into the table, which nothing else
uses then; what the query changes is written back.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet

from session_auth.engines.lookup import SESSIONS
from session_auth.engines.redis import places, renewals
from session_auth.engines.redis.client import store
from session_auth.engines.redis.encoding import Row, row_of
from session_auth.models import Session
from session_auth.sessions import tombstones
from session_auth.sessions.values import Record


class SessionsInRedis(QuerySet[Session]):
    def _fetch_all(self) -> None:
        if self._result_cache is None:
            pull()
        super()._fetch_all()

    def count(self) -> int:
        pull()
        return super().count()

    def exists(self) -> bool:
        pull()
        return super().exists()

    def update(self, **columns: Any) -> int:
        pull()
        ids = list(self.values_list("pk", flat=True))
        updated = super().update(**columns)
        push(ids)
        return updated

    def delete(self) -> tuple[int, dict[str, int]]:
        pull()
        ids = set(self.values_list("pk", flat=True))
        gone = [row for row in everything() if row.record.id in ids]
        places.clear(gone)
        return super().delete()

    def bulk_create(self, objs: Iterable[Session], *args: Any, **kwargs: Any) -> list[Session]:
        created = super().bulk_create(objs, *args, **kwargs)
        push([row.pk for row in created])
        return created


class SessionTable:
    """Stands for the model in the modules of tests."""

    @property
    def objects(self) -> SessionsInRedis:
        return SessionsInRedis(Session)

    def __call__(self, **columns: Any) -> Session:
        return Session(**columns)


def everything() -> list[Row]:
    """Return the rows that count, whoever's they are."""
    keys = list(store().scan(f"{store().prefix}:{{*}}:s:*"))
    found = [
        row_of(key.rpartition(":")[2], key.partition("{")[2].partition("}")[0], fields)
        for key, fields in zip(keys, store().hashes(keys) if keys else [], strict=True)
        if "user_id" in fields
    ]
    alias = SESSIONS.alias()
    ended = tombstones.successors_of([row.record.id for row in found], alias=alias)
    return [row for row in renewals.counting(found) if row.record.id not in ended]


def pull() -> None:
    QuerySet(Session).delete()
    rows: Any = QuerySet(Session)
    rows.bulk_create([Session(**row.record._asdict()) for row in everything()])


def push(ids: Sequence[str]) -> None:
    """Write these rows of the table to Redis, as they are."""
    there = {row.record.id: row for row in everything()}
    for values in QuerySet(Session).filter(pk__in=ids).values_list(*Record._fields):
        record = Record._make(values)
        if row := there.get(record.id):
            places.clear([row])
        places.add(record, at_most=None)
