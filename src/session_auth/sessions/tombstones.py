"""Tombstones: ends of sessions that SQL remembers, for an engine whose store may forget them.

A Redis that fails over may lose what it has acknowledged, and one that is restored from a backup
has the sessions of yesterday. What a tombstone says of a session counts, not what such a store has.

A tombstone is written once, in the transaction that ends the session, and never again: so of two
requests that end or renew a session at the same time, one gets it.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import connections
from django.db.models import Model
from django.db.models.constants import OnConflict
from django.db.models.sql import InsertQuery
from django.utils import timezone

from session_auth.conf import cached_settings, get_conf
from session_auth.models import Tombstone

BATCH_ROWS = 300
"""How many rows one statement adds: SQLite took 999 parameters at most."""


def claim(successors: Mapping[str, str], *, alias: str) -> set[str]:
    """Write a tombstone for each session; return the ids of those that had none.

    ``successors`` has the ids, each with the id under which the session goes on, or "".
    """
    until, ids = forgotten_at(), sorted(successors)  # sorted, so that no two wait for each other
    claimed: set[str] = set()
    can_return = connections[alias].features.can_return_columns_from_insert
    size = BATCH_ROWS if can_return else 1
    for start in range(0, len(ids), size):
        batch = ids[start : start + size]
        rows: list[Model] = [
            Tombstone(session_id=i, successor=successors[i], until=until) for i in batch
        ]
        query = InsertQuery(Tombstone, on_conflict=OnConflict.IGNORE)
        query.insert_values(Tombstone._meta.concrete_fields, rows)
        [(sql, parameters)] = query.get_compiler(alias).as_sql()
        with connections[alias].cursor() as cursor:
            if can_return:
                column = connections[alias].ops.quote_name("session_id")
                cursor.execute(f"{sql} RETURNING {column}", parameters)
                claimed.update(row[0] for row in cursor.fetchall())
            else:
                cursor.execute(sql, parameters)
                claimed.update(batch[: cursor.rowcount])
    return claimed


def successors_of(
    session_ids: Collection[str], *, alias: str, by_now: bool = False
) -> dict[str, str]:
    """Return those of the sessions that have ended, each with its successor, or "".

    In a transaction, it may be as the transaction has found it, unless ``by_now`` is set.
    """
    found: dict[str, str] = {}
    ids = list(session_ids)
    for start in range(0, len(ids), BATCH_ROWS):
        rows = Tombstone.objects.using(alias).filter(pk__in=ids[start : start + BATCH_ROWS])
        if by_now:
            rows = rows.select_for_update()  # on MySQL, a SELECT without a lock shows what was
        found.update(rows.values_list("session_id", "successor"))
    return found


def heirs_of(session_ids: Collection[str], *, alias: str, by_now: bool = False) -> set[str]:
    """Return these ids, and all under which the sessions have gone on since."""
    found = asked = set(session_ids)
    while asked:
        renewed = successors_of(asked, alias=alias, by_now=by_now)
        asked = set(renewed.values()) - found - {""}
        found = found | asked
    return found


def forgotten_at() -> datetime:
    """Return when no session that is there now can be there any more, in any engine."""
    age = timedelta(seconds=cached_settings.SESSION_COOKIE_AGE)
    return timezone.now() + max(get_conf().ABSOLUTE_TIMEOUT, age)


def prune(*, at_most: int, alias: str) -> int:
    """Delete some tombstones of sessions that would have ended by themselves; return how many."""
    rows = Tombstone.objects.using(alias)
    old = rows.filter(until__lte=timezone.now())
    ids = list(old.values_list("session_id", flat=True)[:at_most])
    return rows.filter(pk__in=ids).delete()[0] if ids else 0
