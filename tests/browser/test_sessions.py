"""A person looks at where they are signed in, and ends sessions."""

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo_server import running_demo
from tests.browser.pages import PASSWORD, Demo

END_OTHERS = """({ createSessionClient }) =>
    createSessionClient().json("/api/auth/sessions/", { method: "DELETE" })"""
# At once, or the login would no longer be recent where that is a matter of seconds.
LOG_IN_AND_END_OTHERS = f"""async (module, credentials) => {{
    await module.createSessionClient().login(credentials);
    await ({END_OTHERS})(module);
}}"""


def signed_in(new_page: Callable[..., Page], origin: str, user_agent: str) -> Demo:
    demo = Demo(new_page(user_agent=user_agent), origin)
    demo.open("/app/")
    demo.sign_in("bob")
    demo.expect_signed_in("bob")
    return demo


def test_a_person_ends_a_session_elsewhere(
    demo: Demo, new_page: Callable[..., Page], origin: str
) -> None:
    demo.open("/app/")
    demo.sign_in("bob")
    demo.expect_signed_in("bob")
    demo.run(END_OTHERS)  # those of other tests
    phone = signed_in(new_page, origin, "Lost phone")
    tablet = signed_in(new_page, origin, "Tablet")
    demo.open("/sessions/")
    sessions = demo.page.get_by_role("listitem")
    expect(sessions.first).to_contain_text("this browser")
    expect(sessions).to_have_count(3)

    sessions.filter(has_text="Lost phone").get_by_role("button", name="End").click()
    expect(sessions).to_have_count(2)
    phone.write("From a lost phone")
    phone.expect_session_ended_elsewhere()
    demo.page.get_by_role("button", name="End all others").click()

    expect(sessions).to_have_count(1)
    expect(demo.page.get_by_role("button", name="End all others")).to_be_hidden()
    tablet.write("From a tablet")
    tablet.expect_session_ended_elsewhere()


def test_ending_this_session_signs_out(demo: Demo) -> None:
    demo.open("/app/")
    demo.sign_in("bob")
    demo.expect_signed_in("bob")
    demo.open("/sessions/")

    this = demo.page.get_by_role("listitem").filter(has_text="this browser")
    this.get_by_role("button", name="End").click()

    expect(demo.page.get_by_role("status")).to_contain_text("You are signed out, in every tab.")
    expect(demo.page.get_by_role("listitem")).to_have_count(0)


def test_the_page_says_why_it_is_empty_for_a_visitor(demo: Demo) -> None:
    demo.open("/sessions/")

    expect(demo.page.get_by_text("Sign in to see where else you are.")).to_be_visible()
    demo.expect_signed_out()


@pytest.fixture(scope="module")
def short_login_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A demo in which a login is recent for three seconds only."""
    folder = tmp_path_factory.mktemp("short_login")
    with running_demo(folder, "tests.browser.settings_short_login") as origin:
        yield origin


@pytest.fixture
def demo_with_old_login(page: Page, new_page: Callable[..., Page], short_login_origin: str) -> Demo:
    """The list of two sessions; the login was three seconds ago."""
    demo = Demo(page, short_login_origin)
    demo.open("/app/")
    demo.run(LOG_IN_AND_END_OTHERS, {"username": "bob", "password": PASSWORD})
    old_at = time.monotonic() + 3
    signed_in(new_page, short_login_origin, "Lost phone")
    demo.open("/sessions/")
    expect(page.get_by_role("listitem")).to_have_count(2)
    page.wait_for_timeout(max(0, old_at - time.monotonic()) * 1000)
    return demo


def test_a_password_is_asked_for_when_the_login_is_not_recent(
    demo_with_old_login: Demo,
) -> None:
    page = demo_with_old_login.page
    sessions = page.get_by_role("listitem")
    dialog = page.get_by_role("dialog", name="Is it you?")

    page.get_by_role("button", name="End all others").click()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    expect(sessions).to_have_count(2)
    expect(page.locator("#sessions-error")).to_be_empty()  # who has cancelled knows
    page.get_by_role("button", name="End all others").click()
    expect(dialog.locator("[autocomplete=username]")).to_have_value("bob")  # for password managers
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog.get_by_role("alert")).to_have_text("This is not your password.")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Confirm").click()

    expect(sessions).to_have_count(1)
    expect(dialog).to_be_hidden()


def test_the_password_is_asked_for_and_given_by_keyboard_alone(
    demo_with_old_login: Demo,
) -> None:
    page = demo_with_old_login.page
    end_others = page.get_by_role("button", name="End all others")
    dialog = page.get_by_role("dialog", name="Is it you?")
    keyboard = page.keyboard

    end_others.focus()
    keyboard.press("Enter")
    expect(dialog.get_by_label("Password")).to_be_focused()
    keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(end_others).to_be_focused()
    expect(page.locator("#sessions-error")).to_be_empty()
    keyboard.press("Enter")
    expect(dialog.get_by_label("Password")).to_be_focused()
    keyboard.type(PASSWORD)
    keyboard.press("Enter")

    expect(dialog).to_be_hidden()
    expect(page.get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_role("list")).to_be_focused()


def test_a_question_for_the_password_goes_when_another_tab_signs_out(
    demo_with_old_login: Demo,
) -> None:
    demo = demo_with_old_login
    dialog = demo.page.get_by_role("dialog", name="Is it you?")
    demo.page.get_by_role("button", name="End all others").click()
    expect(dialog).to_be_visible()
    other = Demo(demo.page.context.new_page(), demo.origin)
    other.open("/articles/")

    other.sign_out()

    expect(dialog).to_be_hidden()
    demo.expect_signed_out()
