"""What may happen at each step: between two statements, commits, or calls of Redis."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import Any
from unittest.mock import patch

from django.db import connection, connections

from session_auth.engines.redis.client import Store, store

CALLS = ("run", "hashes", "members", "delete", "forget_members")
BLOCKED_SECONDS = 0.05
"""After so long, whoever comes in between waits for the one who is there."""


class Steps:
    """Counts the steps of this thread, and calls ``act`` at the one with this number."""

    def __init__(self, at: int, act: Callable[[], object]) -> None:
        self.at, self.act = at, act
        self.count = 0
        self._thread = threading.get_ident()

    def step(self) -> None:
        if threading.get_ident() != self._thread:
            return
        self.count += 1
        if self.count == self.at:
            self.act()

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.step()
            return call(*args, **kwargs)

        return counted

    def statement(self, execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        return self.around(execute)(sql, parameters, many, context)

    @contextmanager
    def counted(self) -> Iterator[None]:
        with ExitStack() as patches:
            for name in CALLS:
                call = self.around(getattr(Store, name))
                patches.enter_context(patch.object(Store, name, call))
            commit = self.around(connection._commit)  # type: ignore[attr-defined]  # not in the stubs
            patches.enter_context(patch.object(connection, "_commit", commit))
            patches.enter_context(connection.execute_wrapper(self.statement))
            yield


def die() -> None:  # pragma: no cover # in the child, whose data nobody collects
    os.kill(os.getpid(), signal.SIGKILL)


def is_killed(act: Callable[[], object], at: int) -> bool:
    """Do it in a child process that is killed at a step; say whether it came so far."""
    connections.close_all()
    store().client.close()
    store.cache_clear()  # a client of a Cluster that was closed is no use
    child = os.fork()
    if child == 0:  # pragma: no cover # whose data nobody collects
        status = 1
        try:
            with Steps(at, die).counted():
                act()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def kills(act: Callable[[], object]) -> Iterator[int]:
    """Yield after each kill, and once after the child was done."""
    for at in count(1):  # pragma: no branch # it has an end
        killed = is_killed(act, at)
        yield at
        if not killed:
            assert at > 2
            return


class Other:
    """Another process, which does something at a step of this one."""

    def __init__(self, act: Callable[[], object], *, patience: float = BLOCKED_SECONDS) -> None:
        self._act, self._patience = act, patience
        self._threads = ThreadPoolExecutor(1)

    def __call__(self) -> None:
        self._result = self._threads.submit(self._run)
        wait([self._result], self._patience)

    def end(self) -> object:
        """Wait until it has done it; return its result."""
        with self._threads:
            return self._result.result()

    def _run(self) -> object:
        try:
            return self._act()
        finally:
            connections.close_all()
