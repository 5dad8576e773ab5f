"""New keys of sessions: which of two rows counts, the old one or the new one."""

from collections.abc import Sequence
from contextlib import suppress

from session_auth import stores
from session_auth.engines.lookup import SESSIONS
from session_auth.engines.redis import notices, places, scripts
from session_auth.engines.redis.client import store
from session_auth.engines.redis.encoding import Row
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
