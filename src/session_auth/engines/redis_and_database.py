"""Sessions in Redis; those that are in the database are served there until they have moved."""

from session_auth.engines import redis
from session_auth.engines.both import BothRows
from session_auth.engines.database import DatabaseRows
from session_auth.engines.moves import ToRedis

__all__ = ["SessionStore"]


class SessionStore(redis.SessionStore):
    """The engine while sessions move to Redis, where it stores new ones: a ``SessionBase``.

    For the time of a move alone, since it looks in two stores: see ``manage.py session_move``.
    """

    rows = BothRows(redis.SessionStore.rows, DatabaseRows(), move=ToRedis())
