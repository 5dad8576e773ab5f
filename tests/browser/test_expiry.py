"""A person is warned before their session ends, and stays signed in or not."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.demo_server import running_demo
from tests.browser.pages import PASSWORD, Demo, wait_until

# A look now and then might miss a time that is shown for a second.
NOTE_TIMES = """() => {
    window.shown = [];
    const note = () => shown.push(document.querySelector(".countdown")?.textContent);
    new MutationObserver(note).observe(document.body, { childList: true, subtree: true });
}"""


@pytest.fixture(scope="module")
def idle_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``make run SHORT=65``: the warning comes after five seconds without a call."""
    folder = tmp_path_factory.mktemp("idle")
    with running_demo(folder, "config.settings_short", DEMO_SHORT="65") as origin:
        yield origin


@pytest.fixture(scope="module")
def absolute_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = "tests.browser.settings_short_absolute"
    with running_demo(tmp_path_factory.mktemp("absolute"), settings) as origin:
        yield origin


def signed_in(page: Page, origin: str) -> Demo:
    demo = Demo(page, origin)
    demo.open("/app/")
    demo.sign_in()
    expect(page.get_by_text("Signed in as alice")).to_be_visible()
    return demo


def warning(page: Page) -> Locator:
    return page.get_by_role("alertdialog", name="Are you still there?")


def test_one_key_in_one_tab_keeps_all_tabs_signed_in(page: Page, idle_origin: str) -> None:
    demo = signed_in(page, idle_origin)
    other = page.context.new_page()
    other.goto(idle_origin + "/articles/")
    for tab in (page, other):
        expect(warning(tab)).to_be_visible()
        expect(warning(tab).get_by_role("timer")).to_have_text(re.compile(r"0:[45]\d|1:00"))
        expect(warning(tab).get_by_role("textbox")).to_have_count(0)
    stay = warning(page).get_by_role("button", name="Stay signed in")
    expect(stay).to_be_focused()

    page.keyboard.press("Enter")

    expect(warning(page)).to_be_hidden()
    expect(warning(other)).to_be_hidden()
    demo.expect_signed_in()


def test_signing_out_in_the_warning_signs_out_every_tab(page: Page, idle_origin: str) -> None:
    demo = signed_in(page, idle_origin)
    other = Demo(page.context.new_page(), idle_origin)
    other.open("/mixed/")
    expect(warning(page)).to_be_visible()

    warning(page).get_by_role("button", name="Sign out now").click()

    for tab in (demo, other):
        expect(warning(tab.page)).to_be_hidden()
        tab.expect_signed_out()


def test_a_session_that_has_lasted_long_enough_goes_on_for_the_password(
    page: Page, absolute_origin: str
) -> None:
    signed_in(page, absolute_origin)
    timer = warning(page).get_by_role("timer")
    expect(warning(page)).to_contain_text("prove that it is you")
    expect(warning(page).get_by_label("Password")).to_be_focused()
    expect(timer).to_have_text(re.compile("0:0[1-7]"))
    page.evaluate(NOTE_TIMES)

    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")

    wait_until(page, lambda: bool({"0:09", "0:10", "0:11"} & set(page.evaluate("shown"))))


def test_the_end_of_a_session_is_told_and_takes_nothing_that_was_typed(
    page: Page, absolute_origin: str
) -> None:
    demo = signed_in(page, absolute_origin)
    expect(warning(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(warning(page)).to_be_hidden()
    page.get_by_label("Title").fill("Half of a thought")

    expect(page.get_by_role("status")).to_contain_text(
        "Your session has ended: it had lasted as long as it may."
    )

    demo.expect_signed_out()
    expect(page.get_by_label("Title")).to_have_value("Half of a thought")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#notice")).to_be_empty()
