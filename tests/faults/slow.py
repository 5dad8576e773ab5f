"""Faults that take long, or programs that are not everywhere: ``make faults`` alone tries them."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, connection

from tests.faults.databases import beside, run


@contextmanager
def crash() -> Iterator[None]:
    """Kill a process of PostgreSQL, which then ends all others and recovers."""
    with beside() as other:
        [[pid]] = run(other, "SELECT pg_backend_pid()")
        connection.ensure_connection()
        os.kill(pid, signal.SIGKILL)
    yield
    connection.close()
    until = time.monotonic() + 30
    while True:
        try:
            connection.ensure_connection()
        except Error:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            break
