"""The rows that count guesses, with each comparison in SQL, while the row is locked."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connections, router, transaction
from django.db.models import BigIntegerField, Case, F, Max, QuerySet, Subquery, Value, When

from session_auth.exceptions import Throttled
from session_auth.models import DeviceGeneration, GuessCount
from session_auth.stores import Boundary

GUESSES = Boundary("guesses", alias=lambda: router.db_for_write(GuessCount))
"""What cannot be counted is no free guess, whatever the database says of it."""

FIRST_DELAY_SECONDS = 30
LAST_DELAY_SECONDS = 60 * 60
DOUBLINGS = 6
"""The delay doubles that often; the next one is ``LAST_DELAY_SECONDS``."""

PROVEN_SINCE = "_session_auth_proven_since"
"""The attribute of a user whose password was right: when the guess was counted.

What ends all their sessions after that voids the login that follows from it.
"""

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
RETURNING id, failures, next_at, (SELECT generation FROM {generations} WHERE user_id = %s)
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


class Counted(NamedTuple):
    """A row once a failure has been counted in it."""

    failures: int
    """In a row, this one included."""

    next_at: int
    generation: str
    """That of the known devices of the account that was asked for."""


class Count:
    """One failure that has been counted, in the rows with these ids."""

    _is_safe = False

    def __init__(self, limits: Collection[Limit], rows: Mapping[str, Counted]) -> None:
        self.rows = rows
        self._limits = limits

    def set_safe(self) -> None:
        """Note that no rollback can undo it any more."""
        self._is_safe = True

    def make_good(self) -> None:
        """Count it again, against each limit by itself, if it was rolled back."""
        alias = _alias()
        if self._is_safe or connections[alias].in_atomic_block:
            return
        for limit in self._limits:
            _count_all_or_none([limit], "", alias)
        self._is_safe = True

    @GUESSES.changes
    def take_back(self, *, reset: str = "", pardon: str = "") -> None:
        """Make the rows what they were without this failure, which nobody can see then.

        But the row ``reset`` starts anew. No failures in a row remain: there, and in ``pardon``.
        """
        never = Value(0, output_field=BigIntegerField())
        mine = [
            When(id=row_id, next_at=row.next_at, then=never) for row_id, row in self.rows.items()
        ]
        with transaction.atomic(using=_alias()):
            rows = _rows([*self.rows, pardon]).order_by("id")  # MySQL locks in this order, as LOCK
            if connections[_alias()].features.supports_update_conflicts_with_target:
                in_order = rows.select_for_update().values("id")  # and so do the others, as COUNT
                rows = GuessCount.objects.using(_alias()).filter(id__in=in_order)
            rows.update(
                failures=0,
                next_at=Case(When(id=reset, then=never), *mine, default=F("next_at")),
                excess=Case(When(id=pardon, then=F("excess")), default=F("excess") - 1),
                window_ends_at=Case(When(id=reset, then=never), default=F("window_ends_at")),
            )


def count(limits: Collection[Limit], *, account: str = "") -> Count:
    """Count one failure against all limits, or against none.

    However many call at once, no more get through than the limits allow.
    What is returned tells the generation of the devices of ``account``, too.
    Raises ``Throttled`` if one of the limits is reached.
    """
    alias = _alias()
    if rows := _count_all_or_none(limits, account, alias):
        counted = Count(limits, rows)
        transaction.on_commit(counted.set_safe, using=alias)
        return counted
    next_at = GUESSES.asks(_next_at)(limits)
    raise Throttled(retry_after=max(1, next_at - _now()))


@GUESSES.asks
def pardon(row_id: str) -> None:
    """Let no failures in a row remain; when the next guess is let in stays as it is."""
    _rows([row_id]).update(failures=0)


@GUESSES.asks
def generation_of(user_id: str) -> str:
    """Return the generation of the devices that are known as the user's."""
    rows = DeviceGeneration.objects.using(_alias()).filter(user_id=user_id)
    return rows.values_list("generation", flat=True).first() or ""


@GUESSES.asks
def set_generation(row: DeviceGeneration) -> None:
    rows = DeviceGeneration.objects.using(_alias())
    has_target = connections[_alias()].features.supports_update_conflicts_with_target
    rows.bulk_create(
        [row],
        update_conflicts=True,
        update_fields=["generation"],
        unique_fields=["user_id"] if has_target else None,
    )


@GUESSES.asks
def forget(row_ids: Collection[str]) -> int:
    """Delete the rows with these ids, and return how many there were."""
    return _rows(row_ids).delete()[0]


@GUESSES.asks
def prune(*, at_most: int = PRUNE_ROWS) -> int:
    """Delete some rows that expired, but for those in use right now; return how many."""
    alias = _alias()
    expired = GuessCount.objects.using(alias).filter(expires_at__lte=_now())
    with transaction.atomic(using=alias):
        some = expired.order_by("expires_at").select_for_update(
            skip_locked=connections[alias].features.has_select_for_update_skip_locked
        )
        # Not as a subquery, which PostgreSQL may run again for each row: then more than some go.
        ids = list(some.values_list("id", flat=True)[:at_most])
        return expired.filter(id__in=ids).delete()[0] if ids else 0


@GUESSES.changes
def _count_all_or_none(
    limits: Collection[Limit], account: str, alias: str
) -> dict[str, Counted] | None:
    with transaction.atomic(using=alias):
        counted = _count(limits, account, alias)
        if len(counted) == len(limits):
            return {
                row_id: Counted(failures, next_at, generation or "")
                for row_id, failures, next_at, generation in counted
            }
        transaction.set_rollback(True, using=alias)
        return None


def _count(limits: Collection[Limit], account: str, alias: str) -> list[tuple[Any, ...]]:
    """Count against all limits, and return the rows; if one is missing, it has to be undone."""
    in_order = sorted(limits, key=lambda limit: limit.id)
    if connections[alias].features.supports_update_conflicts_with_target:
        return _count_at_once(in_order, account, alias)
    return _count_locked(in_order, account, alias)


def _count_at_once(limits: Sequence[Limit], account: str, alias: str) -> list[tuple[Any, ...]]:
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
        sql, values = _statement(COUNT, alias, rows=rows, now=now)
        cursor.execute(sql, [*values, account])
        return list(cursor.fetchall())


def _count_locked(limits: Sequence[Limit], account: str, alias: str) -> list[tuple[Any, ...]]:
    now = _now()
    rows = [
        (limit.id, 0, -limit.free, 0, now + limit.window_seconds, now + limit.kept_seconds)
        for limit in limits
    ]
    ids = [limit.id for limit in limits]
    # Who takes back a row that was not there, while others wait to add it, lets them collide.
    if _next_at(limits) > now:
        return []
    with connections[alias].cursor() as cursor:
        cursor.execute(*_statement(LOCK, alias, rows=rows, now=now))
        cursor.execute(*_statement(COUNT_LOCKED, alias, ids=ids, now=now))
        if cursor.rowcount < len(limits):
            return []
    generation = DeviceGeneration.objects.filter(user_id=account).values("generation")
    return list(_rows(ids).values_list("id", "failures", "next_at", Subquery(generation)))


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
        generations=connections[alias].ops.quote_name(DeviceGeneration._meta.db_table),
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
