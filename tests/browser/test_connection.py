"""The client where the network is slow, or away for a while."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.pages import PASSWORD, Demo, wait_until
from tests.browser.profiles import new_profile

CREDENTIALS = {"username": "bob", "password": PASSWORD}
START = """async ({ createSessionClient }) => {
    window.client = createSessionClient();
    window.seen = [];
    for (const name of ["login", "logout", "ended", "switched"]) {
        client.on(name, (detail) => seen.push([name, detail?.user?.username ?? detail?.reason]));
    }
    client.subscribe(() => seen.push(client.getSnapshot().status));
}"""
LOG_IN = "(credentials) => client.login(credentials)"
SNAPSHOT = """() => {
    const { status, user } = client.getSnapshot();
    return [status, user?.username];
}"""
LET_A_MINUTE_PASS = "() => { const { now } = Date; Date.now = () => now() + 61_000; }"
LATENCY_MS = 600


@pytest.fixture
def other_device(chromium: Browser, origin: str) -> Iterator[Page]:
    with new_profile(chromium) as profile:
        page = profile.new_page()
        device = Demo(page, origin)
        device.open("/")
        device.run(START)
        yield page


@pytest.fixture
def app(demo: Demo) -> Demo:
    demo.open("/")
    demo.run(START)
    return demo


def in_page(demo: Demo, script: str, argument: Any = None) -> Any:
    return demo.page.evaluate(script, argument)


def test_what_is_known_is_kept_while_offline_and_looked_at_when_online_again(
    app: Demo, other_device: Page
) -> None:
    in_page(app, LOG_IN, CREDENTIALS)
    other_device.evaluate(LOG_IN, CREDENTIALS)
    app.page.context.set_offline(True)
    other_device.evaluate("client.sessions.endOthers()")
    in_page(app, LET_A_MINUTE_PASS)
    seen = in_page(app, "seen.length")

    code = in_page(app, "client.user().catch(({ code }) => code)")

    assert code == "network_error"
    assert in_page(app, SNAPSHOT) == ["authenticated", "bob"]
    assert in_page(app, "seen.length") == seen
    app.page.context.set_offline(False)
    wait_until(app.page, lambda: in_page(app, SNAPSHOT) == ["anonymous", None])
    assert in_page(app, "seen.at(-1)") == ["ended", "ended"]


def test_a_slow_network_shows_no_error_and_nobody_too_early(app: Demo) -> None:
    in_page(app, LOG_IN, CREDENTIALS)
    app.open("/")
    network = app.page.context.new_cdp_session(app.page)
    network.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": LATENCY_MS,
            "downloadThroughput": 20_000,
            "uploadThroughput": 10_000,
        },
    )
    shown = app.run(f"async (module) => {{ await ({START})(module); return ({SNAPSHOT})(); }}")
    assert shown == ["loading", None]  # before the first answer can be there

    article = in_page(
        app,
        """() => client.json("/api/articles/", {
            method: "POST", body: { title: "Slowly", body: "Text" },
        })""",
    )

    assert article["author"] == "bob"
    assert in_page(app, SNAPSHOT) == ["authenticated", "bob"]
    assert in_page(app, "seen") == ["authenticated"]
