"""List and end the sessions of a user, whatever the engine.

Each end is logged and signalled (``session_auth.signals.session_ended``) with its reason.
"""

from collections.abc import Iterable
from functools import partial
from importlib import import_module
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ImproperlyConfigured

from session_auth import events
from session_auth.events import Event
from session_auth.guessing import counts
from session_auth.keys import is_session_id
from session_auth.sessions.ending import announce
from session_auth.sessions.pruning import (
    PRUNE_ROWS,
    in_batches,
    prune_ended,
    prune_expired,
    prune_stamps,
)
from session_auth.sessions.rows import Rows
from session_auth.sessions.values import Record, SessionInfo
from session_auth.signals import EndReason, session_ended

DEFAULT_ENGINE = "session_auth.engines.database"

PROVEN_AT = "_session_auth_proven_at"
"""The attribute of a user whose credentials were checked: when the check began."""

AnyUser = AbstractBaseUser | AnonymousUser
"""What ``request.user`` may be. An ``AnonymousUser`` has no sessions."""


def rows() -> Rows:
    """Return the rows of the engine in use, for what needs no session of one's own."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store, "rows"):
        raise ImproperlyConfigured(
            f"SESSION_ENGINE is '{settings.SESSION_ENGINE}', whose sessions can be neither listed "
            f"nor ended. Set it to '{DEFAULT_ENGINE}'."
        )
    return cast("Rows", store.rows)


def kept_rows() -> Rows:
    """Return the rows of the engine in use; where that is none of ours, those of the default one.

    For what must not wait until ours is set again: a session of a user who is deactivated while
    the project has gone back to Django's engine must not be alive then.
    """
    try:
        return rows()
    except ImproperlyConfigured:
        return cast("Rows", import_module(DEFAULT_ENGINE).SessionStore.rows)


def list_sessions(user: AnyUser) -> list[SessionInfo]:
    """Return the sessions of ``user`` that have not ended, the last seen first.

    One statement. ``user`` may be ``request.user``: an ``AnonymousUser`` has no sessions.
    """
    if user.pk is None:  # in SQL, NULL: the sessions of all visitors have that
        return []
    return [SessionInfo.of(record) for record in rows().of_user(user.pk)]


async def alist_sessions(user: AnyUser) -> list[SessionInfo]:
    """Do what ``list_sessions`` does, for async views."""
    return await sync_to_async(list_sessions)(user)


def end_session(
    user: AnyUser, session_id: str, *, reason: EndReason = EndReason.ENDED_BY_USER
) -> bool:
    """End the session of ``user`` with the id ``session_id``; say whether there was one.

    ``False`` for an unknown id and for that of somebody else, both alike. ``reason`` is what the
    log and the signal ``session_ended`` tell.
    """
    if user.pk is None or not is_session_id(session_id):
        return False
    engine_rows = rows()
    ended = engine_rows.remove_of_user(user.pk, reason, only=session_id)
    return bool(_told(engine_rows, ended, reason))


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

    Without ``but``, nothing that the user has proven until now opens a session any more, a login
    that is in flight included. In a transaction it is a part of that. ``reason`` is what the log
    and the signal ``session_ended`` tell.
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


def end_kept_sessions(user: AnyUser, *, but: str | None = None, reason: EndReason) -> int:
    """Do what ``end_sessions`` does, also where the project has gone back to Django's engine."""
    return _end(kept_rows(), user, but=but, reason=reason)


def end_sessions_of(user_id: Any, *, but: str | None = None, reason: EndReason) -> int:
    """Do what ``end_sessions`` does, for a user of whom there may be no more than the key."""
    return _end_of(rows(), user_id, but=but, reason=reason)


def end_by_ids(session_ids: Iterable[str], *, reason: EndReason) -> int:
    """End the sessions with these ids, whosever they are; return how many ended."""
    engine_rows = kept_rows()
    return _told(engine_rows, engine_rows.remove_ids(list(session_ids), reason), reason)


def end_all_sessions(*, reason: EndReason = EndReason.ENDED_BY_ADMIN) -> int:
    """End everybody's sessions, those of anonymous visitors too; return how many ended.

    For an emergency: nothing that anybody has proven until now opens a session any more once this
    has returned. All of it is one event in the log and one call of ``session_ended``.
    """
    ended = rows().remove_all(reason)
    events.record(Event.ALL_SESSIONS_ENDED, reason=str(reason), count=ended)
    session_ended.send_robust(sender=None, session_id=None, user_id=None, reason=reason)
    return ended


def prune_sessions(*, batch: int = PRUNE_ROWS) -> int:
    """Delete the sessions whose time is up; return how many they were.

    It deletes ``batch`` rows at a time, and rests between the batches, three quarters of the time:
    so no login waits for long. It also deletes records of ended sessions that are older than
    ``SESSION_AUTH_KEEP_ENDED``, and counts of guesses on which nothing depends any more.
    """
    pruned = prune_expired(kept_rows(), batch=batch)
    prune_ended(batch=batch)
    prune_stamps(batch=batch)
    in_batches(partial(counts.prune, at_most=batch))
    return pruned


def _end(engine_rows: Rows, user: AnyUser, *, but: str | None = None, reason: EndReason) -> int:
    if user.pk is None:
        return 0
    vars(user).pop(PROVEN_AT, None)  # whoever logs the user in after this begins anew
    return _end_of(engine_rows, user.pk, but=but, reason=reason)


def _end_of(engine_rows: Rows, user_id: Any, *, but: str | None = None, reason: EndReason) -> int:
    return _told(engine_rows, engine_rows.remove_of_user(user_id, reason, but=but), reason)


def _told(engine_rows: Rows, ended: list[Record], reason: EndReason) -> int:
    announce(engine_rows, ended, reason)
    return len(ended)
