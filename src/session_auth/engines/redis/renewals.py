"""Which of two rows counts: under the old key or the new one, here or in the database."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from django.db import transaction

from session_auth import stores
from session_auth.engines.lookup import SESSIONS
from session_auth.engines.redis import notices, places, scripts, verdicts
from session_auth.engines.redis.client import store
from session_auth.engines.redis.encoding import Row
from session_auth.engines.redis.places import Parked
from session_auth.exceptions import StoreUnavailable
from session_auth.sessions import tombstones


@SESSIONS.asks
def claim(new: Row) -> bool:
    """Write the tombstone that lets ``new`` count; say whether it does."""
    alias = SESSIONS.alias()
    if tombstones.claim({new.after: new.record.id}, alias=alias):
        return True
    # Perhaps by this very call, made again since its answer was lost.
    return tombstones.successors_of([new.after], alias=alias).get(new.after) == new.record.id


@SESSIONS.asks
def counting(rows: Sequence[Row], *, by_now: bool = False) -> list[Row]:
    """Return the rows that count; settle those with a note, if no rollback can undo that.

    For ``by_now``, see ``tombstones.successors_of()``.
    """
    alias = SESSIONS.alias()
    noted = [row.after for row in rows if row.after]
    if not noted:
        return list(rows)
    renewed = tombstones.successors_of(noted, alias=alias, by_now=by_now)
    found = [row for row in rows if not row.after or renewed.get(row.after) == row.record.id]
    if not stores.in_transaction(alias):
        for row in found:
            if row.after:
                settle(row)
    return found


def living(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that count, of sessions that have not ended."""
    return _living(rows)[0]


@SESSIONS.asks
def living_of(user_id: Any, *, among: Collection[str] | None = None) -> list[Row]:
    """Return the rows of a user's living sessions, also of one that gets a new key just now.

    With ``among``, return only those that have, or had, one of these ids.
    """
    alias = SESSIONS.alias()
    seen: set[str] = set()
    living: list[Row] = []
    rows = places.rows_of(user_id)
    while rows:
        seen |= {row.record.id for row in rows}
        found, ended = _living(rows)
        living += found
        renewed = set(ended.values()) - {""}
        rows = places.rows(tombstones.heirs_of(renewed, alias=alias) - seen)
    if among is None:
        return living
    heirs = tombstones.heirs_of(among, alias=alias)
    return [row for row in living if row.record.id in heirs]


def _living(rows: Sequence[Row]) -> tuple[list[Row], dict[str, str]]:
    found = counting(rows)
    ended = verdicts.ended_among([row.record for row in found])
    return [row for row in found if row.record.id not in ended], ended


def settle(new: Row, *told: str) -> None:
    """Let a row count whatever becomes of the tombstone, and delete the one before it.

    In the same step, tell other processes of the new key, if that is what ``told`` has.
    """
    tag, index = new.tag, places.index(new.tag, new.record.user_id)
    keys = [places.key(tag, new.after), places.key(tag, new.record.id), index]
    with suppress(StoreUnavailable):  # which is logged; whoever reads the row settles it
        store().run(
            scripts.SETTLE,
            keys,
            new.after,
            notices.channel(),
            *told,
        )


def unpark(parked: Parked) -> bool:
    """Let a row be written again, unless it has moved away; say whether it has not.

    If it is moving right now, wait until that is done.
    """
    return _alone(parked.session_id, partial(places.unpark, parked))


def move(session_id: str) -> None:
    """Bring a row to the place of its user; if that fails, the next save does it."""
    with suppress(StoreUnavailable):  # which is logged
        _alone(session_id, partial(places.move, session_id))


@SESSIONS.asks
def _alone(session_id: str, call: Callable[[], None]) -> bool:
    """Call ``call`` while nobody ends, renews or moves a session; ``False`` if somebody has.

    To look for its tombstone would not wait for a transaction that is about to commit it, to write
    it does.
    """
    alias = SESSIONS.alias()
    with transaction.atomic(using=alias):
        claimed = tombstones.claim({session_id: ""}, alias=alias)
        if claimed:
            call()
        transaction.set_rollback(True, using=alias)
    return bool(claimed)
