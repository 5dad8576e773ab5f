"""Saying that sessions have ended, and why."""

from collections.abc import Iterable

from django.utils import timezone

from session_auth.conf import get_conf
from session_auth.engines.values import Record
from session_auth.signals import EndReason, announce_end


def announce(records: Iterable[Record], reason: EndReason | None = None) -> None:
    """Log and signal the end of those that had a user; without a reason, their time was up."""
    for record in records:
        if record.user_id is not None:
            announce_end(
                session_id=record.id,
                user_id=record.user_id,
                reason=reason or _timeout(record),
            )


def _timeout(record: Record) -> EndReason:
    start = record.authenticated_at or record.created_at
    is_absolute = timezone.now() >= start + get_conf().ABSOLUTE_TIMEOUT
    return EndReason.ABSOLUTE if is_absolute else EndReason.IDLE
