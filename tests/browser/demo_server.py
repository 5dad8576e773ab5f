"""The demo on a free port, with a database of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30


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
    environment = (
        os.environ
        | variables
        | {
            "DEMO_DATABASE": str(folder / "demo.sqlite3"),
            "DEMO_ORIGIN": origin,
            "DJANGO_SETTINGS_MODULE": settings,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "demo"), str(ROOT)]),
        }
    )
    manage = [sys.executable, "-W", "default", str(project / "manage.py")]
    for command in (["migrate", "--verbosity=0"], ["create_demo_users"]):
        subprocess.run([*manage, *command], env=environment, check=True, stdout=subprocess.PIPE)
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
