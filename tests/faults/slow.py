"""Faults that take long, or programs that are not everywhere: ``make faults`` alone tries them."""

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.db import Error, connection

from tests.faults.databases import beside, cut_connections, run

PGBOUNCER = shutil.which("pgbouncer", path=os.pathsep.join([*os.get_exec_path(), "/usr/sbin"]))
"""Where it is, if it is here; else ``make faults`` goes without it."""

CONFIGURATION = """
[databases]
* = host={host} user=postgres
[pgbouncer]
unix_socket_dir = {folder}
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 3
"""


@contextmanager
def crash() -> Iterator[None]:
    """Kill a process of PostgreSQL, which then ends all others and recovers."""
    with beside() as other, beside() as witness:
        run(other, "CHECKPOINT")  # since the server of the tests does not wait for its disk
        [[pid]] = run(other, "SELECT pg_backend_pid()")
        connection.ensure_connection()
        os.kill(pid, signal.SIGKILL)
        with suppress(Error):
            while True:  # until the server has noticed
                run(witness, "SELECT pg_sleep(0.01)")
    yield
    connection.close()
    wait_until_connected()


def wait_until_connected() -> None:
    until = time.monotonic() + 30
    while True:
        try:
            connection.ensure_connection()
        except Error:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            break


@contextmanager
def pgbouncer(port: str = "6432") -> Iterator[None]:
    """Put a PgBouncer that pools transactions before the server: no fault, but not the same."""
    folder = Path(tempfile.mkdtemp(prefix="pooler-", dir="/tmp"))  # for a short path
    file = folder / "pgbouncer.ini"
    file.write_text(CONFIGURATION.format(host=os.environ["PGHOST"], folder=folder, port=port))
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    known = pwd.getpwnam(user)
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:  # as whom it refuses to run
        os.chown(folder, known.pw_uid, known.pw_gid)
        as_user = {"user": known.pw_uid, "group": known.pw_gid, "extra_groups": []}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([str(PGBOUNCER), file], stdout=log, stderr=log, **as_user)
    before = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict |= {
        "HOST": str(folder),
        "PORT": port,
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
    try:
        wait_until_connected()
        yield
    finally:
        connection.close()
        connection.settings_dict.clear()
        connection.settings_dict.update(before)
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


@contextmanager
def cut_behind_pgbouncer() -> Iterator[None]:
    """Cut what a PgBouncer has kept to the server, of which its clients hear at the next query."""
    with pgbouncer():
        cut_connections()
        yield


@contextmanager
def no_server_behind_pgbouncer() -> Iterator[None]:
    """Have a PgBouncer answer for a database that is not there."""
    with pgbouncer():
        connection.close()
        name = connection.settings_dict["NAME"]
        connection.settings_dict["NAME"] = "no_such_database"
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = name
