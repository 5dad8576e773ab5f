"""Our engine for Redis, which asks for each session in a thread: the one that its user takes."""

from session_auth.engines.redis import SessionStore as RedisSession
from session_auth.engines.redis.encoding import Row
from session_auth.engines.redis.rows import RedisRows


class Rows(RedisRows):
    async def fetch(self, session_id: str) -> list[Row] | None:
        return None


class SessionStore(RedisSession):
    rows = Rows()
