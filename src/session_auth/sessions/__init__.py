"""List and end sessions of users, whatever the engine."""

from session_auth.sessions.listing import (
    aend_session,
    aend_sessions,
    alist_sessions,
    end_all_sessions,
    end_session,
    end_sessions,
    end_sessions_of_users,
    list_sessions,
    listen_for_ends,
    prune_sessions,
)
from session_auth.sessions.proofs import assurance
from session_auth.sessions.values import Deadlines, SessionInfo

__all__ = [
    "Deadlines",
    "SessionInfo",
    "aend_session",
    "aend_sessions",
    "alist_sessions",
    "assurance",
    "end_all_sessions",
    "end_session",
    "end_sessions",
    "end_sessions_of_users",
    "list_sessions",
    "listen_for_ends",
    "prune_sessions",
]
