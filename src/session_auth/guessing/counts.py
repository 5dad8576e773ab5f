"""The rows that count guesses, with each comparison in SQL, while the row is locked."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import Error, connections, router, transaction
from django.db.models import BigIntegerField, Case, F, Max, QuerySet, Value, When

from session_auth import events
from session_auth.events import Event
from session_auth.exceptions import StoreUnavailable, Throttled
from session_auth.models import GuessCount

FIRST_DELAY_SECONDS = 30
LAST_DELAY_SECONDS = 60 * 60
DOUBLINGS = 6
"""The delay doubles that often; the next one is ``LAST_DELAY_SECONDS``."""

PRUNE_ROWS = 10
"""Of the rows that expired, so many go with each wrong guess, which adds two at most."""

NEXT_AT = f"""CASE
        WHEN known.excess + 1 < 0 THEN 0
        WHEN known.excess + 1 > {DOUBLINGS} THEN {{now}} + {LAST_DELAY_SECONDS}
        ELSE {{now}} + ({FIRST_DELAY_SECONDS} << (known.excess + 1)) END"""
"""When the next guess is let in, after one more failure in the same window."""

# For SQLite and PostgreSQL. PostgreSQL locks the rows in the order of VALUES: no deadlock.
COUNT = """
INSERT INTO {table} AS known (id, failures, excess, next_at, window_ends_at, expires_at)
VALUES {rows}
ON CONFLICT (id) DO UPDATE SET
    failures = known.failures + 1,
    excess = CASE
        WHEN known.window_ends_at <= {now} THEN excluded.excess
        ELSE known.excess + 1 END,
    next_at = CASE
        WHEN known.window_ends_at <= {now} THEN excluded.next_at
        ELSE {next_at} END,
    window_ends_at = CASE
        WHEN known.window_ends_at <= {now} THEN excluded.window_ends_at
        ELSE known.window_ends_at END,
    expires_at = CASE
        WHEN known.expires_at < excluded.expires_at THEN excluded.expires_at
        ELSE known.expires_at END
WHERE known.next_at <= {now}
RETURNING id, failures
"""

# For MySQL and MariaDB, whose upsert has no WHERE. It makes the rows what they were just before
# this failure, and locks them in the order of VALUES until the transaction ends. (Not INSERT
# IGNORE: it shares the lock of a row that is there, and two who hold it wait for each other.)
LOCK = """
INSERT INTO {table} (id, failures, excess, next_at, window_ends_at, expires_at)
VALUES {rows}
ON DUPLICATE KEY UPDATE
    excess = IF(window_ends_at <= {now}, VALUES(excess), excess),
    window_ends_at = IF(window_ends_at <= {now}, VALUES(window_ends_at), window_ends_at),
    expires_at = GREATEST(expires_at, VALUES(expires_at))
"""
# Each assignment sees what those before it have assigned: ``next_at`` needs the old ``excess``.
COUNT_LOCKED = """
UPDATE {table} AS known SET
    next_at = {next_at},
    excess = known.excess + 1,
    failures = known.failures + 1
WHERE id IN ({ids}) AND next_at <= {now}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many failures a window are free; from then on each costs a delay, twice the last.

    ``kept_seconds`` is how long the failures in a row are remembered after the last.
    """

    id: str
    free: int
    window_seconds: int
    kept_seconds: int


class Count:
    """One failure that has been counted.

    ``failures`` has those in a row by the id of their limit, this one included.
    """

    _is_safe = False

    def __init__(self, limits: Collection[Limit], failures: Mapping[str, int]) -> None:
        self.failures = failures
        self._limits = limits

    def set_safe(self) -> None:
        """Note that no rollback can undo it any more."""
        self._is_safe = True

    def make_good(self) -> None:
        """Count it again, against each limit by itself, if it was rolled back."""
        alias = _alias()
        if self._is_safe or connections[alias].in_atomic_block:
            return
        with store_errors():
            for limit in self._limits:
                _count_all_or_none([limit], alias)
        self._is_safe = True


def count(limits: Collection[Limit]) -> Count:
    """Count one failure against all limits, or against none.

    However many call at once, no more get through than the limits allow.
    Raises ``Throttled`` if one of the limits is reached.
    """
    alias = _alias()
    with store_errors():
        if failures := _count_all_or_none(limits, alias):
            counted = Count(limits, failures)
            transaction.on_commit(counted.set_safe, using=alias)
            return counted
        next_at = _next_at(limits)
    raise Throttled(retry_after=max(1, next_at - _now()))


def take_back(*, reset: str, refund: str = "", pardon: str = "") -> None:
    """Undo what a guess has counted that turned out right, in the rows with these ids.

    ``reset`` starts anew; ``refund`` has one failure less; ``pardon`` has none in a row.
    """
    never = Value(0, output_field=BigIntegerField())
    with store_errors(), transaction.atomic(using=_alias()):
        rows = _rows([reset, refund, pardon]).order_by("id")  # MySQL locks in this order, as LOCK
        if connections[_alias()].features.supports_update_conflicts_with_target:
            in_order = rows.select_for_update().values("id")  # and so do the others, as COUNT
            rows = GuessCount.objects.using(_alias()).filter(id__in=in_order)
        rows.update(
            failures=0,
            excess=Case(When(id=refund, then=F("excess") - 1), default=F("excess")),
            next_at=Case(When(id=pardon, then=F("next_at")), default=never),
            window_ends_at=Case(When(id=reset, then=never), default=F("window_ends_at")),
        )


def forget(row_id: str) -> None:
    with store_errors():
        _rows([row_id]).delete()


def prune(*, at_most: int = PRUNE_ROWS) -> int:
    """Delete some rows that expired, but for those in use right now; return how many."""
    alias = _alias()
    expired = GuessCount.objects.using(alias).filter(expires_at__lte=_now())
    with store_errors(), transaction.atomic(using=alias):
        some = expired.order_by("expires_at").select_for_update(
            skip_locked=connections[alias].features.has_select_for_update_skip_locked
        )
        # Not as a subquery, which PostgreSQL may run again for each row: then more than some go.
        ids = list(some.values_list("id", flat=True)[:at_most])
        return expired.filter(id__in=ids).delete()[0] if ids else 0


def _count_all_or_none(limits: Collection[Limit], alias: str) -> dict[str, int] | None:
    with transaction.atomic(using=alias):
        counted = _count(limits, alias)
        if len(counted) == len(limits):
            return counted
        transaction.set_rollback(True, using=alias)
        return None


def _count(limits: Collection[Limit], alias: str) -> dict[str, int]:
    """Count against all limits, and return the failures; if one is missing, it has to be undone."""
    in_order = sorted(limits, key=lambda limit: limit.id)
    if connections[alias].features.supports_update_conflicts_with_target:
        return _count_at_once(in_order, alias)
    return _count_locked(in_order, alias)


def _count_at_once(limits: Sequence[Limit], alias: str) -> dict[str, int]:
    now = _now()
    rows = [
        (
            limit.id,
            1,
            1 - limit.free,
            now + FIRST_DELAY_SECONDS if limit.free == 1 else 0,
            now + limit.window_seconds,
            now + limit.kept_seconds,
        )
        for limit in limits
    ]
    with connections[alias].cursor() as cursor:
        cursor.execute(*_statement(COUNT, alias, rows=rows, now=now))
        return dict(cursor.fetchall())


def _count_locked(limits: Sequence[Limit], alias: str) -> dict[str, int]:
    now = _now()
    rows = [
        (limit.id, 0, -limit.free, 0, now + limit.window_seconds, now + limit.kept_seconds)
        for limit in limits
    ]
    ids = [limit.id for limit in limits]
    # Who takes back a row that was not there, while others wait to add it, lets them collide.
    if _next_at(limits) > now:
        return {}
    with connections[alias].cursor() as cursor:
        cursor.execute(*_statement(LOCK, alias, rows=rows, now=now))
        cursor.execute(*_statement(COUNT_LOCKED, alias, ids=ids, now=now))
        if cursor.rowcount < len(limits):
            return {}
    return dict(_rows(ids).values_list("id", "failures"))


def _statement(
    template: str,
    alias: str,
    *,
    now: int,
    rows: Sequence[Sequence[Any]] = (),
    ids: Sequence[str] = (),
) -> tuple[str, list[Any]]:
    sql = template.format(
        table=connections[alias].ops.quote_name(GuessCount._meta.db_table),
        rows=", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(rows)),
        ids=", ".join(["%s"] * len(ids)),
        now=now,
        next_at=NEXT_AT.format(now=now),
    )
    return sql, [value for row in rows for value in row] + list(ids)


def _next_at(limits: Collection[Limit]) -> int:
    """Return when none of the limits is reached any more, as far as one can know without a lock."""
    return _rows(limit.id for limit in limits).aggregate(at=Max("next_at"))["at"] or 0


def _rows(ids: Collection[str] | Iterator[str]) -> QuerySet[GuessCount]:
    return GuessCount.objects.using(_alias()).filter(id__in=list(ids))


def _alias() -> str:
    return router.db_for_write(GuessCount)


def _now() -> int:
    return int(time.time())


@contextmanager
def store_errors() -> Iterator[None]:
    """What cannot be counted is no free guess, whatever the database says of it."""
    try:
        yield
    except Error as exc:
        events.record(Event.STORE_UNAVAILABLE, store="guesses")
        raise StoreUnavailable from exc
