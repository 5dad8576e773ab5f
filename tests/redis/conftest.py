"""Fixtures for sessions in Redis."""

import threading
from typing import Any

import pytest

from session_auth.engines.redis.client import Store
from session_auth.engines.redis.loops import LoopStore
from tests.redis.moving import WAYS, Way


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Way:
    return Way(*request.param)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads in which Redis was asked for sessions."""
    threads: list[int] = []
    in_thread, in_loop = Store.hashes, LoopStore.hashes

    def hashes(self: Any, keys: Any) -> Any:
        threads.append(threading.get_ident())
        return in_thread(self, keys)

    async def hashes_in_loop(self: Any, keys: Any) -> Any:
        threads.append(threading.get_ident())
        return await in_loop(self, keys)

    monkeypatch.setattr(Store, "hashes", hashes)
    monkeypatch.setattr(LoopStore, "hashes", hashes_in_loop)
    return threads
