"""What a person sees first, on a phone and on a laptop: one thing at a time, said once, in view."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import PASSWORD, Demo

PHONE, LAPTOP = {"width": 375, "height": 667}, {"width": 1280, "height": 800}
FORMS = "#main form:visible"
VISITORS_PAGES = ["/app/", "/articles/", "/mixed/", "/sessions/", "/password/"]


@pytest.fixture(params=[PHONE, LAPTOP], ids=["phone", "laptop"])
def screen(request: pytest.FixtureRequest, new_page: Callable[..., Page], origin: str) -> Demo:
    return Demo(new_page(viewport=request.param), origin)


@pytest.fixture
def phone(new_page: Callable[..., Page], origin: str) -> Demo:
    return Demo(new_page(viewport=PHONE), origin)


def head(demo: Demo) -> Locator:
    return demo.page.locator("header.bar")


def tab_of(demo: Demo, path: str) -> Demo:
    tab = Demo(demo.page.context.new_page(), demo.origin)
    tab.open(path)
    return tab


def log_in_to_admin(demo: Demo) -> None:
    demo.page.get_by_label("Username").fill("alice")
    demo.page.get_by_label("Password").fill(PASSWORD)
    demo.page.get_by_role("button", name="Log in").click()


def edges(locator: Locator) -> dict[str, float]:
    box = locator.bounding_box()
    assert box
    return {
        "top": box["y"],
        "middle": box["y"] + box["height"] / 2,
        "bottom": box["y"] + box["height"],
    }


# The head


def test_the_first_page_leads_to_the_form_and_shows_who_is_signed_in(screen: Demo) -> None:
    screen.open("/")
    head(screen).get_by_role("link", name="Sign in").click()
    screen.sign_in()
    screen.expect_signed_in()

    screen.open("/")

    expect(head(screen)).to_contain_text("alice")
    expect(
        screen.page.get_by_text("You are signed in, here and in every other tab.")
    ).to_be_visible()
    screen.sign_out()
    expect(head(screen).get_by_role("link", name="Sign in")).to_be_focused()
    expect(screen.page.locator(".now:visible")).to_contain_text("Nobody is signed in.")


@pytest.mark.parametrize("path", ["/app/", "/articles/"])
def test_where_the_form_is_the_link_leads_into_it(screen: Demo, path: str) -> None:
    screen.open(path)

    head(screen).get_by_role("link", name="Sign in").click()

    expect(screen.page.get_by_label("Username")).to_be_focused()
    expect(screen.page).to_have_url(screen.origin + path)


def test_the_first_page_follows_the_other_tabs(demo: Demo) -> None:
    demo.open("/")
    other = tab_of(demo, "/articles/")
    other.sign_in()
    expect(head(demo)).to_contain_text("Signed in as alice")

    other.sign_out()

    expect(head(demo).get_by_role("link", name="Sign in")).to_be_visible()
    expect(demo.page.locator("#notice")).to_contain_text("You are signed out, in every tab.")


def test_the_first_page_follows_the_admin(demo: Demo) -> None:
    demo.open("/")
    admin = tab_of(demo, "/admin/")
    log_in_to_admin(admin)
    expect(head(demo)).to_contain_text("Signed in as alice")

    admin.page.get_by_role("button", name="Log out").click()

    expect(head(demo).get_by_role("link", name="Sign in")).to_be_visible()


def test_only_the_app_asks_who_is_signed_in_when_it_loads(demo: Demo) -> None:
    """The other pages say it; the app's is the same for everybody."""
    demo.open("/articles/")
    demo.sign_in()
    demo.expect_signed_in()
    calls: list[str] = []
    demo.page.on("request", lambda request: calls.append(request.url))

    def asked(path: str) -> list[str]:
        calls.clear()
        demo.open(path)
        expect(head(demo)).to_contain_text("Signed in as alice")
        demo.page.wait_for_load_state("networkidle")
        return [url.removeprefix(demo.origin) for url in calls if "/api/auth/" in url]

    assert [asked(path) for path in ["/", "/articles/", "/mixed/"]] == [[], [], []]
    assert asked("/app/") == ["/api/auth/user/"]


def test_the_head_of_a_phone_has_two_rows(phone: Demo) -> None:
    phone.open("/app/")
    assert edges(head(phone))["bottom"] < 100

    phone.sign_in()
    phone.expect_signed_in()

    assert edges(head(phone))["bottom"] < 100


# One thing at a time


@pytest.mark.parametrize("path", VISITORS_PAGES)
def test_a_visitor_sees_the_heading_first_and_one_form(screen: Demo, path: str) -> None:
    screen.open(path)
    expect(screen.page.locator(FORMS)).to_have_count(1)

    heading = screen.page.get_by_role("heading", level=1)

    assert edges(heading)["bottom"] < edges(screen.page.locator(FORMS))["top"]


def test_under_the_hood_is_in_view_on_a_phone_and_hides_nothing_that_has_the_focus(
    phone: Demo,
) -> None:
    phone.open("/app/")
    hood = phone.page.get_by_role("complementary", name="Under the hood")
    expect(hood.get_by_role("log")).to_contain_text("/api/auth/user/")
    assert edges(hood)["bottom"] <= PHONE["height"]
    expect(hood.get_by_role("button", name="Clear")).to_be_hidden()

    publish = phone.page.get_by_role("button", name="Publish")
    phone.page.locator("summary", has_text="Write an article").press("Enter")
    phone.page.get_by_label("Text").focus()
    publish.evaluate("(e) => scrollBy(0, e.getBoundingClientRect().bottom - innerHeight)")
    assert edges(publish)["bottom"] > edges(hood)["top"]  # it is behind
    phone.page.keyboard.press("Tab")
    expect(publish).to_be_focused()
    assert edges(publish)["bottom"] < edges(hood)["top"]

    fold = hood.get_by_role("button", name="Show")
    fold.click()
    expect(hood.get_by_role("button", name="Clear")).to_be_visible()
    expect(hood.get_by_role("button", name="Hide")).to_have_attribute("aria-expanded", "true")
    assert edges(hood)["bottom"] <= PHONE["height"]


def test_a_card_of_a_session_keeps_its_name_and_its_button_in_one_row(screen: Demo) -> None:
    screen.open("/sessions/")
    screen.sign_in()
    card = screen.page.get_by_role("listitem").filter(has_text="this browser")
    expect(card).to_be_visible()
    name, badge = card.get_by_role("strong"), card.get_by_text("this browser")
    button = card.get_by_role("button", name="End")

    title, box, whole = card.locator(".title").bounding_box(), button.bounding_box(), edges(card)
    assert title
    assert box
    is_beside = box["x"] >= title["x"] + title["width"]
    assert is_beside
    assert whole["top"] < edges(button)["middle"] < whole["bottom"]
    left_of_name, left_of_badge = name.bounding_box(), badge.bounding_box()
    assert left_of_name
    assert left_of_badge
    assert left_of_badge["x"] >= left_of_name["x"]


# Said once, and in view


def test_the_answer_to_a_form_is_in_view_and_what_was_said_before_is_gone(screen: Demo) -> None:
    page = screen.page
    screen.open("/password/")
    page.locator("#ask form").evaluate("(form) => (form.noValidate = true)")
    page.get_by_label("Email").fill("alice")
    page.get_by_role("button", name="Send a link").click()
    expect(page.get_by_text("Enter a valid email address.")).to_be_in_viewport()

    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_role("button", name="Send a link").click()

    expect(page.get_by_text("a link is on its way")).to_be_in_viewport(ratio=1)
    expect(page.get_by_text("Enter a valid email address.")).to_have_count(0)
    expect(page.get_by_label("Email")).to_have_attribute("aria-invalid", "false")


def test_an_answer_takes_away_what_another_form_has_refused(phone: Demo) -> None:
    page = phone.page
    phone.open("/app/")
    phone.sign_in("bob")
    phone.expect_signed_in("bob")
    page.get_by_role("link", name="Password").click()
    page.get_by_label("Old password").fill("wrong")
    page.get_by_role("textbox", name="New password").fill("an even better horse")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your old password was entered incorrectly.")).to_be_visible()

    page.get_by_label("Email").fill("bob@example.org")
    page.get_by_role("button", name="Send a link").click()

    expect(page.get_by_text("a link is on its way")).to_be_in_viewport(ratio=1)
    expect(page.get_by_text("Your old password was entered incorrectly.")).to_have_count(0)


def test_the_addresses_of_the_users_are_told(demo: Demo) -> None:
    demo.open("/password/")

    expect(demo.page.locator("#ask")).to_contain_text(
        re.compile("alice@example.org.*bob@example.org")
    )


def test_an_end_is_no_success(demo: Demo) -> None:
    colour = "(notice) => getComputedStyle(notice).backgroundColor"
    demo.open("/app/")
    demo.sign_in("bob")
    demo.expect_signed_in("bob")
    demo.sign_out()
    demo.expect_signed_out()
    notice = demo.page.locator("#notice")
    of_success = notice.evaluate(colour)
    demo.sign_in("bob")
    demo.expect_signed_in("bob")
    demo.page.context.clear_cookies()

    demo.write("Too late")

    demo.expect_session_ended_elsewhere()
    expect(notice).to_be_in_viewport(ratio=1)
    assert notice.evaluate(colour) != of_success


def test_what_developers_have_to_do_is_under_the_hood_and_nowhere_else(demo: Demo) -> None:
    demo.open("/app/")

    demo.write("Never published")

    demo.expect_refusal("Log in first.", "401 not_authenticated")
    expect(demo.page.locator("#view")).not_to_contain_text("credentials")
    call = demo.page.locator(".call", has_text="not_authenticated")
    call.locator("summary").click()
    expect(call).to_contain_text("Hint for developers")
    expect(call).to_contain_text("call fetch() with credentials: 'same-origin'")
