"""WebKit, the engine of Safari, driven over HTTP by its own WebDriver."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import Any

from tests.browser.demo_server import free_port, wait_for

MINI_BROWSERS = ["/usr/lib/*/webkit2gtk-4.*/MiniBrowser", "/usr/libexec/webkit2gtk-4.*/MiniBrowser"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that WebDriver gives references
ANSWER_SECONDS = 30
CHUNK_BYTES = 65536


@dataclass(frozen=True)
class WebKit:
    """A window of the browser."""

    session_url: str

    def call(self, method: str, command: str, **parameters: Any) -> Any:
        return ask(method, f"{self.session_url}/{command}", parameters)

    def open(self, url: str) -> None:
        self.call("POST", "url", url=url)

    def run(self, script: str) -> Any:
        return self.call("POST", "execute/sync", script=script, args=[])

    def type(self, selector: str, text: str) -> None:
        self.call("POST", f"element/{self._find(selector)}/value", text=text)

    def click(self, selector: str) -> None:
        self.call("POST", f"element/{self._find(selector)}/click")

    def wait_for(self, script: str) -> None:
        """Wait until a script returns something true."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while not self.run(script):
            assert time.monotonic() < deadline, self.run("return document.body.innerText")
            time.sleep(0.05)

    def cookies(self) -> dict[str, dict[str, Any]]:
        return {cookie["name"]: cookie for cookie in self.call("GET", "cookie")}

    def _find(self, selector: str) -> str:
        found = self.call("POST", "element", using="css selector", value=selector)
        return str(found[ELEMENT])


@contextmanager
def running_webkit(folder: Path, ports: dict[str, int]) -> Iterator[WebKit]:
    """Start WebKit, for which ``ports`` says where a host is; ``"*"`` is all others."""
    [browser, *_] = [path for pattern in MINI_BROWSERS for path in Path("/").glob(pattern[1:])]
    with ExitStack() as stack:
        proxy = stack.enter_context(_proxy(ports))
        display = stack.enter_context(_display())
        port = free_port()
        log = folder / "webkit.log"
        driver = subprocess.Popen(
            [shutil.which("WebKitWebDriver") or "WebKitWebDriver", f"--port={port}"],
            env=os.environ
            | {
                "DISPLAY": display,
                "LIBGL_ALWAYS_SOFTWARE": "1",
                "GIO_USE_PROXY_RESOLVER": "libproxy",  # which reads the next
                "https_proxy": f"http://127.0.0.1:{proxy}",
            },
            stdout=stack.enter_context(log.open("w")),
            stderr=subprocess.STDOUT,
        )
        stack.callback(driver.wait)
        stack.callback(driver.terminate)
        wait_for(port, driver, log)
        capabilities = {
            "acceptInsecureCerts": True,
            "webkitgtk:browserOptions": {"binary": str(browser), "args": ["--automation"]},
        }
        sessions = f"http://127.0.0.1:{port}/session"
        session = ask("POST", sessions, {"capabilities": {"alwaysMatch": capabilities}})
        webkit = WebKit(f"{sessions}/{session['sessionId']}")
        stack.callback(ask, "DELETE", webkit.session_url, {})
        yield webkit


def ask(method: str, url: str, parameters: dict[str, Any]) -> Any:
    request = urllib.request.Request(  # noqa: S310 # our own driver
        url, method=method, data=json.dumps(parameters).encode() if method == "POST" else None
    )
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
        return json.load(answer)["value"]


@contextmanager
def _display() -> Iterator[str]:
    """Start a screen that nobody sees, and yield its name."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [shutil.which("Xvfb") or "Xvfb", "-displayfd", str(writer), "-nolisten", "tcp"],
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as number:
            yield f":{number.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def _proxy(ports: dict[str, int]) -> Iterator[int]:
    """Start a proxy that leads each host to its port on this machine."""

    class Tunnel(BaseRequestHandler):
        def handle(self) -> None:
            head = self.request.recv(CHUNK_BYTES).decode()
            host = head.split()[1].partition(":")[0]
            target = socket.create_connection(("127.0.0.1", ports.get(host, ports["*"])))
            with closing(target):
                self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = Thread(target=_copy, args=(target, self.request))
                back.start()
                _copy(self.request, target)
                back.join()

    server = ThreadingTCPServer(("127.0.0.1", 0), Tunnel)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
