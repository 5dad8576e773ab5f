"""The rows that count guesses: each change is one statement, with the comparison in SQL."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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
        WHEN known.excess + 1 < 0 THEN 0
        WHEN known.excess + 1 > {doublings} THEN {now} + {last_delay}
        ELSE {now} + ({first_delay} << (known.excess + 1)) END,
    window_ends_at = CASE
        WHEN known.window_ends_at <= {now} THEN excluded.window_ends_at
        ELSE known.window_ends_at END,
    expires_at = CASE
        WHEN known.expires_at < excluded.expires_at THEN excluded.expires_at
        ELSE known.expires_at END
WHERE known.next_at <= {now}
RETURNING id, failures
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


def count(
    limits: Collection[Limit], *, on_commit: Callable[[], None] = lambda: None
) -> dict[str, int]:
    """Count one failure against all limits, or against none; return the failures in a row by id.

    However many call at once, no more get through than the limits allow.
    Calls ``on_commit`` once no rollback can undo it.
    Raises ``Throttled`` if one of the limits is reached.
    """
    alias = _alias()
    with store_errors():
        with transaction.atomic(using=alias):
            counted = _count(limits, alias)
            if len(counted) == len(limits):
                transaction.on_commit(on_commit, using=alias)
                return counted
            transaction.set_rollback(True, using=alias)
        next_at = _rows(limit.id for limit in limits).aggregate(at=Max("next_at"))["at"]
    raise Throttled(retry_after=max(1, (next_at or 0) - _now()))


def recount(limits: Collection[Limit]) -> None:
    """Count a failure again that was rolled back, against each limit by itself."""
    with store_errors():
        for limit in limits:
            _count([limit], _alias())


def in_transaction() -> bool:
    """Say whether what is counted now can still be rolled back."""
    return connections[_alias()].in_atomic_block


def take_back(*, reset: str, refund: str = "", pardon: str = "") -> None:
    """Undo what a guess has counted that turned out right, in the rows with these ids.

    ``reset`` starts anew; ``refund`` has one failure less; ``pardon`` has none in a row.
    """
    never = Value(0, output_field=BigIntegerField())
    with store_errors(), transaction.atomic(using=_alias()):
        in_order = _rows([reset, refund, pardon]).order_by("id").select_for_update()  # as in COUNT
        GuessCount.objects.using(_alias()).filter(id__in=in_order.values("id")).update(
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
        some = expired.order_by("expires_at").select_for_update(skip_locked=True)
        # Not as a subquery, which PostgreSQL may run again for each row: then more than some go.
        ids = list(some.values_list("id", flat=True)[:at_most])
        return expired.filter(id__in=ids).delete()[0] if ids else 0


def _count(limits: Collection[Limit], alias: str) -> dict[str, int]:
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
        for limit in sorted(limits, key=lambda limit: limit.id)
    ]
    statement = COUNT.format(
        table=connections[alias].ops.quote_name(GuessCount._meta.db_table),
        rows=", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(rows)),
        now=now,
        doublings=DOUBLINGS,
        first_delay=FIRST_DELAY_SECONDS,
        last_delay=LAST_DELAY_SECONDS,
    )
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, [value for row in rows for value in row])
        return dict(cursor.fetchall())


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
