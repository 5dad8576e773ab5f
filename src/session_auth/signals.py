"""Signals that Django lacks. If a receiver raises, that is logged and stops nothing else."""

from enum import StrEnum

from django.dispatch import Signal

__all__ = ["EndReason", "csrf_token_needed", "session_ended", "session_ended_anywhere"]


class EndReason(StrEnum):
    """Why a session ended."""

    LOGOUT = "logout"
    """Its user logged out of it."""

    ENDED_BY_USER = "ended_by_user"
    """Its user ended it from the list of their sessions."""

    ENDED_BY_ADMIN = "ended_by_admin"
    """Somebody else ended it: in the admin, or by ``manage.py end_sessions``."""

    IDLE = "idle"
    """Nobody used it for ``SESSION_AUTH_IDLE_TIMEOUT``, or the time that ``set_expiry()`` set."""

    ABSOLUTE = "absolute"
    """The login, or the last proof of the password, was ``SESSION_AUTH_ABSOLUTE_TIMEOUT`` ago."""

    REPLACED = "replaced"
    """Somebody logged in anew in the same browser."""

    EVICTED = "evicted"
    """Its user logged in elsewhere and had ``SESSION_AUTH_MAX_SESSIONS`` already."""

    PASSWORD_CHANGED = "password_changed"  # noqa: S105 # a reason
    """The password of its user was changed or reset."""

    FACTOR_REMOVED = "factor_removed"
    """A passkey or another factor that was proven in it was removed."""

    DEACTIVATED = "deactivated"
    """Its user is no longer active."""

    DELETED = "deleted"
    """Its user was deleted."""


session_ended = Signal()
"""Sent once for each session of a user, after it has ended.

Arguments: ``session_id`` (``str``, never the key), ``user_id`` (the primary key of the user) and
``reason`` (``EndReason``). The sender is ``None``. Both ids are ``None`` where everybody's sessions
have ended at once (``end_all_sessions()``).
"""


session_ended_anywhere = Signal()
"""Sent in each process that listens, for each session of a user that has ended in any of them.

Its arguments are those of ``session_ended``. A process listens while it has connections of
``LiveSessions``, and from ``session_auth.sessions.listen_for_ends()`` on. What other processes end
is told on PostgreSQL and by the engine for Redis. A timeout is not told: each process can foresee
it. While the connection to the store is down, some are lost.
"""


csrf_token_needed = Signal()
"""Sent for each unsafe request that passed the CSRF check by its token alone.

No header of such a request says that it is from a page of this origin: it has neither
``Sec-Fetch-Site: same-origin`` nor an ``Origin`` that equals the host. With
``SESSION_AUTH_CSRF = "headers"`` it still needs a token; other requests need none.

Argument: ``request`` (``HttpRequest``). The sender is ``None``.
"""
