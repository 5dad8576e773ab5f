"""WebKit, the engine of Safari, driven over HTTP by its own WebDriver."""

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.browser.demo_server import free_port, wait_for
from tests.browser.production_server import Cookie

MINI_BROWSERS = ["/usr/lib/*/webkit2gtk-4.*/MiniBrowser", "/usr/libexec/webkit2gtk-4.*/MiniBrowser"]
ANSWER_SECONDS = 30


@dataclass(frozen=True)
class WebKit:
    """A window of the browser."""

    session_url: str

    def call(self, method: str, command: str, **parameters: Any) -> Any:
        return ask(method, f"{self.session_url}/{command}", parameters)

    def open(self, url: str) -> None:
        self.call("POST", "url", url=url)

    def run(self, expression: str) -> Any:
        return self.call("POST", "execute/sync", script=f"return {expression}", args=[])

    def cookies(self) -> dict[str, Cookie]:
        return {
            cookie["name"]: Cookie(
                domain=cookie["domain"],
                path=cookie["path"],
                secure=cookie["secure"],
                http_only=cookie["httpOnly"],
                same_site=cookie["sameSite"],
            )
            for cookie in self.call("GET", "cookie")
        }

    def forget_cookies(self) -> None:
        """Forget the cookies of the page that is open."""
        self.call("DELETE", "cookie")


@contextmanager
def running_webkit(folder: Path, proxy: int, *, cookies: bool = True) -> Iterator[WebKit]:
    """Start WebKit behind the proxy at a port; ``cookies``: whether any site may keep some."""
    [browser, *_] = [path for pattern in MINI_BROWSERS for path in Path("/").glob(pattern[1:])]
    with ExitStack() as stack:
        display = stack.enter_context(_display())
        port = free_port()
        log = folder / "webkit.log"
        driver = subprocess.Popen(
            [shutil.which("WebKitWebDriver") or "WebKitWebDriver", f"--port={port}"],
            env=os.environ
            | {
                "DISPLAY": display,
                "LIBGL_ALWAYS_SOFTWARE": "1",
                "GIO_USE_PROXY_RESOLVER": "libproxy",  # which reads the variable below
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
            "webkitgtk:browserOptions": {
                "binary": str(browser),
                "args": ["--automation", *([] if cookies else ["--cookies-policy=never"])],
            },
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
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 # http
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
