"""The demo on a free port, with a database of its own."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30
TEMPLATES = TemporaryDirectory(prefix="demo-")  # which goes with the process


@contextmanager
def running_demo(
    folder: Path,
    settings: str = "config.settings",
    *,
    project: Path = ROOT / "demo",
    by_asgi: bool = False,
    **variables: str,
) -> Iterator[str]:
    """Start the demo, or a project built upon it, and yield its origin; stop it at the end.

    ``variables`` are added to its environment. By default it is ``runserver`` that serves it.
    """
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    database = folder / "demo.sqlite3"
    shutil.copy(new_database(settings, project, **variables), database)
    environment = environment_for(settings, database) | variables | {"DEMO_ORIGIN": origin}
    manage = manage_of(project)
    log = folder / "server.log"
    command = [*manage, "runserver", "--noreload", f"127.0.0.1:{port}"]
    if by_asgi:
        command = [sys.executable, "-m", "granian", "config.asgi:application", "--port", str(port)]
        command += ["--interface", "asginl", "--workers-kill-timeout", "1"]
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, server, log)
        yield origin
    finally:
        server.terminate()
        server.wait()


@cache
def new_database(settings: str, project: Path, **variables: str) -> Path:
    """Return a database in which the demo's users are, and nothing else yet; it is made once."""
    database = Path(mkdtemp(dir=TEMPLATES.name)) / "demo.sqlite3"
    for command in (["migrate", "--verbosity=0"], ["create_demo_users"]):
        subprocess.run(
            [*manage_of(project), *command],
            env=environment_for(settings, database) | variables,
            check=True,
            stdout=subprocess.PIPE,
        )
    return database


def environment_for(settings: str, database: Path) -> dict[str, str]:
    return os.environ | {
        "DEMO_DATABASE": str(database),
        "DJANGO_SETTINGS_MODULE": settings,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "demo"), str(ROOT)]),
    }


def manage_of(project: Path) -> list[str]:
    return [sys.executable, "-W", "default", str(project / "manage.py")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
