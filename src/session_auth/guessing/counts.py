"""The rows that count guesses. Each comparison is made in SQL, while the row is locked."""

import base64
import time
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db import Error, connections, router, transaction
from django.db.models import Max, QuerySet, Subquery
from django.utils.crypto import salted_hmac

from session_auth.conf import get_conf
from session_auth.exceptions import Throttled
from session_auth.models import DeviceGeneration, GuessCount
from session_auth.stores import Boundary

FIRST_DELAY_SECONDS = 30
LAST_DELAY_SECONDS = 60 * 60
DOUBLINGS = 6
"""How often the delay doubles; the next one is ``LAST_DELAY_SECONDS``."""

PASSWORD = "password"  # noqa: S105 # a purpose

ACCOUNT_WINDOW = timedelta(days=1)
ADDRESS_WINDOW = timedelta(hours=1)
FAILURES_KEPT = timedelta(days=365)

PROVEN_SINCE = "_session_auth_proven_since"
"""The attribute of a user that holds the time at which the guess at their password was counted.

If all their sessions are ended after that time, the login that follows is void.
"""

PRUNE_ROWS = 10
"""How many expired rows are deleted with each wrong guess, which adds fewer than that."""

NEXT_AT = f"""CASE
        WHEN known.excess + 1 < 0 THEN 0
        WHEN known.excess + 1 > {DOUBLINGS} THEN {{now}} + {LAST_DELAY_SECONDS}
        ELSE {{now}} + ({FIRST_DELAY_SECONDS} << (known.excess + 1)) END"""
"""When the next guess is allowed, after one more failure in the same window."""

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
# this failure, and locks them in the order of VALUES until the transaction ends. (INSERT IGNORE
# would share the lock of a row that exists: two transactions that hold it wait for each other.)
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
UPDATE {table} AS known FORCE INDEX (PRIMARY) SET
    next_at = {next_at},
    excess = known.excess + 1,
    failures = known.failures + 1
WHERE id IN ({ids}) AND next_at <= {now}
"""

# Written out, since building it of expressions takes longer than all else of a login but the hash.
TAKE_BACK = """\
UPDATE {table} SET
    failures = 0,
    next_at = CASE WHEN id = %s {mine} THEN 0 ELSE next_at END,
    excess = CASE WHEN id = %s THEN excess ELSE excess - 1 END,
    window_ends_at = CASE WHEN id = %s THEN 0 ELSE window_ends_at END
WHERE id IN {chosen}
"""


def _alias() -> str:
    return router.db_for_write(GuessCount)


STORE = Boundary("guesses", alias=_alias)
"""A guess that cannot be counted is not free: each error of the database is 503."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """``free`` failures in a window cost nothing. Each further one costs twice the last delay.

    ``kept_seconds`` is how long after the last failure the number of failures in a row is kept.
    """

    id: str
    free: int
    window_seconds: int
    kept_seconds: int


def normalized(name: str) -> str:
    """Return ``name`` without differences in case, in width, or in spaces around it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def of_account(user: AbstractBaseUser | None, name: str, purpose: str = PASSWORD) -> Limit:
    """Return the limit of an account, by its primary key: a new name changes nothing.

    A name that nobody has gets a row, too, so that the number of rows does not tell.
    """
    is_known = user is not None
    return _day_limit(
        _key(f"{purpose}.account", f"pk {user.pk}" if user else f"name {normalized(name)}"),
        kept=FAILURES_KEPT if is_known else ACCOUNT_WINDOW,
    )


def of_name(name: str, purpose: str) -> Limit:
    """Return the limit of a name in all its spellings: "Alice" and "alice" have one count."""
    return _day_limit(_key(f"{purpose}.name", normalized(name)), kept=ACCOUNT_WINDOW)


def of_device(device: str, purpose: str) -> Limit:
    return _day_limit(_key(f"{purpose}.device", device), kept=FAILURES_KEPT)


def _day_limit(row_id: str, *, kept: timedelta) -> Limit:
    return Limit(
        id=row_id,
        free=get_conf().GUESSES_PER_ACCOUNT,
        window_seconds=round(ACCOUNT_WINDOW.total_seconds()),
        kept_seconds=round(kept.total_seconds()),
    )


def of_network(
    network: str, purpose: str, *, window: timedelta = ADDRESS_WINDOW, times: int = 1
) -> Limit:
    """Return the limit of an address, ``times`` as many in a ``window`` as guesses in an hour."""
    window_seconds = round(window.total_seconds())
    return Limit(
        id=_key(f"{purpose}.address", network),
        free=get_conf().GUESSES_PER_ADDRESS * times,
        window_seconds=window_seconds,
        kept_seconds=window_seconds + LAST_DELAY_SECONDS,
    )


def _key(kind: str, value: str) -> str:
    """Return the id of a row for ``value``; nobody can find the value out from it."""
    mac = salted_hmac(f"session_auth.throttling.{kind}", value, algorithm="sha256")
    return base64.urlsafe_b64encode(mac.digest())[:-1].decode()


class Counted(NamedTuple):
    """A row after a failure was counted in it."""

    failures: int
    """How many failures in a row, this one included."""

    next_at: int
    generation: str
    """The generation of the known devices of the account that was passed to ``count()``."""


class Count:
    """One failure that was counted, in one row per limit."""

    _is_safe = False

    def __init__(self, limits: Collection[Limit], rows: Mapping[str, Counted]) -> None:
        self.rows = rows
        self._limits = limits

    def set_safe(self) -> None:
        """Note that no rollback can undo the count any more."""
        self._is_safe = True

    def make_good(self) -> None:
        """Count the failure again, for each limit by itself, if it was rolled back."""
        alias = _alias()
        if self._is_safe or connections[alias].in_atomic_block:
            return
        for limit in self._limits:
            STORE.changes(_count_all_or_none)([limit], "", alias)
        self._is_safe = True

    def take_back(self, *, reset: str = "", pardon: str = "") -> None:
        """Make the rows what they would be without this failure: nobody can tell that it was.

        The row ``reset`` starts anew instead. The failures in a row become 0, also in ``pardon``.
        """
        try:
            self._take_back(reset, pardon)
        except Error as error:
            STORE.changes_again(error, self._take_back, reset, pardon)

    def _take_back(self, reset: str, pardon: str) -> None:
        alias = _alias()
        ids = sorted([*self.rows, pardon])
        mine = [value for row_id, row in self.rows.items() for value in (row_id, row.next_at)]
        sql = TAKE_BACK.format(
            **_in_order(len(ids), alias), mine="OR id = %s AND next_at = %s " * len(self.rows)
        )
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(sql, [reset, *mine, pardon, reset, *ids])


def count(limits: Collection[Limit], *, account: str = "") -> Count:
    """Count one failure against all limits, or against none.

    The limits hold, however many requests count at the same time. The rows of the returned count
    also have the generation of the devices of ``account``.
    Raises ``Throttled`` if one of the limits is reached.
    """
    try:
        return _count_or_refuse(limits, account)
    except Error as error:
        return STORE.changes_again(error, _count_or_refuse, limits, account)


@STORE.asks
def pardon(row_id: str) -> None:
    """Set the failures in a row to 0; the time of the next guess stays as it is."""
    _rows([row_id]).update(failures=0)


@STORE.asks
def generation_of(user_id: str) -> str:
    """Return the generation of the user's known devices."""
    rows = DeviceGeneration.objects.using(_alias()).filter(user_id=user_id)
    return rows.values_list("generation", flat=True).first() or ""


@STORE.asks
def set_generation(row: DeviceGeneration) -> None:
    rows = DeviceGeneration.objects.using(_alias())
    has_target = connections[_alias()].features.supports_update_conflicts_with_target
    rows.bulk_create(
        [row],
        update_conflicts=True,
        update_fields=["generation"],
        unique_fields=["user_id"] if has_target else None,
    )


@STORE.asks
def forget(row_ids: Collection[str]) -> int:
    """Delete the rows with these ids, and return how many there were."""
    return _rows(row_ids).delete()[0]


@STORE.asks
def prune(*, at_most: int = PRUNE_ROWS) -> int:
    """Delete some expired rows, but none that is locked right now; return how many."""
    alias = _alias()
    expired = GuessCount.objects.using(alias).filter(expires_at__lte=_now())
    with transaction.atomic(using=alias):
        some = expired.order_by("expires_at").select_for_update(
            skip_locked=connections[alias].features.has_select_for_update_skip_locked
        )
        # Not as a subquery: PostgreSQL may run that again for each row, and delete too many.
        ids = list(some.values_list("id", flat=True)[:at_most])
        return expired.filter(id__in=ids).delete()[0] if ids else 0


def _count_or_refuse(limits: Collection[Limit], account: str) -> Count:
    alias = _alias()
    rows = _count_all_or_none(limits, account, alias)
    if rows is None:
        raise Throttled(retry_after=max(1, _next_at(limits) - _now()))
    counted = Count(limits, rows)
    transaction.on_commit(counted.set_safe, using=alias)
    return counted


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
    """Count for all limits, and return the rows. If one is missing, the caller must roll back."""
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
    # A look first: rolling back a row that was new, while others wait to add it, is a deadlock.
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
    """Return when none of the limits is reached any more; without a lock, it may be out of date."""
    return _rows(limit.id for limit in limits).aggregate(at=Max("next_at"))["at"] or 0


def _rows(ids: Collection[str] | Iterator[str]) -> QuerySet[GuessCount]:
    return GuessCount.objects.using(_alias()).filter(id__in=list(ids))


def _in_order(count: int, alias: str) -> dict[str, str]:
    """Return how to change so many rows, so that they are locked in the order of their ids.

    MariaDB and MySQL must be told the index, or they may read, and so lock, other rows.
    """
    connection = connections[alias]
    table = connection.ops.quote_name(GuessCount._meta.db_table)
    ids = ", ".join(["%s"] * count)
    if not connection.features.supports_update_conflicts_with_target:
        return {"table": f"{table} FORCE INDEX (PRIMARY)", "chosen": f"({ids}) ORDER BY id"}
    lock = "FOR UPDATE" if connection.features.has_select_for_update else ""
    chosen = f"(SELECT id FROM {table} WHERE id IN ({ids}) ORDER BY id {lock})"  # noqa: S608 # ours
    return {"table": table, "chosen": chosen}


def _now() -> int:
    return int(time.time())
