"""Sessions in the database; those that are in Redis are served there until they have moved."""

from session_auth.engines import redis
from session_auth.engines.both import BothRows
from session_auth.engines.database import DatabaseRows
from session_auth.engines.moves import ToDatabase

__all__ = ["SessionStore"]


class SessionStore(redis.SessionStore):
    """The engine while sessions move to the database, where it stores new ones: a ``SessionBase``.

    For the time of a move alone, since it looks in two stores: see ``manage.py session_move``.
    """

    rows = BothRows(DatabaseRows(), redis.SessionStore.rows, move=ToDatabase())
