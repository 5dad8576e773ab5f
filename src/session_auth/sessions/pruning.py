"""Delete what nobody needs any more, in small batches, so that no request waits for long."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from time import perf_counter, sleep

from django.db import router
from django.utils import timezone

from session_auth.conf import get_conf
from session_auth.models import EndedSession, LoginAttempt, Tombstone, UserStamp
from session_auth.sessions import stamps, tombstones
from session_auth.sessions.ending import announce
from session_auth.sessions.rows import Rows

PRUNE_ROWS = 100
"""How many rows are deleted at a time. A login that needs a lock waits for one batch at most."""

PAUSE_FACTOR = 3
"""The pause after a batch, as a multiple of the time that the batch took."""


def prune_expired(rows: Rows, *, batch: int = PRUNE_ROWS) -> int:
    """Delete the sessions that have expired, and return how many there were."""
    return in_batches(partial(_end_expired, rows, at_most=batch))


def prune_ended(*, batch: int = PRUNE_ROWS) -> int:
    """Delete the records of ended sessions that are older than ``SESSION_AUTH_KEEP_ENDED``.

    If that is ``None``, delete all of them. Return how many there were.
    """
    return in_batches(partial(_forget_ended, at_most=batch))


def prune_stamps(*, batch: int = PRUNE_ROWS) -> int:
    """Delete the stamps of users that are older than any session can be; return how many."""
    alias = router.db_for_write(UserStamp)
    return in_batches(partial(stamps.prune, at_most=batch, alias=alias))


def prune_tombstones(*, batch: int = PRUNE_ROWS) -> int:
    """Delete the tombstones of sessions that would have ended by themselves; return how many."""
    alias = router.db_for_write(Tombstone)
    return in_batches(partial(tombstones.prune, at_most=batch, alias=alias))


def prune_attempts(*, batch: int = PRUNE_ROWS) -> int:
    """Delete the logins that were not completed in time; return how many there were."""
    return in_batches(partial(forget_attempts, at_most=batch))


def in_batches(delete: Callable[[], int]) -> int:
    """Call ``delete`` until it deletes nothing; return how many rows it deleted in all."""
    return sum(paced(iter(delete, 0)))


def paced(steps: Iterable[int]) -> Iterator[int]:
    """Take the steps; after each, pause ``PAUSE_FACTOR`` times as long as it took.

    SQLite takes one write at a time; a write that has to wait tries again after longer and longer
    intervals. Without the pauses, a login could find the database locked at each try, until all
    steps are done.
    """
    start = perf_counter()
    for count in steps:
        yield count
        sleep(PAUSE_FACTOR * (perf_counter() - start))
        start = perf_counter()


def _end_expired(rows: Rows, *, at_most: int) -> int:
    expired = rows.remove_expired(at_most=at_most)
    announce(rows, expired)
    return len(expired)


def _forget_ended(*, at_most: int) -> int:
    alias = router.db_for_write(EndedSession)
    too_old = timezone.now() - (get_conf().KEEP_ENDED or timedelta(0))
    rows = EndedSession.objects.using(alias).filter(ended_at__lte=too_old).order_by("ended_at")
    ids = list(rows.values_list("pk", flat=True)[:at_most])
    return EndedSession.objects.using(alias).filter(pk__in=ids).delete()[0] if ids else 0


def forget_attempts(*, at_most: int) -> int:
    """Delete some logins that were not completed in time; return how many."""
    rows = LoginAttempt.objects.using(router.db_for_write(LoginAttempt))
    expired = rows.filter(expires_at__lte=timezone.now())
    ids = list(expired.values_list("pk", flat=True)[:at_most])
    return rows.filter(pk__in=ids).delete()[0] if ids else 0
