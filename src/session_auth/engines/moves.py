"""Moves of sessions between the database and Redis, while the site runs with ``engines.both``.

**To Redis**, in one transaction of SQL: delete the rows; copy each to Redis, with a note ``after``
that names a tombstone; write these tombstones, which name the copies. Such a copy counts if, and
only if, that tombstone is there (see ``engines.redis.rows``). So before the commit the row in the
database is the session, and after it the copy, wherever a process is killed.

**To the database**, in one transaction of SQL: write the tombstone of each session; park its row in
Redis, which can be read from then on, and not be written; add that to the table. So before the
commit the row in Redis is the session, and after it, that has a tombstone, and the one in the table
is. Whoever wants to write a parked row first waits for that transaction, and then writes where the
row is: nothing that was saved is lost. If the transaction has failed, they let it be written again.

An end deletes a row of the table, or writes a tombstone. Of a move and an end of the same session,
one has it, and the other finds it gone: then the end looks in the other store.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

from django.contrib.sessions.backends.base import CreateError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from session_auth.engines.database import BATCH_ROWS, delete
from session_auth.engines.lookup import SESSIONS
from session_auth.engines.redis import places, renewals
from session_auth.engines.redis.client import store
from session_auth.engines.redis.encoding import Row
from session_auth.exceptions import StoreUnavailable
from session_auth.keys import digest, new_session_key, tag_of
from session_auth.models import Session, Tombstone
from session_auth.sessions import stamps, tombstones
from session_auth.sessions.values import Record


class ToRedis:
    """Moves what is in the table."""

    source, target = "the database", "Redis"

    def count(self) -> int:
        return _living().count()

    def run(self, *, batch: int) -> Iterator[int]:
        size = min(batch, BATCH_ROWS)
        while ids := list(_living().order_by("expires_at").values_list("id", flat=True)[:size]):
            moved = _to_redis(ids)
            for row in moved:
                renewals.settle(row)
            yield len(moved)


class ToDatabase:
    """Moves what is in Redis."""

    source, target = "Redis", "the database"

    def count(self) -> int:
        return sum(len(_those_alive(rows)) for rows in places.everything())

    def run(self, *, batch: int) -> Iterator[int]:
        size = min(batch, BATCH_ROWS)
        has_moved = True
        while has_moved:  # a walk may miss what is renamed meanwhile
            has_moved = False
            for rows in places.everything():
                living = _those_alive(rows)
                for start in range(0, len(living), size):
                    moved = _to_database(living[start : start + size])
                    _forget(moved)
                    has_moved = has_moved or bool(moved)
                    yield len(moved)


def _living() -> QuerySet[Session]:
    rows = Session.objects.using(SESSIONS.alias()).filter(expires_at__gt=timezone.now())
    return rows.exclude(stamps.is_void())


@SESSIONS.changes
def _to_redis(session_ids: Collection[str]) -> list[Row]:
    alias = SESSIONS.alias()
    with transaction.atomic(using=alias):
        rows = Session.objects.using(alias).filter(id__in=session_ids)
        copies = [_copy(record) for record in delete(rows)]
        # One that has moved the other way before has a tombstone.
        ids = [copy.record.id for copy in copies]
        Tombstone.objects.using(alias).filter(pk__in=ids).delete()
        tombstones.claim({copy.after: copy.record.id for copy in copies}, alias=alias)
    return copies


def _copy(record: Record) -> Row:
    """Copy a row to Redis, where it does not count yet."""
    copy = Row(record, places.tag_in(record), digest(new_session_key()))
    try:
        places.add(record, at_most=None, after=copy.after)
    except CreateError:
        # What a move that failed has left there, or a deletion that was lost; it does not count.
        store().delete(_keys(copy))
        places.add(record, at_most=None, after=copy.after)
    places.secure(record, copy.tag, places.milliseconds(record))
    return copy


@SESSIONS.changes
def _to_database(rows: Sequence[Row]) -> list[Row]:
    alias, by = SESSIONS.alias(), new_session_key()
    with transaction.atomic(using=alias):
        claimed = tombstones.claim({row.record.id: "" for row in rows}, alias=alias)
        parked = [places.park(row, by) for row in rows if row.record.id in claimed]
        moved = [row for row in parked if row is not None]
        # Those that are not there now have not moved: one may be on its way to another place.
        gone = claimed - {row.record.id for row in moved}
        if gone:
            Tombstone.objects.using(alias).filter(pk__in=gone).delete()
        Session.objects.using(alias).bulk_create([Session(**row.record._asdict()) for row in moved])
    return moved


def _those_alive(rows: Sequence[Row]) -> list[Row]:
    now = timezone.now()
    return [row for row in renewals.living(rows) if row.record.expires_at > now]


def _forget(rows: Sequence[Row]) -> None:
    """Delete rows that have moved away; what is left of them opens nothing."""
    places.clear(rows)
    with suppress(StoreUnavailable):  # which is logged
        store().delete([key for row in rows for key in _keys(row)])


def _keys(row: Row) -> list[str]:
    """Return where the row is, and where the way to it may be."""
    session_id = row.record.id
    return sorted({places.key(tag, session_id) for tag in (row.tag, tag_of(session_id))})
