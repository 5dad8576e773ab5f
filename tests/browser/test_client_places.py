"""The client where there is no ordinary page or browser: in srcdoc, a worker, without cookies."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.pages import PASSWORD, Demo

CREDENTIALS = {"username": "bob", "password": PASSWORD}

WHO = """
    import(`${address}/static/session_auth/session-auth.js`)
        .then(({ createSessionClient }) => createSessionClient().ready())
        .then(({ user }) => tell(user.username), (error) => tell(String(error)));
"""
SRCDOC = """(_, who) => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    const start = `const address = "${location.origin}", tell = (it) => parent.postMessage(it);`;
    frame.srcdoc = `<script type="module">${start}${who}</script>`;
    addEventListener("message", ({ data }) => resolve(data), { once: true });
    document.body.append(frame);
})"""
WORKER = """(_, who) => new Promise((resolve) => {
    const start = `const address = "${location.origin}", tell = postMessage;`;
    const script = new Blob([start + who], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(script), { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
})"""


@pytest.mark.parametrize("place", [SRCDOC, WORKER], ids=["srcdoc", "worker"])
def test_the_client_knows_who_is_logged_in(
    new_page: Callable[..., Page], origin: str, place: str
) -> None:
    demo = Demo(new_page(bypass_csp=True), origin)
    demo.open("/")
    demo.run(
        "({ createSessionClient }, credentials) => createSessionClient().login(credentials)",
        CREDENTIALS,
    )

    assert demo.run(place, WHO) == "bob"


def test_a_login_in_a_browser_that_blocks_cookies_says_so(
    playwright: Playwright, origin: str, tmp_path: Path
) -> None:
    """Chromium refuses locks there, too."""
    preferences = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (tmp_path / "Default").mkdir()
    (tmp_path / "Default" / "Preferences").write_text(json.dumps(preferences))
    profile = playwright.chromium.launch_persistent_context(
        tmp_path, executable_path=CHROMIUM, args=FLAGS
    )
    with closing(profile):
        demo = Demo(profile.pages[0], origin)
        demo.open("/app/")

        code = demo.run(
            """({ createSessionClient }, credentials) => createSessionClient()
                .login(credentials).then(() => "resolved", (error) => error.code)""",
            CREDENTIALS,
        )

    assert code == "cookie_not_kept"
