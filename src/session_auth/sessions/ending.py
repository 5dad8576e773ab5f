"""Saying that sessions have ended, and why."""

import logging
from collections.abc import Iterable

from django.db import DatabaseError, router, transaction
from django.utils import timezone

from session_auth import events
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.models import EndedSession
from session_auth.sessions.values import Record, seen_at
from session_auth.signals import EndReason, session_ended

logger = logging.getLogger("session_auth")


def announce(records: Iterable[Record], reason: EndReason | None = None) -> None:
    """Log, record and signal the end of those that had a user.

    Without a reason, their time was up.
    """
    ends = [(each, reason or _timeout(each)) for each in records if each.user_id is not None]
    if ends and get_conf().KEEP_ENDED is not None:
        _keep(ends)
    for record, why in ends:
        ids = {"session_id": record.id, "user_id": record.user_id}
        events.record(Event.SESSION_ENDED, reason=str(why), **ids)
        session_ended.send_robust(sender=None, reason=why, **ids)


def _keep(ends: Iterable[tuple[Record, EndReason]]) -> None:
    alias, now = router.db_for_write(EndedSession), timezone.now()
    rows = [
        EndedSession(
            session_id=record.id,
            user_id=str(record.user_id),
            reason=str(reason),
            methods=record.methods,
            created_at=record.created_at,
            last_seen_at=seen_at(record),
            ended_at=now,
            ip=record.ip,
            user_agent=record.user_agent,
        )
        for record, reason in ends
    ]
    try:
        with transaction.atomic(using=alias):
            EndedSession.objects.using(alias).bulk_create(rows)
    except DatabaseError:  # The sessions have ended, and the log says so below.
        logger.exception("Ended sessions could not be recorded.")


def _timeout(record: Record) -> EndReason:
    start = record.authenticated_at or record.created_at
    is_absolute = timezone.now() >= start + get_conf().ABSOLUTE_TIMEOUT
    return EndReason.ABSOLUTE if is_absolute else EndReason.IDLE
