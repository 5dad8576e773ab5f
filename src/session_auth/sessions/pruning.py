"""Deleting what nobody needs any more, without standing in anybody's way."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from time import perf_counter, sleep

from django.db import router
from django.utils import timezone

from session_auth.conf import get_conf
from session_auth.models import EndedSession, UserStamp
from session_auth.sessions import stamps
from session_auth.sessions.ending import announce
from session_auth.sessions.rows import Rows

PRUNE_ROWS = 100
"""How many rows are deleted at a time: a login that meets them waits no longer than that takes."""

RESTS = 3


def prune_expired(rows: Rows, *, batch: int = PRUNE_ROWS) -> int:
    """Delete the sessions whose time is up, and return how many they were."""
    return in_batches(partial(_end_expired, rows, at_most=batch))


def prune_ended(*, batch: int = PRUNE_ROWS) -> int:
    """Delete the records of ended sessions that are older than ``SESSION_AUTH_KEEP_ENDED``.

    All of them where it is ``None``. Returns how many they were.
    """
    return in_batches(partial(_forget_ended, at_most=batch))


def prune_stamps(*, batch: int = PRUNE_ROWS) -> int:
    """Delete the stamps of users that are older than any session can be; return how many."""
    alias = router.db_for_write(UserStamp)
    return in_batches(partial(stamps.prune, at_most=batch, alias=alias))


def in_batches(delete: Callable[[], int]) -> int:
    """Call ``delete`` until it deletes no more; return how many rows that were.

    Rests after each call, ``RESTS`` times as long as it took. SQLite lets one write at a time, and
    a write that has to wait tries again after a while, the less often the longer it has waited:
    without these rests, a login could wait until all is deleted.
    """
    total = 0
    start = perf_counter()
    while count := delete():
        total += count
        sleep(RESTS * (perf_counter() - start))
        start = perf_counter()
    return total


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
