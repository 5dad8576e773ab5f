#!/usr/bin/env python3
"""Run a command against a database server that lives only as long as the command.

    python scripts/with_database.py postgresql pytest
    python scripts/with_database.py mariadb pytest

The server gets a new data folder, listens on a Unix socket alone and trusts whoever can reach it.
The command finds it through the variables that the client libraries know (``PGHOST``, ``PGUSER``
and ``PGDATABASE``, or ``MYSQL_UNIX_PORT``), and ``TEST_DATABASE`` is set to the first argument for
it. The exit status is the command's own.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

START_SECONDS = 60
INHERITED = ("PG", "MYSQL", "MARIADB")
"""How the variables begin that would lead the command to another server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    name: str
    package: str
    """The one that brings the server on Debian."""

    programs: tuple[str, str]
    """The one that makes a data folder, and the server."""

    folders: str
    """Where Debian keeps them off ``PATH``, as a glob."""

    prepare: Callable[[Path], list[str]]
    """The arguments that make the data folder within this one."""

    serve: Callable[[Path], list[str]]
    is_ready: Callable[[Path], bool]
    stop: signal.Signals
    """What ends the server at once: nobody needs its data any more."""

    environment: Callable[[Path], dict[str, str]]

    def find_programs(self) -> list[str] | None:
        """Return the paths of the newest programs, or ``None`` if one is not here."""
        off_path = sorted(
            Path("/").glob(self.folders), key=lambda folder: folder.parent.name.zfill(4)
        )
        path = os.pathsep.join([*os.get_exec_path(), *map(str, reversed(off_path))])
        found = [shutil.which(program, path=path) for program in self.programs]
        return [each for each in found if each] if all(found) else None


def accepts_connections(file: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(file)) == 0


def postgresql_is_ready(folder: Path) -> bool:
    """Look where ``pg_ctl`` looks: the socket exists before the server is ready."""
    file = folder / "data" / "postmaster.pid"
    return file.exists() and file.read_text().rstrip().endswith("ready")


DATABASES = {
    "postgresql": Database(
        name="PostgreSQL",
        package="postgresql",
        programs=("initdb", "postgres"),
        folders="usr/lib/postgresql/*/bin",
        prepare=lambda folder: [
            f"--pgdata={folder / 'data'}",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ],
        serve=lambda folder: [
            "-D",
            str(folder / "data"),
            "-k",
            str(folder),
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "synchronous_commit=off",
            "-c",
            "full_page_writes=off",
        ],
        is_ready=postgresql_is_ready,
        stop=signal.SIGQUIT,
        environment=lambda folder: {
            "PGHOST": str(folder),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
        },
    ),
    "mariadb": Database(
        name="MariaDB",
        package="mariadb-server",
        programs=("mariadb-install-db", "mariadbd"),
        folders="usr/sbin",
        prepare=lambda folder: [
            "--no-defaults",
            f"--datadir={folder / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ],
        serve=lambda folder: [
            "--no-defaults",
            f"--datadir={folder / 'data'}",
            f"--socket={folder / 'socket'}",
            f"--pid-file={folder / 'pid'}",
            "--skip-networking",
            "--skip-log-bin",
            "--character-set-server=utf8mb4",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-doublewrite=0",
            "--innodb-flush-method=nosync",
        ],
        is_ready=lambda folder: accepts_connections(folder / "socket"),
        stop=signal.SIGKILL,
        environment=lambda folder: {"MYSQL_UNIX_PORT": str(folder / "socket")},
    ),
}


def unprivileged_user() -> str | None:
    """Return the user to run the server as, since it refuses to run as root; None is "as I am"."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "mysql", "nobody") if name in known)


def run_with_server(
    command: Sequence[str], *, kind: str, database: Database, programs: list[str]
) -> int:
    # Not TMPDIR: the path of a Unix socket has room for about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir="/tmp"))
    try:
        with running_server(folder, database=database, programs=programs):
            environment = {
                name: value for name, value in os.environ.items() if not name.startswith(INHERITED)
            }
            environment |= database.environment(folder) | {"TEST_DATABASE": kind}
            return subprocess.run(command, env=environment, check=False).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_server(folder: Path, *, database: Database, programs: list[str]) -> Iterator[None]:
    prepare, serve = programs
    log = folder / "log"
    with log.open("w") as output:
        options: Mapping[str, Any] = {
            "cwd": folder,
            "stdin": subprocess.DEVNULL,
            "stdout": output,
            "stderr": subprocess.STDOUT,
            **as_user(folder),
        }
        if subprocess.run([prepare, *database.prepare(folder)], check=False, **options).returncode:
            sys.exit(f"{prepare} failed:\n{log.read_text()}")
        # In a process session of its own, so that Ctrl-C reaches the command alone.
        server = subprocess.Popen(
            [serve, *database.serve(folder)], start_new_session=True, **options
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not database.is_ready(folder):
            if server.poll() is not None or time.monotonic() > until:
                sys.exit(f"{serve} does not start:\n{log.read_text()}")
            time.sleep(0.05)
        yield
    finally:
        # A second signal, as by Ctrl-C twice, must not keep this from stopping the server.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        server.send_signal(database.stop)
        server.wait()


def as_user(folder: Path) -> dict[str, Any]:
    """Give ``folder`` to the user of the server; return how ``subprocess`` becomes that user."""
    user = unprivileged_user()
    if user is None:
        return {}
    shutil.chown(folder, user)
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    kind, *command = sys.argv[1:] or [""]
    database = DATABASES.get(kind)
    if database is None or not command:
        print(__doc__, file=sys.stderr)
        return 2
    programs = database.find_programs()
    if programs is None:
        package = database.package
        print(f"No {database.name} server found. On Debian: apt install {package}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _exit)
    return run_with_server(command, kind=kind, database=database, programs=programs)


if __name__ == "__main__":
    sys.exit(main())
