"""Asks Redis for sessions in an event loop, and its servers for what they have seen of that."""

from typing import Any

from redis import Redis

from session_auth.engines.redis.client import store
from session_auth.engines.redis.encoding import Row
from session_auth.keys import digest
from tests.settings import REDIS
from tests.storing import SessionStore

ROUNDS = 5
"""On a busy machine, a pause of the servers may be over before anything is seen."""


def id_of(session: SessionStore) -> str:
    return digest(str(session.session_key))


async def fetched(session: SessionStore) -> list[Row] | None:
    rows: Any = SessionStore.rows
    found: list[Row] | None = await rows.fetch(id_of(session))
    return found


def servers() -> list[Redis]:
    """The clients of all servers that keep sessions, each by itself."""
    client = store().client
    if REDIS == "cluster":
        return [client.get_redis_connection(node) for node in client.get_primaries()]
    return [client]


def connections() -> int:
    """Return how many there are at the servers, but for those that ask for it."""
    return sum(len(server.client_list(_type="normal")) for server in servers())


def connected() -> int:
    """Return how many connections were ever made."""
    return sum(server.info("stats")["total_connections_received"] for server in servers())


def pause() -> None:
    """Let the servers answer nobody for some time, and for less than until others take over."""
    for server in servers():
        server.client_pause(600)
