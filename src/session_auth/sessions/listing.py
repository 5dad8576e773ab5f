"""List and end the sessions of a user, whatever the engine.

Each end is logged and signalled (``session_auth.signals.session_ended``) with its reason.
"""

from collections.abc import Iterable
from functools import partial
from importlib import import_module
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from session_auth.guessing import counts
from session_auth.sessions.base import BaseSessionStore
from session_auth.sessions.ending import announce, forget_ended
from session_auth.sessions.pruning import PRUNE_ROWS, in_batches
from session_auth.sessions.values import Record
from session_auth.signals import EndReason


def store() -> BaseSessionStore:
    """Return the engine's rows, for what no session is needed for."""
    return cast("BaseSessionStore", import_module(settings.SESSION_ENGINE).SessionStore())


def list_sessions(user: AbstractBaseUser) -> list[Record]:
    """Return the sessions of ``user`` that have not ended, the last seen first."""
    return store().of_user(user.pk)


async def alist_sessions(user: AbstractBaseUser) -> list[Record]:
    """Do what ``list_sessions`` does, for async views."""
    return await sync_to_async(list_sessions)(user)


def end_session(
    user: AbstractBaseUser, session_id: str, *, reason: EndReason = EndReason.ENDED_BY_USER
) -> bool:
    """End one session of ``user``; say whether there was one with this id."""
    return bool(_end(store().remove_of_user(user.pk, only=session_id), reason))


async def aend_session(
    user: AbstractBaseUser, session_id: str, *, reason: EndReason = EndReason.ENDED_BY_USER
) -> bool:
    """Do what ``end_session`` does, for async views."""
    return await sync_to_async(end_session)(user, session_id, reason=reason)


def end_sessions(
    user: AbstractBaseUser,
    *,
    but: str | None = None,
    reason: EndReason = EndReason.ENDED_BY_USER,
) -> int:
    """End all sessions of ``user``, but the one with the id ``but``; return how many ended."""
    return _end(store().remove_of_user(user.pk, but=but), reason)


async def aend_sessions(
    user: AbstractBaseUser,
    *,
    but: str | None = None,
    reason: EndReason = EndReason.ENDED_BY_USER,
) -> int:
    """Do what ``end_sessions`` does, for async views."""
    return await sync_to_async(end_sessions)(user, but=but, reason=reason)


def end_by_ids(session_ids: Iterable[str], *, reason: EndReason) -> int:
    """End the sessions with these ids, whosever they are; return how many ended."""
    return _end(store().remove_ids(list(session_ids)), reason)


def end_all_sessions(*, reason: EndReason = EndReason.ENDED_BY_ADMIN) -> int:
    """End everybody's sessions, those of anonymous visitors too; return how many ended."""
    rows, ended = store(), 0
    while batch := _end(rows.remove_some(at_most=PRUNE_ROWS), reason):
        ended += batch
    return ended


def prune_sessions(*, batch: int = PRUNE_ROWS) -> int:
    """Delete the sessions whose time is up, ``batch`` at a time; return how many they were.

    No login waits for long: three quarters of the time it rests.
    So are the records of ended sessions that are older than ``SESSION_AUTH_KEEP_ENDED``, and what
    was counted of guesses long ago.
    """
    pruned = in_batches(partial(store().prune, at_most=batch))
    in_batches(partial(forget_ended, at_most=batch))
    in_batches(partial(counts.prune, at_most=batch))
    return pruned


def end_if_user_is_gone(session: BaseSessionStore) -> None:
    """End all sessions of the user of ``session`` if they were deactivated or deleted.

    For changes that no signal told of: those of ``QuerySet.update()`` and of plain SQL.
    """
    user_id = session.record.user_id if session.record else None
    if user_id is None:
        return
    user = get_user_model()._base_manager.filter(pk=user_id).first()
    if user is None or not user.is_active:
        reason = EndReason.DELETED if user is None else EndReason.DEACTIVATED
        _end(session.remove_of_user(user_id), reason)
        session.flush_reason = reason
        session.flush()


def end_sessions_of_inactive_user(*, instance: AbstractBaseUser, **kwargs: Any) -> None:
    """Receive ``post_save`` of the user model: who was deactivated loses all sessions for good."""
    if not instance.is_active:
        end_sessions(instance, reason=EndReason.DEACTIVATED)


def end_sessions_of_deleted_user(*, instance: AbstractBaseUser, **kwargs: Any) -> None:
    """Receive ``pre_delete`` of the user model."""
    end_sessions(instance, reason=EndReason.DELETED)


def _end(removed: list[Record], reason: EndReason) -> int:
    announce(removed, reason)
    return len(removed)
