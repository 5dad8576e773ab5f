"""Which of two rows counts: under the old key or the new one, here or in the database."""

from collections.abc import Sequence
from contextlib import suppress

from django.db import transaction

from session_auth import stores
from session_auth.engines.lookup import SESSIONS
from session_auth.engines.redis import notices, places, scripts
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
def counting(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that count; settle those with a note, if no rollback can undo that."""
    alias = SESSIONS.alias()
    noted = [row.after for row in rows if row.after]
    if not noted:
        return list(rows)
    renewed = tombstones.successors_of(noted, alias=alias)
    found = [row for row in rows if not row.after or renewed.get(row.after) == row.record.id]
    if not stores.in_transaction(alias):
        for row in found:
            if row.after:
                settle(row)
    return found


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
            places.milliseconds(new.record),
            notices.channel(),
            *told,
        )


def unpark(parked: Parked) -> bool:
    """Let a row be written again, unless it has moved to the database; say whether it has not.

    If it is moving right now, wait until that is done.
    """
    if _has_tombstone(parked.session_id):
        return False
    places.unpark(parked)
    return True


@SESSIONS.asks
def _has_tombstone(session_id: str) -> bool:
    """Say whether there is a tombstone, also if another transaction is about to commit it.

    To look for it would not wait for that transaction, to write it does.
    """
    alias = SESSIONS.alias()
    with transaction.atomic(using=alias):
        claimed = tombstones.claim({session_id: ""}, alias=alias)
        transaction.set_rollback(True, using=alias)
    return not claimed
