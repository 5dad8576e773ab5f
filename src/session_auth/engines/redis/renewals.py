"""New keys of sessions: which of two rows counts, the old one or the new one."""

from contextlib import suppress

from session_auth import stores
from session_auth.engines.lookup import SESSIONS
from session_auth.engines.redis import places, scripts
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
def is_renewed(row: Row) -> bool:
    """Say whether a row with a note counts; settle it, if no rollback can undo that."""
    alias = SESSIONS.alias()
    found = tombstones.successors_of([row.after], alias=alias)
    if found.get(row.after) != row.record.id:
        return False
    if not stores.in_transaction(alias):
        settle(row)
    return True


def settle(new: Row) -> None:
    tag, index = new.tag, places.index(new.tag, new.record.user_id)
    with suppress(StoreUnavailable):  # which is logged; whoever reads the row settles it
        store().run(
            scripts.SETTLE,
            [places.key(tag, new.after), places.key(tag, new.record.id), index],
            new.after,
        )
