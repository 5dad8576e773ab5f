"""Changes of a user's factors: each is told by a mail and an event, and needs a living session."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import Error, IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from session_auth import attempts, events, later
from session_auth.events import Event
from session_auth.exceptions import InvalidRequest
from session_auth.factors import mail, rows
from session_auth.factors.models import Factor, Kind
from session_auth.sessions.base import Ended, session_of
from session_auth.sessions.listing import end_by_ids
from session_auth.sessions.listing import rows as session_rows
from session_auth.sessions.proofs import require_proof, retract
from session_auth.sessions.values import read_methods
from session_auth.signals import EndReason

NOTE = "session_auth.factors.proven"
"""The key of what is kept of a proof with a login that is not complete."""

CODES_LEFT = "codes_left"
"""The key in ``details`` of a recovery code that was used: the ids of the others."""


class Change(StrEnum):
    """What has happened to a factor."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    RECOVERY_MADE = "recovery_made"
    RECOVERY_USED = "recovery_used"
    REMOVED_BY_ADMIN = "removed_by_admin"


EVENTS = {
    Change.ADDED: Event.FACTOR_ADDED,
    Change.REMOVED: Event.FACTOR_REMOVED,
    Change.RENAMED: Event.FACTOR_RENAMED,
    Change.RECOVERY_MADE: Event.RECOVERY_CODES_MADE,
    Change.RECOVERY_USED: Event.RECOVERY_CODE_USED,
    Change.REMOVED_BY_ADMIN: Event.FACTORS_REMOVED_BY_ADMIN,
}


class Proven(NamedTuple):
    """What a login has proven: enough to tell, by its end, if that was removed meanwhile.

    All but the user can be kept as JSON, with a login that is not complete.
    """

    user_id: Any
    kind: str
    id: str
    created_at: str
    codes: Sequence[str]
    """For a recovery code, which is gone by its use, the ids of those that were left."""

    @classmethod
    def of(cls, factor: Factor) -> "Proven":
        """Return what to keep of a factor that was proven just now."""
        codes = json.loads(factor.details).get(CODES_LEFT, ())
        return cls(factor.user_id, factor.kind, factor.id, factor.created_at.isoformat(), codes)

    def is_there(self) -> bool:
        """Say whether the factor, or what is left of its codes, was neither removed nor replaced.

        If that is being done right now, wait for it. In a transaction, nobody does it before its
        end.
        """
        if self.kind != Kind.RECOVERY:
            return rows.is_there(self.id, datetime.fromisoformat(self.created_at))
        rows.lock(self.user_id)
        left = rows.ids_of_codes(self.user_id)
        return left <= {*self.codes} and bool(left) == bool(self.codes)


@contextmanager
def announced(
    request: HttpRequest,
    user: AbstractBaseUser,
    change: Change,
    *,
    kind: Kind,
    at_login: bool = False,
    deliver: Callable[[int], None] = later.wake,
) -> Iterator[None]:
    """Make the change of the block and the mail that tells of it in one transaction.

    Raises ``SessionInterrupted`` if the session of ``request`` has ended since it was looked up:
    the row stays locked until the commit, so that a change and an end have an order. Raises what
    ``require_recent_login()`` does if the user can prove more by now than the session has proven.
    At a login that is not complete (``at_login``) there is no session yet.
    """
    rows.handle_of(user.pk)
    try:
        with rows.STORE.guards(), transaction.atomic(using=rows.STORE.alias()):
            rows.lock(user.pk)  # before their sessions, as all do: two changes are no deadlock
            if not at_login:
                _require_living_session(request)
                # Once more: whoever has stolen a password may race with the user's first factor.
                require_proof(request, user, max_age=None, level=None)
            yield
            mail_id = mail.post_notice(request, user, change=change, kind=kind)
    except IntegrityError as exc:
        raise InvalidRequest(_("This is set up already, perhaps from another tab.")) from exc
    tell(request, user, change, kind=kind, mail_id=mail_id, deliver=deliver)


def tell(
    request: HttpRequest | None,
    user: AbstractBaseUser,
    change: Change,
    *,
    kind: Kind | str,
    mail_id: int | None,
    deliver: Callable[[int], None] = later.wake,
    **fields: Any,
) -> None:
    """Tell of a change: by the mail that was posted with it, if any, and by an event."""
    if mail_id is not None:
        later.hand_over(mail_id, deliver, using=rows.STORE.alias())
    events.record(EVENTS[change], request, user_id=user.pk, factor=kind, **fields)


def end_others_opened_by(request: HttpRequest, user_id: Any, kind: Kind) -> bool:
    """End the user's sessions in which a factor of this kind was proven, in the transaction.

    Logins that are not complete end, too, if it was proven in them. The session of ``request`` goes
    on as it is; return whether it was proven in that, too.
    """
    info = session_of(request).info
    current = info.id if info else None
    return current in _end_opened(user_id, kind, but=current)


def end_sessions_opened_by(request: HttpRequest, user_id: Any, kind: Kind) -> bool:
    """Do what ``end_others_opened_by()`` does; the session of ``request`` loses that proof.

    Return ``False`` if it holds no other, so that the caller has to end it.
    """
    is_proven_here = end_others_opened_by(request, user_id, kind)
    if not is_proven_here or retract(session_of(request), _names_of(kind)):
        return True
    _end_opened(user_id, kind)  # it may have got a new key before the proof could be taken back
    return False


def watch(request: HttpRequest, proof: Proven) -> None:
    """Let nothing that this request opens by a proof outlive the removal of its factor.

    A login looks in one transaction with the storing of its session: either whoever removes the
    factor sees the session, or there is none. For what is stored already, as by a step-up, the look
    is once that is done, and ends it.
    """
    attempts.store_by(request, partial(_store_if_there, proof))
    attempts.note(request, NOTE, proof[1:])  # the login may go on in another request

    def look(response: HttpResponse) -> None:
        if request.META.pop(attempts.STORE_BY, None) and not _is_there_at_once(proof):
            _end_opened(proof.user_id, Kind(proof.kind))

    attempts.on_answer(request, look)


def watch_on(request: HttpRequest, user_id: Any, notes: Mapping[str, Any]) -> None:
    """Do what ``watch()`` does, for what an earlier request of the login has proven, if any."""
    if NOTE in notes and attempts.STORE_BY not in request.META:
        watch(request, Proven(user_id, *notes[NOTE]))


def _store_if_there(proof: Proven, insert: Callable[[], Ended]) -> Ended:
    @rows.STORE.changes
    def store() -> Ended | None:
        ended = None
        try:
            with transaction.atomic(using=rows.STORE.alias()):
                if proof.is_there():
                    ended = insert()
        except Error as error:
            if ended is None:
                raise
            # Not once more: sessions may be in another store, where it is by now.
            raise rows.STORE.unavailable(error) from error
        return ended

    ended = store()
    if ended is None:
        raise UpdateError("The factor was removed before the session was stored.")
    return ended


def _is_there_at_once(proof: Proven) -> bool:
    return rows.STORE.changes(proof.is_there)()


def _end_opened(user_id: Any, kind: Kind, *, but: str | None = None) -> list[str]:
    """End what a factor of this kind has opened; return the ids of the sessions, also ``but``."""
    names, seen = _names_of(kind), None
    while True:
        opened = [
            record.id
            for record in session_rows().of_user(user_id)
            if names & read_methods(record.methods).keys()
        ]
        others = [session_id for session_id in opened if session_id != but]
        ended = end_by_ids(others, reason=EndReason.FACTOR_REMOVED)
        # One that was not there has perhaps got a new key since.
        if ended == len(others) or others == seen:
            break
        seen = others
    attempts.end_of(user_id, methods=names)
    return opened


def _names_of(kind: Kind) -> set[str]:
    """Return the methods that stand for a factor of this kind in a session."""
    return {str(kind), f"{kind}_setup"} | ({rows.SECURITY_KEY} if kind == Kind.PASSKEY else set())


def _require_living_session(request: HttpRequest) -> None:
    session = session_of(request)
    info = session.info
    if info is None or session.rows.revise(info.id, lambda record: record) is None:
        raise SessionInterrupted("The session ended before the factors could be changed.")
