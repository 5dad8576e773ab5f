"""Look-ups in the event loop, whatever becomes of it, of those who ask, and of the servers."""

import asyncio
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, override_settings
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from session_auth.engines.redis import loops
from session_auth.engines.redis.client import store
from session_auth.engines.redis.loops import LoopStore
from session_auth.engines.redis.places import key
from session_auth.exceptions import StoreUnavailable
from session_auth.keys import tag_of
from tests.live import wait_until
from tests.redis.asking import ROUNDS, connections, fetched, id_of, pause, servers
from tests.settings import REDIS, SESSION_AUTH_REDIS
from tests.storing import SessionStore, stored

pytestmark = pytest.mark.django_db

NOTHING_HERE = "redis://127.0.0.1:1"


async def data_in(session: SessionStore) -> str:
    [row] = await fetched(session) or []
    return row.record.data


# Event loops


def test_each_event_loop_has_connections_and_closes_them() -> None:
    session = stored(a=1)
    before = connections()

    for _ in range(3):
        assert asyncio.run(data_in(session)) == '{"a":1}'
        assert not loops.STORES
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda _: asyncio.run(data_in(session)), range(6)))

    assert found == ['{"a":1}'] * 6
    wait_until(lambda: connections() <= before)


def test_an_event_loop_that_was_closed_without_a_word_is_forgotten() -> None:
    session = stored(a=1)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(data_in(session))
    [left] = loops.STORES.values()
    loop.run_until_complete(left.close())  # or Python warns of it
    loop.close()

    async def look() -> list[Any]:
        await data_in(session)
        return list(loops.STORES)

    [only] = asyncio.run(look())
    assert only is not loop


def test_another_setting_has_another_client() -> None:
    session = stored(a=1)

    async def look() -> list[Any]:
        found = [await fetched(session)]
        with override_settings(
            SESSION_AUTH_REDIS={**(SESSION_AUTH_REDIS or {}), "prefix": "other"}
        ):
            found.append(await fetched(session))
        return [*found, await fetched(session)]

    first, other, last = async_to_sync(look)()

    assert (first, other, last) == (first, [], first)
    assert first


def test_a_forked_process_has_clients_of_its_own() -> None:
    session = stored(a=1)

    async def look() -> list[Any]:
        found = [await data_in(session)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of threads, which the child does not need
            child = os.fork()
        if child == 0:  # pragma: no cover # whose data nobody collects
            in_child = []
            with suppress(BaseException):
                thread = threading.Thread(
                    target=lambda: in_child.append(asyncio.run(data_in(session)))
                )
                thread.start()
                thread.join()
            os._exit(0 if in_child == found else 1)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        return [*found, await data_in(session), os.waitstatus_to_exitcode(status)]

    assert asyncio.run(look()) == ['{"a":1}', '{"a":1}', 0]


# Clients that hang up


def test_a_look_up_that_is_cancelled_leaves_no_answer_to_another() -> None:
    """Whatever it waits for at that moment; each answer is for whom it was asked."""
    long, *others = stored(text="x" * 200_000), stored(n=1), stored(n=2), stored(n=3)

    async def cut(steps: int) -> bool:
        task = asyncio.ensure_future(fetched(long))
        for _ in range(steps):
            await asyncio.sleep(0)
        was_done = task.done()
        task.cancel()
        await asyncio.wait([task])
        found = await asyncio.gather(*map(data_in, others))
        assert found == ['{"n":1}', '{"n":2}', '{"n":3}'], steps
        return was_done

    async def cut_all(again: bool) -> int:
        steps = 0
        while not await cut(steps):
            if again:
                await loops.STORES[asyncio.get_running_loop()].close()
            steps += 1
        return steps

    before = connections()
    assert asyncio.run(cut_all(again=False)) >= 1
    assert asyncio.run(cut_all(again=True)) > 3  # connecting has steps, too
    wait_until(lambda: connections() <= before)


def test_an_answer_that_comes_after_its_request_has_gone_is_for_nobody() -> None:
    one, other = stored(n=1), stored(n=2)

    async def is_seen() -> bool:
        await data_in(one)
        pause()
        tasks = [asyncio.ensure_future(fetched(one)) for _ in range(10)]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        found = await asyncio.gather(*(data_in(other) for _ in range(10)))
        assert found == ['{"n":2}'] * 10
        return all(task.cancelled() for task in tasks)

    assert any(asyncio.run(is_seen()) for _ in range(ROUNDS))


def test_many_at_once_share_some_connections() -> None:
    sessions = [stored(n=n) for n in range(200)]
    before = connections()

    async def look() -> tuple[list[Any], int]:
        return await asyncio.gather(*map(fetched, sessions)), connections() - before

    found, more = asyncio.run(look())

    assert [row.record.id for [row] in found] == [id_of(session) for session in sessions]
    assert more <= loops.CONNECTIONS * len(servers())


# Servers that do not answer


@pytest.mark.parametrize("scheme", ["url", "cluster", "sentinels"])
def test_servers_that_cannot_be_reached_are_503(scheme: str) -> None:
    nowhere = NOTHING_HERE if scheme == "url" else ["127.0.0.1:1"]
    session = stored(a=1)
    client = AsyncClient(raise_request_exception=False)
    client.cookies["sessionid"] = str(session.session_key)

    with override_settings(SESSION_AUTH_REDIS={scheme: nowhere}):
        response = async_to_sync(client.get)("/api/private-async/")

    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")


def test_who_waits_too_long_for_a_connection_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "BUSY_SECONDS", 0.1)
    session = stored(a=1)

    async def look() -> list[Any]:
        await fetched(session)
        pause()
        first = asyncio.ensure_future(fetched(session))
        await asyncio.sleep(0.1)
        second = await asyncio.gather(fetched(session), return_exceptions=True)
        return [await first, *second]

    def is_seen() -> bool:
        found, other = asyncio.run(look())
        assert found
        # In a Cluster, the client of the threads is asked.
        return other is None if REDIS == "cluster" else isinstance(other, StoreUnavailable)

    options = {**(SESSION_AUTH_REDIS or {}), "max_connections": 1}
    with override_settings(SESSION_AUTH_REDIS=options):
        assert any(is_seen() for _ in range(ROUNDS))


def test_how_often_it_is_tried_again_is_what_the_project_says() -> None:
    retry = Retry(ConstantBackoff(0), 7)
    given = {"sentinels": ["a"], "retry": retry, "sentinel_kwargs": {"retry": retry}}

    async def tries() -> list[int]:
        client = LoopStore(store(), given).client_for("a")
        [sentinel] = client.connection_pool.sentinel_manager.sentinels
        return [each.get_connection_kwargs()["retry"].get_retries() for each in (client, sentinel)]

    assert asyncio.run(tries()) == [7, 7]


@pytest.mark.parametrize(
    ("given", "slots"),
    [
        ({"url": NOTHING_HERE}, 50),
        ({"url": NOTHING_HERE, "max_connections": 7}, 7),
        ({"url": f"{NOTHING_HERE}?max_connections=7"}, 7),
        ({"sentinels": ["a"], "max_connections": 7}, 7),
        ({"cluster": ["a"], "max_connections": 7}, 7),
        ({"cluster": ["a"]}, 50),
    ],
)
def test_no_more_look_ups_at_once_than_connections(given: Any, slots: int) -> None:
    async def at_once() -> int:
        return LoopStore(store(), given).free._value

    assert asyncio.run(at_once()) == slots


if REDIS == "cluster":

    def test_a_session_whose_slot_moves_is_found_by_way_of_a_thread() -> None:
        session = stored(a=1)
        name = key(tag_of(id_of(session)), id_of(session))
        client = store().client
        slot, source = client.keyslot(name), client.get_node_from_key(name)
        target = next(node for node in client.get_primaries() if node.name != source.name)
        there, here = (client.get_redis_connection(node) for node in (target, source))
        source_id, target_id = (str(each.cluster("MYID").decode()) for each in (here, there))

        async def read() -> Any:
            return await fetched(session), await SessionStore(session.session_key).aget("a")

        there.cluster("SETSLOT", slot, "IMPORTING", source_id)
        here.cluster("SETSLOT", slot, "MIGRATING", target_id)
        here.migrate(target.host, target.port, name, 0, 5000)
        asking = async_to_sync(read)()
        for each in (there, here):
            each.cluster("SETSLOT", slot, "NODE", target_id)
        moved = async_to_sync(read)()
        later = async_to_sync(read)()

        assert asking == moved == (None, 1)
        assert (later[0] is None, later[1]) == (False, 1)
