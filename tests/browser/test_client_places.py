"""The client where there is no ordinary page: a frame made of srcdoc, and workers."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.pages import PASSWORD, Demo

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
        {"username": "bob", "password": PASSWORD},
    )

    assert demo.run(place, WHO) == "bob"
