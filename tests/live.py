"""A server in a thread of its own, as far as an ASGI application can see, and its clients."""

import asyncio
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connection

from session_auth.asgi import LiveSessions
from session_auth.sessions import bus
from session_auth.sessions.listing import rows

PATIENCE_SECONDS = 30
ORIGIN = "http://testserver"


class Server:
    """Runs an event loop, in which applications are called."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._calls: list[Call] = []

    def call(self, app: Any, scope: Mapping[str, Any]) -> "Call":
        call = Call(self.loop, app, dict(scope))
        self._calls.append(call)
        return call

    def socket(self, app: Any, key: str = "", **headers: str) -> "Call":
        """Ask to open a WebSocket, with the cookie of the session that has this key."""
        socket = self.call(app, scope_of("websocket", key, headers))
        socket.send({"type": "websocket.connect"})
        return socket

    def request(
        self,
        app: Any,
        path: str,
        key: str = "",
        method: str = "GET",
        query: str = "",
        **headers: str,
    ) -> "Call":
        about = {"method": method, "path": path, "query_string": query.encode()}
        call = self.call(app, scope_of("http", key, headers) | about)
        call.send({"type": "http.request", "body": b"", "more_body": False})
        return call

    def stop(self) -> None:
        for call in self._calls:
            call.hang_up()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.run_until_complete(self._cancel_all())
        self.loop.close()

    async def _cancel_all(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_asyncgens()  # as servers do: some wait for that


class Call:
    """One call of an application: what it sends, and what it is sent."""

    def __init__(self, loop: asyncio.AbstractEventLoop, app: Any, scope: Any) -> None:
        self._loop = loop
        self._received: asyncio.Queue[Any] = asyncio.Queue()
        self._sent: queue.Queue[Any] = queue.Queue()
        self.takes = asyncio.Event()
        """Cleared while the client takes nothing."""

        self.takes.set()
        self._future = asyncio.run_coroutine_threadsafe(self._run(app, scope), loop)

    async def _run(self, app: Any, scope: Any) -> None:
        await app(scope, self._received.get, self._take)

    async def _take(self, message: Any) -> None:
        await self.takes.wait()
        self._sent.put(message)

    def send(self, message: Any) -> None:
        """Let the application receive a message."""
        self._loop.call_soon_threadsafe(lambda: self._received.put_nowait(message))

    def say(self, text: str) -> None:
        self.send({"type": "websocket.receive", "text": text})

    def next(self, seconds: float = PATIENCE_SECONDS) -> Any:
        """Return the next message that the application has sent."""
        return self._sent.get(timeout=seconds)

    def is_quiet(self, seconds: float = 0.1) -> bool:
        """Say whether nothing is sent for so long."""
        try:
            self._sent.get(timeout=seconds)
        except queue.Empty:
            return True
        return False  # pragma: no cover # where a test fails

    def result(self) -> None:
        """Wait until the application returns, or raises what it raises."""
        self._future.result(PATIENCE_SECONDS)

    def hang_up(self) -> None:
        self._future.cancel()


def scope_of(kind: str, key: str, headers: Mapping[str, str]) -> dict[str, Any]:
    given = {"host": "testserver", "user_agent": "Tester/1", "cookie": key and f"sessionid={key}"}
    if kind == "websocket":
        given["origin"] = ORIGIN
    given |= headers
    return {
        "type": kind,
        "scheme": "ws" if kind == "websocket" else "http",
        "path": "/",
        "query_string": b"",
        "client": ["9.9.9.9", 1234],
        "headers": [
            (name.replace("_", "-").encode(), value.encode())
            for name, value in given.items()
            if value
        ],
    }


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Say who is there, repeat what is said, and note what is received at the end."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": str(scope["user"])})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
    goodbyes.append(message)


goodbyes: list[Any] = []
"""What the applications have received last."""

LIVE = LiveSessions(echo)
CLOSED = {"type": "websocket.close", "code": 4401, "reason": "session_ended"}


def opened(server: Server, key: str, app: Any = LIVE, *, name: str = "alice") -> Call:
    """Return a WebSocket that is open."""
    socket = server.socket(app, key)
    assert socket.next() == {"type": "websocket.accept"}
    assert socket.next()["text"] == name
    return socket


ELSEWHERE = """
import sys
import django
django.setup()
from django.contrib.auth.models import User
from django.db import connection
from session_auth.sessions import bus, end_all_sessions, end_sessions, end_session, listen_for_ends
from session_auth.sessions.listing import end_by_ids
from session_auth.signals import EndReason
from tests.storing import SessionStore
connection.settings_dict["NAME"] = sys.argv[1]
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Elsewhere:
    """Another process of the site, which does what it is told."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE, str(connection.settings_dict["NAME"])],
            env=os.environ
            | {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._said() == "ready"

    def _said(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def does(self, code: str) -> None:
        """Run a line of Python there."""
        assert self._process.stdin
        self._process.stdin.write(code + "\n")
        self._process.stdin.flush()
        assert self._said() == "done"

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def heard() -> bool:
    """Wait until the bus is up, and say whether there is one."""
    if rows().can_listen():
        wait_until(bus.is_up)
    return bus.is_up()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what is soon so, or on a busy machine later."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.stop()
