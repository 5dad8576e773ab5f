"""Firefox, driven by WebDriver BiDi, which it speaks by itself."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.browser.demo_server import free_port, wait_for
from tests.browser.production_server import Cookie

ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Firefox:
    """A tab of the browser."""

    connection: ClientConnection
    numbers: Iterator[int] = field(default_factory=count)

    def call(self, method: str, **parameters: Any) -> Any:
        number = next(self.numbers)
        self.connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        answer = json.loads(self.connection.recv(ANSWER_SECONDS))
        assert (answer["type"], answer["id"]) == ("success", number), answer
        return answer["result"]

    @property
    def tab(self) -> str:
        [tab] = self.call("browsingContext.getTree")["contexts"]
        return str(tab["context"])

    def open(self, url: str) -> None:
        self.call("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    def run(self, expression: str) -> Any:
        answer = self.call(
            "script.evaluate",
            expression=expression,
            target={"context": self.tab},
            awaitPromise=False,
        )
        return answer["result"].get("value")

    def cookies(self) -> dict[str, Cookie]:
        return {
            cookie["name"]: Cookie(
                domain=cookie["domain"],
                path=cookie["path"],
                secure=cookie["secure"],
                http_only=cookie["httpOnly"],
                same_site=cookie["sameSite"].title(),
            )
            for cookie in self.call("storage.getCookies")["cookies"]
        }

    def forget_cookies(self) -> None:
        self.call("storage.deleteCookies")


@contextmanager
def running_firefox(folder: Path, proxy: int, *, cookies: bool = True) -> Iterator[Firefox]:
    """Start Firefox behind the proxy at a port; ``cookies``: whether any site may keep some."""
    program = shutil.which("firefox-esr") or shutil.which("firefox") or "firefox"
    profile = folder / f"firefox-{cookies}"
    profile.mkdir()
    if not cookies:
        (profile / "user.js").write_text('user_pref("network.cookie.cookieBehavior", 2);\n')
    port = free_port()
    log = folder / "firefox.log"
    arguments = ["--headless", "--no-remote", "--profile", str(profile)]
    with ExitStack() as stack:
        process = subprocess.Popen(
            [program, *arguments, f"--remote-debugging-port={port}"],
            env=os.environ | {"HOME": str(folder)},
            stdout=stack.enter_context(log.open("w")),
            stderr=subprocess.STDOUT,
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        wait_for(port, process, log)
        connection = stack.enter_context(connect(f"ws://127.0.0.1:{port}/session"))
        firefox = Firefox(connection)
        capabilities = {
            "acceptInsecureCerts": True,
            "proxy": {"proxyType": "manual", "sslProxy": f"127.0.0.1:{proxy}"},
        }
        firefox.call("session.new", capabilities={"alwaysMatch": capabilities})
        yield firefox
