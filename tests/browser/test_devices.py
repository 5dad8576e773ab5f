"""A person looks at where they are signed in, and ends sessions."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SCREENSHOTS
from tests.browser.demo_server import running_demo
from tests.browser.pages import PASSWORD, Demo

END_OTHERS = """({ createSessionClient }) =>
    createSessionClient().json("/api/auth/sessions/", { method: "DELETE" })"""


def signed_in(chromium: Browser, origin: str, user_agent: str) -> Demo:
    demo = Demo(chromium.new_context(user_agent=user_agent).new_page(), origin)
    demo.open("/app/")
    demo.sign_in("bob")
    demo.expect_signed_in("bob")
    return demo


def test_a_person_ends_the_session_of_another_device(
    demo: Demo, chromium: Browser, origin: str
) -> None:
    demo.open("/app/")
    demo.sign_in("bob")
    demo.expect_signed_in("bob")
    demo.run(END_OTHERS)  # those of other tests
    phone = signed_in(chromium, origin, "Lost phone")
    tablet = signed_in(chromium, origin, "Tablet")
    demo.open("/devices/")
    devices = demo.page.get_by_role("listitem")
    expect(devices.first).to_contain_text("this device")
    expect(devices).to_have_count(3)
    demo.page.screenshot(path=SCREENSHOTS / "devices-screen-light.png")

    devices.filter(has_text="Lost phone").get_by_role("button", name="End").click()
    expect(devices).to_have_count(2)
    phone.write("From a lost phone")
    phone.expect_refusal("Your session has ended.", "401 session_ended")
    demo.page.get_by_role("button", name="End all others").click()

    expect(devices).to_have_count(1)
    expect(demo.page.get_by_role("button", name="End all others")).to_be_hidden()
    tablet.write("From a tablet")
    tablet.expect_refusal("Your session has ended.", "401 session_ended")


def test_ending_this_session_signs_out(demo: Demo) -> None:
    demo.open("/app/")
    demo.sign_in("bob")
    demo.expect_signed_in("bob")
    demo.open("/devices/")

    this = demo.page.get_by_role("listitem").filter(has_text="this device")
    this.get_by_role("button", name="End").click()

    demo.expect_refusal("Log in first.", "401 not_authenticated")
    expect(demo.page.get_by_role("listitem")).to_have_count(0)


def test_the_page_says_why_it_is_empty_for_a_visitor(demo: Demo) -> None:
    demo.open("/devices/")

    demo.expect_refusal("Log in first.", "401 not_authenticated")


def test_a_password_is_asked_for_when_the_login_is_not_recent(
    page: Page, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("short_login")
    with running_demo(folder, "tests.browser.settings_short_login") as origin:
        demo = Demo(page, origin)
        signed_in(chromium, origin, "Lost phone")
        demo.open("/app/")
        demo.sign_in("bob")
        demo.expect_signed_in("bob")
        demo.open("/devices/")
        devices = page.get_by_role("listitem")
        expect(devices).to_have_count(2)
        page.wait_for_timeout(3_100)
        dialog = page.get_by_role("dialog")

        page.get_by_role("button", name="End all others").click()
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()
        expect(devices).to_have_count(2)
        page.get_by_role("button", name="End all others").click()
        dialog.get_by_label("Password").fill("wrong")
        dialog.get_by_role("button", name="Confirm").click()
        expect(dialog.get_by_role("alert")).to_have_text("Invalid credentials")
        dialog.get_by_label("Password").fill(PASSWORD)
        dialog.get_by_role("button", name="Confirm").click()

        expect(devices).to_have_count(1)
        expect(dialog).to_be_hidden()
