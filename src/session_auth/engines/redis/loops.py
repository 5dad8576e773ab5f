"""Look-ups without a thread: each event loop has clients of its own, which are closed with it.

The nodes of a Cluster are asked here without redirections. The client of the threads knows which
node has a slot; if that node says that another has it, or is silent, that client is asked, which
finds out. So one of them looks for the nodes, and not one for each event loop. That of redis-py for
asyncio would do without: but on a slot that is moving, it does not find what is there.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from inspect import signature
from typing import Any

from asgiref.sync import sync_to_async
from redis import asyncio as redis
from redis.backoff import NoBackoff

from session_auth.engines.redis.client import (
    Hash,
    Kind,
    Result,
    Steps,
    Store,
    client_of,
    options_given,
    patience,
    store,
    text,
)

CONNECTIONS = 50
"""How many a server has from an event loop, unless ``max_connections`` says it; others wait."""

BUSY_SECONDS = 2.0
"""How long they wait: an event loop takes any number of requests at once."""

ASYNCIO = Kind(redis.Redis, redis.Sentinel, redis.retry.Retry)

STORES: dict[AbstractEventLoop, "LoopStore"] = {}


async def find(begin: Callable[[], Steps[Result]]) -> Result | None:
    """Return what the steps find, which begin anew with each call; ``None`` if a thread has to."""
    here = await _store_here()
    if here is None:
        return None
    if not here.is_cluster:
        with here.like.guards():
            return await here.follow(begin())
    with suppress(*here.like.errors):
        return await here.follow(begin())
    return None


class LoopStore:
    """What ``Store`` is, for one event loop, as far as a look-up needs it."""

    def __init__(self, like: Store, options: dict[str, Any]) -> None:
        self.like = like
        self.is_cluster = "cluster" in options
        self.options = _with_retry({"max_connections": CONNECTIONS} | options)
        self.clients: dict[Any, redis.Redis] = {}
        """By the address of the node; by ``None``, without a Cluster."""

        connections = self.options["max_connections"]
        if not self.is_cluster:  # its URL may say another number
            connections = self.client_for("").connection_pool.max_connections
        self.free = asyncio.Semaphore(connections)
        self.closing = self._close_at_the_end()

    async def follow(self, steps: Steps[Result]) -> Result:
        """Get what ``steps`` ask for, and return what they find."""
        try:
            keys = next(steps)
            while True:
                keys = steps.send(await self.hashes(keys))
        except StopIteration as found:
            result: Result = found.value
            return result

    async def hashes(self, keys: Sequence[str]) -> list[Hash]:
        async with asyncio.timeout(BUSY_SECONDS if self.free.locked() else None):
            await self.free.acquire()
        try:
            return [text(await self.client_for(key).hgetall(key)) for key in keys]
        finally:
            self.free.release()

    def client_for(self, key: str) -> Any:
        node = self.like.client.get_node_from_key(key) if self.is_cluster else None
        address = node and (node.host, node.port)
        if address not in self.clients:
            self.clients[address] = self._client(address)
        return self.clients[address]

    def _client(self, address: tuple[str, int] | None) -> redis.Redis:
        if address is None:
            client: redis.Redis = client_of(dict(self.options), ASYNCIO)
            return client
        host, port = address
        known = signature(redis.Redis).parameters
        options = {name: value for name, value in self.options.items() if name in known}
        options["retry"] = ASYNCIO.retry(NoBackoff(), 0)  # for there is another client to ask
        return redis.Redis(**patience(ASYNCIO) | options | {"host": host, "port": port})

    async def _close_at_the_end(self) -> AsyncGenerator[None]:
        """Wait for the end of the event loop, which then closes the generators that wait in it."""
        try:
            yield
        finally:
            STORES.pop(asyncio.get_running_loop(), None)
            await self.close()

    async def close(self) -> None:
        """Close all connections; a look-up would open new ones."""
        for client in self.clients.values():
            manager = getattr(client.connection_pool, "sentinel_manager", None)
            for each in (client, *getattr(manager, "sentinels", ())):
                await each.aclose()


async def _store_here() -> LoopStore | None:
    """Return the store of this event loop; ``None`` with a client of the project's."""
    loop = asyncio.get_running_loop()
    if not store.cache_info().currsize:
        await sync_to_async(store)()  # which asks a Cluster for its nodes
    here = STORES.get(loop)
    if here is not None and here.like is store():
        return here
    if here is not None:  # of another setting, as a test may have it
        await here.closing.aclose()
        return await _store_here()
    _, options = options_given()
    if "client" in options:
        return None
    for each in [other for other in list(STORES) if other.is_closed()]:
        STORES.pop(each, None)
    here = STORES[loop] = LoopStore(store(), options)
    await anext(here.closing)
    return here


def _with_retry(options: dict[str, Any]) -> dict[str, Any]:
    """Return options with a ``Retry`` for asyncio, for which redis-py has a class of its own."""
    replaced = {}
    if "sentinel_kwargs" in options:
        replaced["sentinel_kwargs"] = _with_retry(options["sentinel_kwargs"])
    if "retry" in options:
        retry = options["retry"]
        replaced["retry"] = ASYNCIO.retry(retry._backoff, retry.get_retries())
    return options | replaced
