"""What the back button brings back after a sign-out: nothing of the user (attack A85).

Playwright turns the browser's back/forward cache off; here it is on, as users have it, and the
tests make sure that it was used.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Route, expect

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.pages import PASSWORD, Demo, wait_until
from tests.browser.profiles import new_profile
from tests.browser.wire import running_wire

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "javascript.md").read_text()
[SNIPPET] = re.findall(r"^## The back button\n.*?^```js\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)
TELL = "addEventListener('pageshow', (event) => { window.kept = event.persisted; })"
CREDENTIALS = {"username": "alice", "password": PASSWORD}

SHELL = "<!doctype html><title>Shell</title><body>"

# A page that is the same for everybody, into which a script puts what is for this user alone.
PRIVATE_PAGE = """async ({ createSessionClient }, [credentials, snippet]) => {
    const client = createSessionClient();
    const panel = document.body.appendChild(document.createElement("section"));
    panel.id = "private";
    client.subscribe(() => {
        const { user } = client.getSnapshot();
        panel.textContent = user ? `For ${user.username} alone` : "For everybody";
    });
    await client.login(credentials);
    (0, eval)(`(client) => { ${snippet} }`)(client);
}"""

ASKING_PAGE = """async ({ createSessionClient }) => {
    window.shown = [];
    const client = createSessionClient();
    client.subscribe(() => shown.push(client.getSnapshot().user?.username ?? "nobody"));
}"""


@pytest.fixture(scope="module")
def keeping(playwright: Playwright) -> Iterator[Browser]:
    """A browser that keeps pages for the back button."""
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=FLAGS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield browser
    browser.close()


@pytest.fixture
def profile(keeping: Browser) -> Iterator[BrowserContext]:
    with new_profile(keeping) as profile:
        yield profile


@pytest.fixture
def here(profile: BrowserContext, origin: str) -> Demo:
    return Demo(profile.new_page(), origin)


@pytest.fixture
def elsewhere(profile: BrowserContext, origin: str) -> Demo:
    """Another tab."""
    return Demo(profile.new_page(), origin)


def go_back(demo: Demo, path: str, *, kept: bool) -> None:
    """Press the back button; ``kept`` says whether the page comes as it was left."""
    demo.page.evaluate("history.back()")
    expect(demo.page).to_have_url(demo.origin + path)
    # No wait for a load event: a page that was kept has none.
    wait_until(demo.page, lambda: demo.page.evaluate("window.kept") is kept)


def leave_private_page(demo: Demo) -> Page:
    """Show something of alice's in a page as the docs make it, and go to another page."""
    demo.page.route("**/shell/", lambda route: route.fulfill(body=SHELL, content_type="text/html"))
    demo.open("/shell/")
    demo.page.evaluate(TELL)
    demo.run(PRIVATE_PAGE, [CREDENTIALS, SNIPPET])
    expect(demo.page.get_by_text("For alice alone")).to_be_visible()
    demo.open("/password/")
    return demo.page


@pytest.mark.parametrize("where", ["in this tab", "in another tab"])
def test_an_app_shows_nobody_after_a_sign_out(here: Demo, elsewhere: Demo, where: str) -> None:
    """A85"""
    here.open("/app/")
    here.sign_in()
    here.expect_signed_in()
    here.page.evaluate(TELL)
    here.open("/mixed/")
    elsewhere.open("/mixed/")
    by = {"in this tab": here, "in another tab": elsewhere}[where]
    by.expect_signed_in()
    by.sign_out()
    by.expect_signed_out()

    go_back(here, "/app/", kept=True)

    here.expect_signed_out()
    expect(here.page.get_by_text("Signed in as alice")).to_be_hidden()


def test_a_page_that_the_server_made_for_a_user_is_made_anew(
    here: Demo, profile: BrowserContext
) -> None:
    """A85"""
    profile.add_init_script(TELL)
    here.open("/app/")
    here.sign_in()
    here.expect_signed_in()
    here.open("/articles/")
    here.expect_signed_in()
    here.open("/mixed/")
    here.sign_out()
    here.expect_signed_out()

    go_back(here, "/articles/", kept=False)

    here.expect_signed_out()
    expect(here.page.get_by_text("Signed in as alice")).to_be_hidden()


def test_a_page_as_the_docs_have_it_is_hidden_until_it_is_known_who_is_there(
    here: Demo, elsewhere: Demo
) -> None:
    """A85"""
    page = leave_private_page(here)
    elsewhere.open("/")
    elsewhere.run("({ createSessionClient }) => createSessionClient().logout()")
    questions: list[Route] = []
    page.route("**/api/auth/user/", lambda route: questions.append(route))

    go_back(here, "/shell/", kept=True)

    wait_until(page, lambda: bool(questions))
    expect(page.get_by_text("alone")).to_be_hidden()
    for question in questions:
        question.continue_()
    expect(page.get_by_text("For everybody")).to_be_visible()
    expect(page.get_by_text("alone")).to_have_count(0)


def test_a_page_that_was_left_while_it_asked_believes_no_answer_of_then(
    profile: BrowserContext, elsewhere: Demo
) -> None:
    """A85: the browser keeps the answer, too, and hands it over when the page comes back."""
    with running_wire(elsewhere.origin) as wire:
        profile.route(
            "**/shell/", lambda route: route.fulfill(body=SHELL, content_type="text/html")
        )
        here, elsewhere = (Demo(page, wire.origin) for page in (profile.new_page(), elsewhere.page))
        elsewhere.open("/shell/")
        elsewhere.run(
            "({ createSessionClient }, given) => createSessionClient().login(given)", CREDENTIALS
        )
        here.open("/shell/")
        here.page.evaluate(TELL)
        wire.hold('"user_ref"', 1)
        here.run(ASKING_PAGE)
        wait_until(here.page, lambda: wire.held == 1)
        here.open("/password/")
        elsewhere.run("({ createSessionClient }) => createSessionClient().logout()")
        wire.let_go()

        go_back(here, "/shell/", kept=True)

        wait_until(here.page, lambda: bool(here.page.evaluate("shown.length")))
        assert here.page.evaluate("shown") == ["nobody"]


def test_a_page_as_the_docs_have_it_shows_nothing_while_the_server_cannot_be_reached(
    here: Demo, profile: BrowserContext
) -> None:
    """A85"""
    page = leave_private_page(here)
    page.unroute("**/shell/")  # or it would go on to answer
    profile.set_offline(True)

    page.evaluate("history.back()")

    expect(page.get_by_text("ERR_INTERNET_DISCONNECTED")).to_be_visible()
    expect(page.get_by_text("alone")).to_have_count(0)


def test_a_page_as_the_docs_have_it_comes_back_to_a_user_who_is_still_there(here: Demo) -> None:
    page = leave_private_page(here)

    go_back(here, "/shell/", kept=True)

    expect(page.get_by_text("For alice alone")).to_be_visible()
