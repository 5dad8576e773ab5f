"""Signals that Django lacks."""

from enum import StrEnum

from django.dispatch import Signal


class EndReason(StrEnum):
    """Why a session ended."""

    LOGOUT = "logout"
    ENDED_BY_USER = "ended_by_user"
    """From the list of sessions, this one or another."""

    ENDED_BY_ADMIN = "ended_by_admin"
    IDLE = "idle"
    ABSOLUTE = "absolute"
    REPLACED = "replaced"
    """By a new login in the same browser."""

    EVICTED = "evicted"
    """By a new login, to keep within ``SESSION_AUTH_MAX_SESSIONS``."""

    PASSWORD_CHANGED = "password_changed"  # noqa: S105 # a reason
    DEACTIVATED = "deactivated"
    DELETED = "deleted"


session_ended = Signal()
"""Sent once for each session of a user that has ended, after it has.

Arguments: ``session_id`` (never the key), ``user_id`` and ``reason``, an ``EndReason``.
Both ids are ``None`` where everybody's sessions have ended at once (``end_all_sessions()``).
The sender is ``None``. A receiver that raises is logged and stops nothing.
"""


csrf_token_needed = Signal()
"""Sent for each unsafe request that its token alone let through.

It said neither ``Sec-Fetch-Site: same-origin`` nor by its ``Origin`` that it is from a page of this
origin: with ``SESSION_AUTH_CSRF = "headers"``, too, such a request needs a token.

Argument: ``request``. The sender is ``None``. A receiver that raises is logged and stops nothing.
"""
