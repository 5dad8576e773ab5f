"""List and end the sessions of a user, whatever the engine.

Each end is logged and signalled (``session_auth.signals.session_ended``) with its reason.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet

from session_auth import events
from session_auth.events import Event
from session_auth.guessing import counts
from session_auth.keys import is_session_id
from session_auth.sessions import adoption, bus, hash_upgrades
from session_auth.sessions.bus import Notice
from session_auth.sessions.ending import announce
from session_auth.sessions.pruning import (
    PRUNE_ROWS,
    in_batches,
    prune_attempts,
    prune_ended,
    prune_expired,
    prune_stamps,
    prune_tombstones,
)
from session_auth.sessions.rows import Position, Rows
from session_auth.sessions.values import Record, SessionInfo
from session_auth.signals import EndReason, session_ended

DEFAULT_ENGINE = "session_auth.engines.database"

PAGE_ROWS = 100
"""How many sessions the list shows at once."""


AnyUser = AbstractBaseUser | AnonymousUser
"""What ``request.user`` may be. An ``AnonymousUser`` has no sessions."""


def rows() -> Rows:
    """Return the rows of the engine that ``SESSION_ENGINE`` names.

    Raises ``ImproperlyConfigured`` if it is not one of this package.
    """
    store = store_class()
    if not hasattr(store, "rows"):
        raise ImproperlyConfigured(
            f"SESSION_ENGINE is '{settings.SESSION_ENGINE}', whose sessions can be neither listed "
            f"nor ended. Set it to '{DEFAULT_ENGINE}'."
        )
    return cast("Rows", store.rows)


def store_class() -> Any:
    """Return the class of sessions of the engine that ``SESSION_ENGINE`` names."""
    return import_module(settings.SESSION_ENGINE).SessionStore


def kept_rows() -> Rows:
    """Return ``rows()``, or the rows of our default engine if the project uses another package's.

    A project may have gone back to Django's engine for a while. The sessions of a user who is
    deactivated meanwhile must not be alive when our engine is set again.
    """
    try:
        return rows()
    except ImproperlyConfigured:
        return cast("Rows", import_module(DEFAULT_ENGINE).SessionStore.rows)


def list_sessions(user: AnyUser) -> list[SessionInfo]:
    """Return the sessions of ``user`` that have not ended, the last seen first.

    One statement. ``user`` may be ``request.user``: an ``AnonymousUser`` has no sessions.
    """
    if user.pk is None:  # the sessions of all visitors have no user
        return []
    return [SessionInfo.of(record) for record in rows().of_user(user.pk)]


def page_of_sessions(
    user: AnyUser, *, current: SessionInfo | None, cursor: str | None
) -> tuple[list[SessionInfo], str | None]:
    """Return some sessions of ``user``, and the cursor of the next page, ``None`` after the last.

    The first page, without a ``cursor``, begins with the session ``current``, which comes on no
    other; then they follow as in ``list_sessions()``. A session that is used between two pages
    moves to the front, and so may be on none of them. Raises ``ValueError`` for no cursor of ours.
    """
    after = None if cursor is None else _position(cursor)
    first = [current] if current is not None and after is None else []
    shown = PAGE_ROWS - len(first)
    found = rows().of_user(
        user.pk, at_most=shown + 1, after=after, but=current.id if current else None
    )
    page = [SessionInfo.of(record) for record in found[:shown]]
    return first + page, _cursor(found[shown - 1]) if len(found) > shown else None


async def alist_sessions(user: AnyUser) -> list[SessionInfo]:
    """Do what ``list_sessions`` does, for async views."""
    return await sync_to_async(list_sessions)(user)


def end_session(
    user: AnyUser, session_id: str, *, reason: EndReason = EndReason.ENDED_BY_USER
) -> bool:
    """End the session of ``user`` with the id ``session_id``; say whether there was one.

    An unknown id and the id of somebody else's session both return ``False``. ``reason`` goes into
    the log and the signal ``session_ended``.
    """
    if user.pk is None or not is_session_id(session_id):
        return False
    store = rows()
    return bool(_announced(store, store.remove_of_user(user.pk, reason, only=session_id), reason))


async def aend_session(
    user: AnyUser, session_id: str, *, reason: EndReason = EndReason.ENDED_BY_USER
) -> bool:
    """Do what ``end_session`` does, for async views."""
    return await sync_to_async(end_session)(user, session_id, reason=reason)


def end_sessions(
    user: AnyUser,
    *,
    but: str | None = None,
    reason: EndReason = EndReason.ENDED_BY_USER,
) -> int:
    """End all sessions of ``user`` but the one with the id ``but``; return how many ended.

    Without ``but``, this also stops a login of the user that has checked the password already, but
    has not stored its session yet. Inside a transaction, it is part of that transaction. ``reason``
    goes into the log and the signal ``session_ended``.
    """
    return _end(rows(), user, but=but, reason=reason)


async def aend_sessions(
    user: AnyUser,
    *,
    but: str | None = None,
    reason: EndReason = EndReason.ENDED_BY_USER,
) -> int:
    """Do what ``end_sessions`` does, for async views."""
    return await sync_to_async(end_sessions)(user, but=but, reason=reason)


def end_sessions_of_users(
    users: QuerySet[Any], *, reason: EndReason = EndReason.DEACTIVATED
) -> int:
    """End all sessions of the users in a queryset, as ``end_sessions()`` does; return how many.

    Call it after users were changed by ``QuerySet.update()``, ``bulk_update()`` or plain SQL, for
    which Django sends no signal.
    """
    ids = users.values_list("pk", flat=True).iterator(chunk_size=1000)
    return sum(end_sessions_of(user_id, reason=reason) for user_id in ids)


def end_kept_sessions(user: AnyUser, *, but: str | None = None, reason: EndReason) -> int:
    """Do what ``end_sessions`` does, also where the project has gone back to Django's engine."""
    return _end(kept_rows(), user, but=but, reason=reason)


def end_sessions_of(user_id: Any, *, but: str | None = None, reason: EndReason) -> int:
    """Do what ``end_sessions`` does, for the user with this primary key."""
    return _end_of(rows(), user_id, but=but, reason=reason)


def end_by_ids(session_ids: Iterable[str], *, reason: EndReason) -> int:
    """End the sessions with these ids, of any users; return how many ended."""
    store = kept_rows()
    return _announced(store, store.remove_ids(list(session_ids), reason), reason)


def end_all_sessions(*, reason: EndReason = EndReason.ENDED_BY_ADMIN) -> int:
    """End everybody's sessions, also those of anonymous visitors; return how many ended.

    This is for an emergency: once it has returned, no login that began before opens a session. The
    log gets one event for all of it, and ``session_ended`` is sent once; in a transaction, after
    its commit.
    """
    store = rows()
    ended = store.remove_all(reason)
    adoption.forget_all()
    store.when_final(partial(_tell_of_all, reason, ended))
    return ended


def _tell_of_all(reason: EndReason, ended: int) -> None:
    events.record(Event.ALL_SESSIONS_ENDED, reason=str(reason), count=ended)
    session_ended.send_robust(sender=None, session_id=None, user_id=None, reason=reason)
    bus.spread(Notice(None, None, reason))


def listen_for_ends() -> None:
    """Let this process send ``session_ended_anywhere`` for what others end, from now on.

    For processes without ``LiveSessions``, which does it by itself. Call it in ``wsgi.py``, say. It
    starts a thread, once, if the engine can tell other processes; so does each process that is
    forked from this one.
    """
    bus.listen(rows())


def prune_sessions(*, batch: int = PRUNE_ROWS) -> int:
    """Delete the sessions that have expired; return how many there were.

    It deletes ``batch`` rows at a time. After each batch it pauses three times as long as the batch
    took, so that no login waits for long. It also deletes records of ended sessions that are older
    than ``SESSION_AUTH_KEEP_ENDED``, logins that were not completed in time, and counts of guesses
    that no longer matter.
    """
    pruned = prune_expired(kept_rows(), batch=batch)
    prune_ended(batch=batch)
    prune_attempts(batch=batch)
    prune_stamps(batch=batch)
    prune_tombstones(batch=batch)
    in_batches(partial(adoption.prune_notes, at_most=batch))
    in_batches(partial(counts.prune, at_most=batch))
    in_batches(partial(hash_upgrades.forget_old, at_most=batch))
    return pruned


def _cursor(record: Record) -> str:
    """Return the position of a row as text that needs no escape in a URL."""
    text = f"{record.last_seen_at.isoformat()} {record.id}"
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(cursor: str) -> Position:
    text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    seen_at, _, session_id = text.partition(" ")
    position = datetime.fromisoformat(seen_at), session_id
    if (position[0].tzinfo is None) is settings.USE_TZ or not is_session_id(session_id):
        raise ValueError("This is the cursor of another site.")
    return position


def _end(store: Rows, user: AnyUser, *, but: str | None = None, reason: EndReason) -> int:
    if user.pk is None:
        return 0
    vars(user).pop(counts.PROVEN_SINCE, None)  # or a later login with this object would be void
    return _end_of(store, user.pk, but=but, reason=reason)


def _end_of(store: Rows, user_id: Any, *, but: str | None = None, reason: EndReason) -> int:
    return _announced(store, store.remove_of_user(user_id, reason, but=but), reason)


def _announced(store: Rows, ended: list[Record], reason: EndReason) -> int:
    announce(store, ended, reason)
    return len(ended)
