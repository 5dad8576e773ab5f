"""A person signs in to the demo, writes articles and signs out, on each of its pages."""

import pytest
from django import VERSION
from playwright.sync_api import Page, expect

from tests.browser.demo_server import running_demo
from tests.browser.pages import PASSWORD, Demo

PAGES = ["/articles/", "/app/", "/mixed/"]
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
    if VERSION >= (6, 0)  # its middleware came with Django 6.0
    else None
)


@pytest.mark.parametrize("path", PAGES)
def test_signing_in_writing_an_article_and_signing_out(demo: Demo, path: str) -> None:
    demo.open(path)
    demo.expect_signed_out()
    demo.sign_in()
    demo.expect_signed_in()

    demo.write(f"Written on {path}")
    demo.expect_article(f"Written on {path}")
    demo.page.reload()
    demo.expect_signed_in()
    demo.expect_article(f"Written on {path}")

    demo.sign_out()
    demo.expect_signed_out()


@pytest.mark.parametrize("path", PAGES)
def test_writing_while_signed_out_is_explained(demo: Demo, path: str) -> None:
    demo.open(path)

    demo.write("Never published")

    demo.expect_refusal("Log in first.", "401 not_authenticated")
    expect(demo.page.get_by_role("heading", name="Never published")).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
def test_a_sign_out_in_another_tab_is_explained_at_the_next_write(demo: Demo, path: str) -> None:
    demo.open(path)
    demo.sign_in()
    demo.expect_signed_in()
    tab = demo.page.context.new_page()
    other = Demo(tab, demo.origin)
    other.open("/articles/")
    other.expect_signed_in()
    other.sign_out()
    other.expect_signed_out()
    demo.expect_signed_out()  # which folds and empties the form

    demo.write("Too late")

    demo.expect_refusal("Log in first.", "401 not_authenticated")
    demo.expect_signed_out()
    demo.sign_in()
    demo.expect_signed_in()
    expect(demo.page.get_by_text("Log in first.")).to_have_count(0)
    demo.page.get_by_role("button", name="Publish").click()
    demo.expect_article("Too late")


@pytest.mark.parametrize("path", ["/articles/", "/mixed/"])
def test_after_a_sign_out_the_back_button_shows_nothing_of_the_session(
    demo: Demo, path: str
) -> None:
    demo.open(path)
    demo.sign_in()
    demo.expect_signed_in()
    rendered = demo.page.reload()
    demo.expect_signed_in()

    demo.open("/app/")
    demo.sign_out()
    demo.expect_signed_out()
    demo.page.go_back()

    expect(demo.page).to_have_url(demo.origin + path)
    demo.expect_signed_out()
    assert rendered
    assert "no-store" in rendered.headers["cache-control"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_the_browser_had_kept_asks_who_is_signed_in(demo: Demo, path: str) -> None:
    demo.open(path)
    demo.sign_in()
    demo.expect_signed_in()
    demo.page.context.clear_cookies()

    # As Safari and Firefox show a page after "back": as it was, scripts and all.
    demo.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    demo.expect_signed_out()


@pytest.mark.parametrize("path", PAGES)
def test_a_server_that_cannot_be_reached_is_told(demo: Demo, path: str) -> None:
    demo.open(path)
    demo.sign_in()
    demo.expect_signed_in()
    demo.page.context.set_offline(True)

    demo.sign_out()

    demo.expect_refusal("The server could not be reached.", "network_error")
    demo.expect_signed_in()


def test_an_app_that_cannot_reach_its_server_says_so(demo: Demo) -> None:
    demo.page.add_init_script("fetch = () => Promise.reject(new TypeError('Offline'))")

    demo.open("/app/")

    demo.expect_refusal("The server could not be reached.", "network_error")


@pytest.mark.parametrize("path", ["/", "/admin/login/", *PAGES])
def test_the_pages_work_under_a_strict_content_security_policy(demo: Demo, path: str) -> None:
    """A refusal of the policy is an error in the console, and that fails each test of a page."""
    answer = demo.page.goto(demo.origin + path)
    demo.page.wait_for_load_state("networkidle")

    assert answer
    assert answer.headers.get("content-security-policy") == POLICY


@pytest.mark.parametrize("path", PAGES)
def test_the_keyboard_and_a_screen_reader_follow_a_sign_in(demo: Demo, path: str) -> None:
    demo.open(path)
    demo.page.get_by_label("Username").fill("alice")
    demo.page.get_by_label("Password").fill(PASSWORD)
    demo.page.get_by_label("Password").press("Enter")
    demo.expect_signed_in()

    expect(demo.page.get_by_text("Signed in as alice")).to_be_focused()
    demo.page.keyboard.press("Tab")
    demo.page.keyboard.press("Enter")
    expect(demo.page.get_by_role("heading", name="Sign in")).to_be_focused()


@pytest.mark.parametrize("path", PAGES)
def test_a_wrong_password_is_refused(demo: Demo, path: str) -> None:
    demo.open(path)

    demo.sign_in(password="wrong")

    demo.expect_refusal("Invalid credentials", "401 invalid_credentials")
    demo.expect_signed_out()


def test_what_the_form_refuses_stands_beside_its_field(demo: Demo) -> None:
    demo.open("/app/")
    demo.sign_in("bob")
    demo.expect_signed_in("bob")

    demo.page.get_by_role("button", name="Publish").click()

    title = demo.page.get_by_label("Title")
    expect(title).to_have_accessible_description("This field is required.")
    expect(title).to_have_attribute("aria-invalid", "true")
    expect(title).to_be_focused()
    expect(demo.page.get_by_text("Some fields are missing")).to_have_count(0)  # said once

    demo.write("Both filled in")
    demo.expect_article("Both filled in", "bob")
    expect(title).to_have_attribute("aria-invalid", "false")
    expect(title).to_have_accessible_description("")


def test_what_a_user_wrote_is_text_and_not_html(demo: Demo) -> None:
    demo.open("/app/")
    demo.sign_in("bob")
    demo.expect_signed_in("bob")
    hostile = "<img src=x onerror=\"document.title='pwned'\">"

    demo.write(hostile, hostile)

    demo.expect_article(hostile, "bob")
    demo.open("/articles/")
    demo.expect_article(hostile, "bob")
    assert "pwned" not in demo.page.title()


def test_the_admin_and_the_pages_share_one_session(demo: Demo) -> None:
    demo.open("/admin/")
    demo.page.get_by_label("Username").fill("alice")
    demo.page.get_by_label("Password").fill(PASSWORD)
    demo.page.get_by_role("button", name="Log in").click()
    expect(demo.page.get_by_role("link", name="View site")).to_be_visible()

    demo.open("/app/")
    demo.expect_signed_in()
    demo.sign_out()
    demo.expect_signed_out()

    demo.open("/admin/")
    expect(demo.page.get_by_role("button", name="Log in")).to_be_visible()


def test_scripts_see_the_csrf_cookie_and_not_the_session_cookie(demo: Demo) -> None:
    demo.open("/app/")
    demo.sign_in()
    demo.expect_signed_in()

    cookies = {cookie["name"]: cookie for cookie in demo.page.context.cookies()}
    seen = demo.page.evaluate("document.cookie")

    assert "csrftoken=" in seen
    assert "sessionid" not in seen
    assert cookies["sessionid"]["httpOnly"]
    assert {cookie["sameSite"] for cookie in cookies.values()} == {"Lax"}


@pytest.mark.parametrize("remember", [True, False])
def test_staying_signed_in_is_the_persons_choice(demo: Demo, remember: bool) -> None:
    demo.open("/app/")
    demo.page.get_by_label("Keep me signed in").set_checked(remember)
    demo.sign_in()
    demo.expect_signed_in()

    [cookie] = [c for c in demo.page.context.cookies() if c["name"] == "sessionid"]
    assert (cookie["expires"] > 0) is remember


def test_nothing_is_left_in_web_storage(demo: Demo) -> None:
    demo.open("/app/")
    demo.sign_in()
    demo.expect_signed_in()

    assert demo.page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]


@pytest.mark.parametrize("variant", ["hidden_cookie", "token_in_session"])
def test_the_client_gets_its_token_where_scripts_cannot_read_it(
    page: Page, variant: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp(variant)
    refused: list[str] = []
    page.on("response", lambda r: refused.append(r.url) if r.status == 403 else None)
    with running_demo(folder, f"tests.browser.settings_{variant}") as origin:
        demo = Demo(page, origin)
        for path in PAGES:
            demo.open(path)
            assert "csrftoken" not in page.evaluate("document.cookie")
            demo.sign_in()
            demo.expect_signed_in()
            demo.write(f"Written on {path}")
            demo.expect_article(f"Written on {path}")
            demo.sign_out()
            demo.expect_signed_out()
    assert refused == []


def test_times_are_those_of_the_visitor_on_each_page(demo: Demo) -> None:
    shown = []
    for path in PAGES:
        demo.open(path)
        demo.page.wait_for_load_state("networkidle")
        shown.append(demo.page.get_by_role("time").all_inner_texts())

    assert shown[0] == shown[1] == shown[2] != []
