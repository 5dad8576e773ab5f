"""Sessions in Redis or Valkey; ends of sessions, users and counts of guesses stay in SQL."""

from typing import Any, ClassVar

from session_auth.engines.redis.rows import RedisRows
from session_auth.keys import new_tag, tag_for, tag_of
from session_auth.sessions.base import BaseSessionStore
from session_auth.sessions.rows import Rows

__all__ = ["SessionStore"]


class SessionStore(BaseSessionStore):
    """The engine for ``SESSION_ENGINE = "session_auth.engines.redis"``, a ``SessionBase``.

    It is what ``session_auth.engines.database.SessionStore`` is, with the same promises; only the
    rows are elsewhere. What it saves is no part of a transaction of the database.
    """

    rows: ClassVar[Rows] = RedisRows()

    def _tag(self, user_id: Any, *, like: str | None) -> str:
        if user_id is not None:
            return tag_for(user_id)
        return tag_of(like) if like else new_tag()
