"""List and end sessions of users: what a project uses of this wing."""

from session_auth.sessions.listing import (
    aend_session,
    aend_sessions,
    alist_sessions,
    end_all_sessions,
    end_session,
    end_sessions,
    list_sessions,
    prune_sessions,
)

__all__ = [
    "aend_session",
    "aend_sessions",
    "alist_sessions",
    "end_all_sessions",
    "end_session",
    "end_sessions",
    "list_sessions",
    "prune_sessions",
]
