"""Tell that sessions have ended, and why: in the log, by a signal, and in a table."""

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial

from django.db import Error, router, transaction
from django.http import HttpRequest
from django.utils import timezone

from session_auth import events
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.models import EndedSession
from session_auth.sessions import adoption, bus
from session_auth.sessions.bus import Notice
from session_auth.sessions.rows import Rows
from session_auth.sessions.values import Record, seen_at
from session_auth.signals import EndReason, session_ended

BATCH_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ends:
    """Sessions that have ended together."""

    rows: Rows
    records: Sequence[Record]
    reason: EndReason | None
    """``None`` means that they have timed out."""

    prepare: Callable[[], object]
    """Called before they are ended again."""

    request: HttpRequest | None
    """The request that has ended them, if it was one."""

    by: object
    """The primary key of the user who was logged in then."""

    successor: Record | None = None
    """The session that was added in the same step."""

    def tell(self) -> None:
        """Log and signal the end of the sessions that had a user."""
        for record in self.records:
            if record.user_id is not None:
                reason = self.reason or timeout_of(record)
                ids = {"session_id": record.id, "user_id": record.user_id}
                events.record(
                    Event.SESSION_ENDED, self.request, reason=str(reason), **ids, by=self.by
                )
                session_ended.send_robust(sender=None, reason=reason, **ids)
                if self.reason is not None:  # a timeout is foreseen by each process
                    bus.spread(Notice(**ids, reason=reason, successor=self._successor_of(record)))

    def _successor_of(self, record: Record) -> str | None:
        """Return the id of the session in which the same user goes on in the same browser."""
        if self.successor is None or self.reason is not EndReason.REPLACED:
            return None
        return self.successor.id if self.successor.user_id == record.user_id else None

    def end_again(self) -> None:
        self.prepare()
        ids = [record.id for record in self.records]
        self.rows.remove_ids(ids, self.reason or EndReason.IDLE)
        adoption.forget(ids)


REQUEST: ContextVar[HttpRequest | None] = ContextVar("session_auth.request", default=None)
"""The request that is being answered, if any."""

CONSEQUENCES = frozenset(
    {
        EndReason.PASSWORD_CHANGED,
        EndReason.FACTOR_REMOVED,
        EndReason.DEACTIVATED,
        EndReason.DELETED,
    }
)
"""Reasons that come from a change of the user: if that is rolled back, the sessions go on."""

IN_DOUBT = "_session_auth_ends_in_doubt"
"""The attribute of a request that lists the ends in transactions that have not committed yet."""


def announce(
    rows: Rows,
    records: Sequence[Record],
    reason: EndReason | None = None,
    *,
    prepare: Callable[[], object] = lambda: None,
    successor: Record | None = None,
) -> None:
    """Log and signal the end of sessions, once no rollback can bring their rows back.

    Without a reason, they have timed out. If the transaction of a request is rolled back,
    ``settle()`` calls ``prepare()`` and ends them again at the end of the request: a logout stays
    one, whatever fails later.
    """
    if not records:
        return
    adoption.forget(record.id for record in records)
    request = REQUEST.get()
    ends = Ends(
        rows=rows,
        records=records,
        reason=reason,
        prepare=prepare,
        request=request,
        by=events.caller_id(request) if request and reason else None,  # nobody ends it by waiting
        successor=successor,
    )
    is_final = rows.when_final(partial(_conclude, ends, request))
    if not is_final and request is not None:
        vars(request).setdefault(IN_DOUBT, []).append(ends)


def settle(request: HttpRequest) -> None:
    """End again the sessions that a rollback has brought back, after the transaction.

    A session that had ended because of a change of its user goes on: the change was rolled back,
    too.
    """
    for undone in vars(request).pop(IN_DOUBT):
        ends = replace(undone, successor=None)  # which is gone, too
        if ends.reason not in CONSEQUENCES:
            ends.end_again()
        elif ends.rows.read(ends.records[0].id) is not None:
            continue
        ends.tell()


def keep(records: Iterable[Record], reason: EndReason | None = None) -> None:
    """Write the records of sessions that end, in the transaction that ends them.

    Without a reason, they have timed out. If the records cannot be written, the sessions end
    nevertheless, and each record goes into the log.
    """
    alias, now = router.db_for_write(EndedSession), timezone.now()
    rows = [
        EndedSession(
            session_id=record.id,
            user_id=str(record.user_id),
            reason=str(reason or timeout_of(record)),
            methods=record.methods,
            created_at=record.created_at,
            last_seen_at=seen_at(record),
            ended_at=now,
            ip=record.ip,
            user_agent=record.user_agent,
        )
        for record in records
        if record.user_id is not None
    ]
    try:
        with transaction.atomic(using=alias):
            EndedSession.objects.using(alias).bulk_create(
                rows, batch_size=BATCH_ROWS, ignore_conflicts=True
            )
    except Error:
        for row in rows:
            columns = [field.attname for field in EndedSession._meta.concrete_fields]
            lost = {name: getattr(row, name) for name in columns}
            events.record(Event.SESSION_RECORD_LOST, **lost)


def timeout_of(record: Record) -> EndReason:
    """Return which of its two timeouts a session has reached."""
    start = record.authenticated_at or record.created_at
    is_absolute = timezone.now() >= start + get_conf().ABSOLUTE_TIMEOUT
    return EndReason.ABSOLUTE if is_absolute else EndReason.IDLE


def _conclude(ends: Ends, request: HttpRequest | None) -> None:
    in_doubt = vars(request).get(IN_DOUBT, []) if request else []
    if ends in in_doubt:
        in_doubt.remove(ends)
    ends.tell()
