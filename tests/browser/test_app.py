"""The single-page app: its views, its tabs, and what it shows under the hood."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.browser.pages import PASSWORD, Demo, wait_until

SHOW_FROM_CACHE = """() => {
    dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
    dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
}"""


def signed_in(page: Page, origin: str, username: str = "alice", path: str = "/app/") -> Demo:
    demo = Demo(page, origin)
    demo.open(path)
    demo.sign_in(username)
    demo.expect_signed_in(username)
    return demo


def another_tab(demo: Demo, path: str = "/app/") -> Demo:
    tab = Demo(demo.page.context.new_page(), demo.origin)
    tab.open(path)
    return tab


def notice(page: Page) -> Locator:
    return page.locator("#notice")


def hood(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Under the hood")


# The views


def test_each_view_has_an_address_a_title_and_the_focus(page: Page, origin: str) -> None:
    signed_in(page, origin)
    for path, name in (
        ("/sessions/", "Sessions"),
        ("/password/", "Password"),
        ("/app/", "Articles"),
    ):
        page.get_by_role("navigation", name="Views").get_by_role("link", name=name).click()

        expect(page).to_have_url(origin + path)
        expect(page).to_have_title(name)
        expect(page.get_by_role("heading", name=name, level=1)).to_be_focused()
        expect(page.locator('nav.tabs [aria-current="page"]')).to_have_text(name)

    page.go_back()
    expect(page.get_by_role("heading", name="Password", level=1)).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Password", level=1)).to_be_visible()


def test_a_view_opens_in_a_new_tab_as_any_link_does(page: Page, origin: str) -> None:
    page.goto(origin + "/app/")
    opened: list[Page] = []
    page.context.on("page", lambda tab: opened.append(tab))

    page.get_by_role("link", name="Sessions").click(modifiers=["ControlOrMeta"])
    wait_until(page, lambda: bool(opened))

    expect(opened[0]).to_have_url(origin + "/sessions/")
    expect(page).to_have_url(origin + "/app/")


def test_the_app_is_used_by_keyboard_alone(page: Page, origin: str) -> None:
    page.goto(origin + "/app/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(origin + "/app/#main")
    for _ in range(5):  # past the four views
        page.keyboard.press("Tab")
    expect(page.get_by_label("Username")).to_be_focused()

    for key in ("alice", PASSWORD):
        page.keyboard.type(key)
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("Keep me signed in")).to_be_checked()
    page.keyboard.press("Enter")

    expect(page.get_by_text("Signed in as alice")).to_be_focused()


def test_a_form_that_is_on_its_way_is_sent_once_and_keeps_the_focus(
    page: Page, origin: str
) -> None:
    demo = signed_in(page, origin)
    sent: list[Route] = []
    page.route("**/api/articles/", lambda route: sent.append(route))
    publish = page.get_by_role("button", name="Publish")
    page.get_by_label("Title").fill("Sent once")
    page.get_by_label("Text").fill("Some text.")

    for _ in range(3):
        publish.press("Enter")
    expect(publish).to_be_focused()
    expect(publish).to_be_disabled()
    wait_until(page, lambda: bool(sent))
    page.wait_for_timeout(100)  # to see that nothing comes
    for route in sent:
        route.continue_()

    demo.expect_article("Sent once")
    expect(publish).to_be_focused()
    expect(publish).to_be_enabled()
    assert len(sent) == 1


def test_an_answer_that_comes_after_its_view_was_left_does_no_harm(page: Page, origin: str) -> None:
    demo = signed_in(page, origin, "bob", "/sessions/")
    held: list[Route] = []
    page.route("**/api/auth/sessions/*/", lambda route: held.append(route))
    page.get_by_role("listitem").first.get_by_role("button", name="End").click()
    wait_until(page, lambda: bool(held))

    page.get_by_role("link", name="Articles").click()
    held[0].continue_()

    demo.expect_signed_out()
    expect(notice(page)).to_contain_text("You are signed out")
    expect(page.get_by_role("heading", name="Articles", level=1)).to_be_visible()


# Several tabs and browsers


def test_a_sign_out_signs_out_every_tab_at_once(page: Page, origin: str) -> None:
    demo = signed_in(page, origin)
    tabs = [another_tab(demo, path) for path in ("/sessions/", "/articles/", "/mixed/")]
    for tab in tabs:
        tab.expect_signed_in()
    expect(tabs[0].page.get_by_role("listitem").first).to_be_visible()  # all is loaded
    calls: list[Request] = []
    tabs[0].page.on("request", lambda request: calls.append(request))

    demo.sign_out()

    for tab in (demo, *tabs):
        tab.expect_signed_out()
        expect(notice(tab.page)).to_contain_text("You are signed out, in every tab.")
        expect(tab.page.locator("#me")).to_be_empty()
    assert calls == []


def test_a_sign_in_signs_in_every_tab_at_once(page: Page, origin: str) -> None:
    demo = Demo(page, origin)
    demo.open("/sessions/")
    demo.expect_signed_out()
    other = another_tab(demo, "/articles/")

    other.sign_in("bob")

    demo.expect_signed_in("bob")
    expect(page.get_by_role("listitem").first).to_contain_text("this browser")


def test_another_user_in_another_tab_is_told_and_is_whom_the_app_acts_for(
    page: Page, origin: str
) -> None:
    demo = signed_in(page, origin, "alice")
    page.get_by_label("Title").fill("A thought of alice")
    other = another_tab(demo)
    other.sign_out()
    other.sign_in("bob")
    other.expect_signed_in("bob")

    demo.expect_signed_in("bob")
    expect(page.get_by_label("Title")).to_be_empty()
    demo.write("After the switch")
    demo.expect_article("After the switch", "bob")


def test_a_user_who_signs_in_over_another_is_told_of_in_the_other_tab(
    page: Page, origin: str
) -> None:
    demo = signed_in(page, origin, "alice", "/sessions/")
    admin = another_tab(demo)

    admin.run(
        "({ createSessionClient }, credentials) => createSessionClient().login(credentials)",
        {"username": "bob", "password": PASSWORD},
    )

    expect(notice(page)).to_contain_text("bob has signed in, in another tab.")
    demo.expect_signed_in("bob")
    expect(hood(page)).to_contain_text("switched")


def test_a_session_that_was_ended_elsewhere_is_told_of_once(
    page: Page, new_page: Callable[..., Page], origin: str
) -> None:
    demo = signed_in(page, origin, "bob")
    phone = signed_in(new_page(user_agent="Phone at hand"), origin, "bob", "/sessions/")
    phone.page.get_by_role("button", name="End all others").click()
    expect(phone.page.get_by_role("listitem")).to_have_count(1)

    demo.write("Too late")

    demo.expect_session_ended_elsewhere()
    demo.expect_signed_out()
    expect(page.get_by_label("Title")).to_have_value("Too late")


def test_a_page_from_the_back_forward_cache_shows_nothing_until_the_server_has_answered(
    page: Page, origin: str
) -> None:
    demo = signed_in(page, origin, path="/sessions/")
    expect(page.get_by_role("listitem").first).to_be_visible()
    held: list[Route] = []
    page.route("**/api/auth/user/", lambda route: held.append(route))
    page.context.clear_cookies()

    page.evaluate(SHOW_FROM_CACHE)
    wait_until(page, lambda: bool(held))

    expect(page.get_by_text("Signed in as alice")).to_be_hidden()
    expect(page.get_by_role("listitem")).to_have_count(0)
    for route in held:
        route.continue_()
    demo.expect_signed_out()


def test_being_offline_is_told_and_what_was_there_stays(page: Page, origin: str) -> None:
    demo = signed_in(page, origin)
    expect(page.get_by_role("article").first).to_be_visible()

    page.context.set_offline(True)
    expect(notice(page)).to_contain_text("You are offline.")
    demo.write("Written offline")
    demo.expect_refusal("The server could not be reached.", "network_error")
    demo.expect_signed_in()
    page.context.set_offline(False)

    expect(notice(page)).to_be_empty()
    page.get_by_role("button", name="Publish").click()
    demo.expect_article("Written offline")


# Under the hood


def call(page: Page, text: str) -> Locator:
    return hood(page).get_by_role("group").filter(has_text=text).first


def test_each_request_is_shown_with_its_answer(page: Page, origin: str) -> None:
    demo = Demo(page, origin)
    demo.open("/app/")
    expect(hood(page)).to_contain_text("anonymous")

    demo.write("Not signed in")
    expect(call(page, "POST")).to_contain_text(re.compile(r"POST.*/api/articles/.*401", re.DOTALL))
    expect(call(page, "POST")).to_contain_text("not_authenticated")
    call(page, "POST").locator("summary").press("Enter")
    expect(call(page, "POST")).to_contain_text(re.compile(r"Answer, after \d+ ms"))
    expect(call(page, "POST")).to_contain_text("WWW-Authenticate: Session")
    expect(call(page, "POST")).to_contain_text("X-CSRFToken: (not shown)")
    demo.sign_in()
    demo.expect_signed_in()

    expect(hood(page)).to_contain_text("authenticated")
    expect(hood(page).locator(".event").first).to_have_text(re.compile("event.*login.*alice"))
    hood(page).get_by_role("button", name="Clear").click()
    expect(hood(page).get_by_role("log")).to_be_empty()


def test_a_request_without_an_answer_is_shown_too(page: Page, origin: str) -> None:
    demo = Demo(page, origin)
    demo.open("/app/")
    page.route("**/api/articles/", lambda route: route.abort())

    demo.write("Lost on its way")

    expect(call(page, "POST")).to_contain_text("network_error")


def test_a_request_that_nobody_asked_for_is_marked(page: Page, origin: str) -> None:
    Demo(page, origin).open("/app/")
    expect(hood(page)).to_contain_text("anonymous")

    page.evaluate("fetch('/api/articles/', { headers: { 'Session-Activity': 'passive' } })")

    expect(call(page, "passive").locator("summary")).to_have_text(
        re.compile(r"GET\s+/api/articles/\s+passive\s+200")
    )


def test_no_secret_is_anywhere_in_the_page(page: Page, origin: str) -> None:
    """No secret is in the panel, nor anywhere else in the page."""
    secrets: set[str] = {PASSWORD}

    def collect(request: Request) -> None:
        secrets.update(value for name, value in request.headers.items() if "csrf" in name)

    page.on("request", collect)
    demo = signed_in(page, origin)
    demo.write("Nothing secret in it")
    demo.expect_article("Nothing secret in it")
    secrets.update(cookie.get("value", "") for cookie in page.context.cookies())

    content = page.content()

    assert "/api/auth/login/" in content
    assert len(secrets) >= 4
    assert [secret for secret in secrets if secret in content] == []


def test_the_panel_keeps_the_latest_fifty(page: Page, origin: str) -> None:
    demo = Demo(page, origin)
    demo.open("/app/")
    expect(hood(page)).to_contain_text("anonymous")

    page.evaluate("Promise.all(Array.from({ length: 60 }, () => fetch('/api/articles/')))")

    expect(hood(page).get_by_role("log").locator("> *")).to_have_count(50)
