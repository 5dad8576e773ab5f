"""The client in several tabs of one real browser: what one learns, all know."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.template import Context, Template
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.demo_server import ROOT
from tests.browser.pages import PASSWORD, Demo, wait_until
from tests.browser.profiles import new_profile

START = """async ({ createSessionClient }) => {
    window.client = createSessionClient();
    window.seen = [];
    for (const name of ["login", "logout", "ended", "switched", "expiring"]) {
        client.on(name, (detail) => seen.push([name, detail?.user?.username ?? detail?.reason]));
    }
    await client.user();
}"""


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    # Playwright waits for functions by eval(), which the demo's policy refuses.
    with new_profile(chromium, bypass_csp=True) as context:
        yield context


class Tab:
    """A page with a client that watches, and the calls it makes."""

    def __init__(self, page: Page, origin: str) -> None:
        self.demo = Demo(page, origin)
        self.page = page
        self.calls: list[str] = []
        page.on("request", lambda r: self.calls.append(f"{r.method} {r.url.removeprefix(origin)}"))
        self.demo.open("/")
        self.demo.run(START)
        self.calls.clear()

    def do(self, script: str) -> Any:
        return self.page.evaluate(f"async () => {{ {script} }}")

    def log_in(self, username: str) -> None:
        self.do(f'await client.login({{ username: "{username}", password: "{PASSWORD}" }})')

    def expect_events(self, *events: list[str | None]) -> None:
        self.page.wait_for_function("count => seen.length >= count", arg=len(events))
        assert self.page.evaluate("seen") == list(events)


@pytest.fixture
def tabs(context: BrowserContext, origin: str) -> list[Tab]:
    return [Tab(context.new_page(), origin) for _ in range(3)]


def test_all_tabs_tell_of_a_login_a_switch_and_a_logout(tabs: list[Tab]) -> None:
    here, there, third = tabs

    here.log_in("alice")
    there.expect_events(["login", "alice"])
    there.log_in("bob")
    here.expect_events(["login", "alice"], ["switched", "bob"])
    here.do("await client.logout()")

    for tab in tabs:
        tab.expect_events(["login", "alice"], ["switched", "bob"], ["logout", None])
        assert tab.page.evaluate("client.getSnapshot().status") == "anonymous"
    assert third.calls == []


def test_a_tab_that_shows_another_user_writes_nothing_in_the_name_of_the_new_one(
    tabs: list[Tab],
) -> None:
    here, there, _ = tabs
    here.log_in("alice")
    there.expect_events(["login", "alice"])
    there.do("client.close()")  # so that it gets no message, like a laptop that sleeps
    here.log_in("bob")

    code = there.do(
        """const body = { title: "By whom?", body: "By alice, as this tab says." };
        return client.json("/api/articles/", { method: "POST", body }).catch(({ code }) => code);"""
    )

    assert code == "user_changed"
    there.page.wait_for_function('client.getSnapshot().user.username === "bob"')
    articles = here.do('return (await client.json("/api/articles/")).articles')
    assert "By whom?" not in [article["title"] for article in articles]


def sign_in_to_the_admin(context: BrowserContext, origin: str) -> Page:
    """Sign in where no client is that could tell the tabs."""
    page = context.new_page()
    page.route("**/articles/tell.js", lambda route: route.abort())  # by which the demo's tells them
    page.goto(origin + "/admin/login/")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    return page


def test_a_tab_reads_nothing_of_somebody_who_has_signed_in_through_the_admin(
    tabs: list[Tab], context: BrowserContext, origin: str
) -> None:
    here = tabs[0]
    here.log_in("bob")
    sign_in_to_the_admin(context, origin)

    read = here.do(
        """const refusal = await client.json("/api/articles/").catch(({ code }) => code);
        return [refusal, client.getSnapshot().user.username];"""
    )

    assert read == ["user_changed", "alice"]
    here.expect_events(["login", "bob"], ["switched", "alice"])


def test_a_tab_sees_with_its_next_call_that_its_user_has_signed_out_in_the_admin(
    tabs: list[Tab], context: BrowserContext, origin: str
) -> None:
    here = tabs[0]
    admin = sign_in_to_the_admin(context, origin)
    here.do('await client.json("/api/articles/")')
    here.expect_events(["login", "alice"])
    admin.get_by_role("button", name="Log out").click()
    admin.wait_for_url("**/admin/logout/")

    here.do('await client.json("/api/articles/")')

    here.expect_events(["login", "alice"], ["ended", "ended"])


def test_one_tab_looks_for_all_when_the_browser_is_online_again(
    tabs: list[Tab], context: BrowserContext
) -> None:
    tabs[0].log_in("alice")
    tabs[2].expect_events(["login", "alice"])
    for tab in tabs:
        tab.page.evaluate("() => { const now = Date.now; Date.now = () => now() + 61_000; }")
        tab.calls.clear()

    context.set_offline(True)
    context.set_offline(False)

    wait_until(tabs[0].page, lambda: any(tab.calls for tab in tabs))
    tabs[0].page.wait_for_timeout(500)  # to see that no other looks
    assert [call for tab in tabs for call in tab.calls] == ["GET /api/auth/user/"]


def test_a_page_that_comes_back_shows_nobody_who_has_logged_out(
    tabs: list[Tab], origin: str
) -> None:
    here, there, _ = tabs
    here.log_in("alice")
    here.page.goto(origin + "/articles/")
    there.do("await client.logout()")

    here.page.go_back()

    # From the back/forward cache, or anew where the browser keeps none.
    here.page.wait_for_function('!window.client || client.getSnapshot().status === "anonymous"')


@pytest.mark.parametrize("tag", ["session_auth_client", "session_auth_client integrity=True"])
def test_the_template_tag_works_under_a_strict_policy(demo: Demo, tag: str) -> None:
    files: list[str] = []
    demo.page.on("request", lambda request: files.append(request.url.rpartition("/")[2]))
    html = (
        "<!doctype html><title>Tag</title>"
        + Template("{% load session_auth %}{% " + tag + " %}").render(Context({"csp_nonce": "abc"}))
        + """<script type="module" nonce="abc">
            import { createSessionClient } from "/static/session_auth/session-auth.js";
            document.title = String(await createSessionClient().user());
        </script>"""
    )
    policy = (
        "default-src 'none'; script-src 'nonce-abc'; connect-src 'self'; base-uri 'none'; "
        "require-trusted-types-for 'script'"
    )
    demo.page.route(
        "**/tag/",
        lambda route: route.fulfill(
            body=html, content_type="text/html", headers={"Content-Security-Policy": policy}
        ),
    )

    demo.open("/tag/")

    expect(demo.page).to_have_title("null")
    assert files.count("session-auth.js") == 1


def test_a_page_without_a_bundler_imports_the_client_and_a_binding_by_their_names(
    demo: Demo,
) -> None:
    page = (ROOT / "docs" / "client.md").read_text().partition("## By name, without a bundler")[2]
    [html] = re.findall("^```html\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[:1]
    html = html.replace(
        '"django-session-auth/react";',
        '"django-session-auth/react"; document.title = typeof SessionProvider;',
    )
    body = "<!doctype html>" + Template(html).render(Context({"csp_nonce": "abc"}))
    demo.page.route("**/tag/", lambda route: route.fulfill(body=body, content_type="text/html"))
    demo.page.route(
        "**/static/react.js",
        lambda route: route.fulfill(
            body="export const createContext = () => ({});", content_type="text/javascript"
        ),
    )

    demo.open("/tag/")

    expect(demo.page).to_have_title("function")


def test_a_page_that_says_who_is_logged_in_asks_nothing_at_load(tabs: list[Tab]) -> None:
    here = tabs[0]
    here.log_in("alice")
    state = here.do(
        """const answer = await (await client.fetch("/api/auth/user/")).text();
        return answer.replace(/}$/, `, "now": "${new Date().toISOString()}"}`);"""
    )
    html = f"""<!doctype html><title>Tag</title>
        <script id="session-auth" type="application/json">{state}</script>
        <script type="module">
            import {{ createSessionClient }} from "/static/session_auth/session-auth.js";
            const client = createSessionClient();
            client.subscribe(() => {{}});
            document.title = client.getSnapshot().user.username;
            await client.ready();
            await client.json("/api/articles/");
            document.title = "done";
        </script>"""
    here.page.route("**/tag/", lambda route: route.fulfill(body=html, content_type="text/html"))
    here.calls.clear()

    here.demo.open("/tag/")

    expect(here.page).to_have_title("done")
    assert [call for call in here.calls if "/api/" in call] == ["GET /api/articles/"]


def test_a_file_that_is_not_the_clients_is_not_run_with_integrity(
    context: BrowserContext, origin: str
) -> None:
    demo = Demo(context.new_page(), origin)
    tag = Template("{% load session_auth %}{% session_auth_client integrity=True %}")
    html = tag.render(Context({}))
    demo.page.route("**/tag/", lambda route: route.fulfill(body=html, content_type="text/html"))
    demo.page.route(
        "**/session-auth.js",
        lambda route: route.fulfill(
            body='document.title = "changed on its way"', content_type="text/javascript"
        ),
    )

    demo.open("/tag/")

    demo.page.wait_for_load_state("networkidle")
    assert demo.page.title() == ""
