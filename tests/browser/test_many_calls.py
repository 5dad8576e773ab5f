"""Twenty calls at once, while another tab gives the session a new key and a new token.

None may end in an error, and each has to act exactly once: there is one article of each.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Response

from tests.browser.pages import PASSWORD, Demo, wait_until
from tests.browser.profiles import new_profile
from tests.browser.wire import Wire, running_wire

CALLS = 20
START = """async ({ createSessionClient }) => {
    window.client = createSessionClient();
    window.events = [];
    for (const name of ["login", "logout", "ended", "switched"]) {
        client.on(name, () => events.push(name));
    }
    await client.user();
}"""
LOG_IN = f"client.login({{ username: 'alice', password: '{PASSWORD}' }})"
PROVE = f"client.reauthenticate({{ password: '{PASSWORD}' }})"
WRITE = """([title, count]) => {
    const write = (_, index) => client.json("/api/articles/", {
        method: "POST",
        body: { title: `${title} ${index}`, body: "Text" },
    }).then(({ author }) => author, String);
    window.outcomes = Promise.all(Array.from({ length: count }, write));
}"""
COUNT = """async (title) => {
    const { articles } = await client.json("/api/articles/");
    return articles.map((article) => article.title).filter((each) => each.startsWith(title));
}"""


@dataclass
class Tab:
    demo: Demo
    statuses: Counter[int]
    """The statuses of the answers to its POST requests."""

    def do(self, script: str, argument: object = None) -> Any:
        return self.demo.page.evaluate(script, argument)

    def write(self, title: str) -> None:
        self.do(WRITE, [title, CALLS])

    def expect_one_article_each(self, title: str) -> None:
        assert self.do("outcomes") == ["alice"] * CALLS
        # Playwright may tell of an answer later than the page has it.
        wait_until(self.demo.page, lambda: self.statuses[201] == CALLS)
        assert sorted(self.do(COUNT, title)) == sorted(f"{title} {n}" for n in range(CALLS))
        assert self.do("events") == ["login"]


@pytest.fixture
def wire(origin: str) -> Iterator[Wire]:
    with running_wire(origin) as wire:
        yield wire


@pytest.fixture
def tabs(chromium: Browser, wire: Wire) -> Iterator[tuple[Tab, Tab]]:
    """Two tabs of one browser, in which alice is signed in; errors in their scripts fail."""
    # Playwright waits for functions by eval(), which the demo's policy refuses.
    with new_profile(chromium, bypass_csp=True) as profile:
        here, there = (Tab(Demo(profile.new_page(), wire.origin), Counter()) for _ in range(2))

        def note(response: Response) -> None:
            if response.request.method == "POST" and response.url.endswith("/api/articles/"):
                here.statuses[response.status] += 1

        here.demo.page.on("response", note)
        for tab in (here, there):
            tab.demo.open("/password/")
            tab.demo.run(START)
        here.do(LOG_IN)
        there.demo.page.wait_for_function("client.getSnapshot().user")
        yield here, there


@pytest.mark.parametrize("renew", [LOG_IN, PROVE], ids=["a login", "a proof of the password"])
def test_calls_that_a_new_key_overtakes_on_their_way_act_once(
    tabs: tuple[Tab, Tab], wire: Wire, renew: str
) -> None:
    """The calls leave the browser with a cookie and a token that are void when they arrive."""
    here, there = tabs
    title = f"Overtaken by {renew.partition('(')[0]}"
    # Of the six connections that browsers open to a host, one is left for the other tab.
    wire.hold("POST /api/articles/", count=5)
    here.write(title)
    wait_until(here.demo.page, lambda: wire.held == 5)

    there.do(renew)
    wire.let_go()

    here.expect_one_article_each(title)
    assert here.statuses == {401: 5, 201: CALLS}


def test_calls_that_are_made_while_the_new_key_is_on_its_way_act_once(
    tabs: tuple[Tab, Tab], wire: Wire
) -> None:
    """The server has a new key, and the browser still sends the old one: the client has to wait."""
    here, there = tabs
    title = "While the key is on its way"
    wire.hold("Set-Cookie: sessionid=", count=1)
    there.do(f"() => {{ window.login = {LOG_IN}; }}")
    wait_until(there.demo.page, lambda: wire.held == 1)

    here.write(title)
    # The other connections: this many can be refused before the key arrives.
    wait_until(here.demo.page, lambda: here.statuses[401] >= 5)
    wire.let_go()

    here.expect_one_article_each(title)
    assert there.do("login.then(({ username }) => username)") == "alice"


@pytest.mark.parametrize("turn", range(2))
def test_calls_that_meet_a_login_at_any_moment_act_once(tabs: tuple[Tab, Tab], turn: int) -> None:
    here, there = tabs
    title = f"Met by a login {turn}"
    there.do("window.after = (ms) => new Promise((resolve) => setTimeout(resolve, ms))")

    here.write(title)
    there.do(f"(ms) => after(ms).then(() => {LOG_IN})", turn * 80)

    here.expect_one_article_each(title)
    assert set(here.statuses) <= {201, 401, 403}
