"""A person signs in to the demo, writes articles and signs out, on each of its pages."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS
from tests.browser.demo_server import running_demo
from tests.browser.pages import PASSWORD, Demo

PAGES = ["/articles/", "/app/", "/mixed/"]


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


def test_a_sign_out_in_another_tab_is_explained_at_the_next_write(demo: Demo) -> None:
    demo.open("/app/")
    demo.sign_in()
    demo.expect_signed_in()
    tab = demo.page.context.new_page()
    other = Demo(tab, demo.origin)
    other.open("/articles/")
    other.expect_signed_in()
    other.sign_out()
    other.expect_signed_out()

    demo.write("Too late")

    demo.expect_refusal("Log in first.", "401 not_authenticated")


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

    demo.expect_refusal("Some fields are missing or not valid.", "400 invalid_request")
    expect(demo.page.locator("[data-field=title]")).to_have_text("This field is required.")


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_fit_a_phone_and_a_screen(demo: Demo, scheme: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    demo.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for path in ["/", *PAGES]:
        for width, device in ((1200, "screen"), (390, "phone")):
            demo.page.set_viewport_size({"width": width, "height": 900})
            demo.open(path)
            demo.page.wait_for_load_state("networkidle")
            name = path.strip("/") or "home"
            demo.page.screenshot(path=SCREENSHOTS / f"{name}-{device}-{scheme}.png")

            content, screen = demo.page.evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
            )
            assert content <= screen
