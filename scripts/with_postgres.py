#!/usr/bin/env python3
"""Run a command against a PostgreSQL server that lives only as long as the command.

    python scripts/with_postgres.py pytest

The server gets a new data folder, listens on a Unix socket alone and trusts whoever can reach it.
The command finds it through libpq's own variables (``PGHOST``, ``PGUSER``, ``PGDATABASE``), and
``TEST_DATABASE=postgresql`` is set for it. The exit status is the command's own.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

PROGRAMS = ("initdb", "pg_ctl", "postgres")
SERVER_OPTIONS = (
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
)


def find_programs() -> Path | None:
    """Return the folder of the newest server programs, or None; Debian keeps them off PATH."""
    folders = [Path(folder) for folder in os.get_exec_path()]
    on_path = shutil.which("initdb")
    if on_path:
        folders.insert(0, Path(on_path).resolve().parent)
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    for folder in folders:
        if all(os.access(folder / program, os.X_OK) for program in PROGRAMS):
            return folder
    return None


def unprivileged_user() -> str | None:
    """Return the user to run the server as, since it refuses to run as root; None is "as I am"."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def run_with_server(command: list[str], *, programs: Path) -> int:
    user = unprivileged_user()
    # Not TMPDIR: the path of a Unix socket has room for about 100 characters.
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
    data = folder / "data"
    as_server: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL}
    if user is not None:
        shutil.chown(folder, user)
        as_server |= {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}

    def server(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / program, "--pgdata", data, *arguments],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **as_server,
        )
        if done.returncode:
            log = folder / "log"
            sys.exit(f"{program} failed:\n{done.stdout}{log.read_text() if log.exists() else ''}")

    try:
        server(
            "initdb",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        options = " ".join(f"-c {option}" for option in SERVER_OPTIONS)
        socket_option = f"-c unix_socket_directories={folder}"
        server(
            "pg_ctl",
            "start",
            "--wait",
            f"--log={folder / 'log'}",
            "-o",
            f"{options} {socket_option}",
        )
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PG")
        }
        environment |= {
            "PGHOST": str(folder),
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
            "TEST_DATABASE": "postgresql",
        }
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        # Impatient callers signal twice; the server must not outlive this.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if (data / "postmaster.pid").exists():
            server("pg_ctl", "stop", "--wait", "--mode=immediate")
        shutil.rmtree(folder, ignore_errors=True)


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    programs = find_programs()
    if programs is None:
        print("No PostgreSQL server found. On Debian: apt install postgresql", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, _exit)
    return run_with_server(sys.argv[1:], programs=programs)


if __name__ == "__main__":
    sys.exit(main())
