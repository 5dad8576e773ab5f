"""The admin where a first factor is overdue: its page to set one up, on a phone, by keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS
from tests.browser.demo_server import running_demo
from tests.browser.pages import PASSWORD
from tests.browser.test_looks import expect_to_be_readable
from tests.browser.test_passkeys import AUTHENTICATOR
from tests.factors.calls import code_of, from_base32

USERS = "/admin/auth/user/"


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("overdue")
    with running_demo(folder, "tests.browser.settings_factor_required") as origin:
        yield origin.replace("127.0.0.1", "localhost")


def log_in(page: Page, site: str) -> None:
    page.set_viewport_size({"width": 375, "height": 700})
    page.goto(site + USERS)
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")


def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def test_a_first_passkey_is_made_on_the_way_into_the_admin(page: Page, site: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable", {"enableUI": False})
    phone = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    phone = {"authenticatorId": phone["authenticatorId"]}
    log_in(page, site)

    expect(page.get_by_text("Set up a second way to prove that it is you.")).to_be_visible()
    expect(page.locator("strong")).to_have_text("New passkey")
    expect(page.locator("#id_credential")).to_be_hidden()
    expect_to_be_readable(page)
    shoot(page, "admin-new-passkey")
    name = page.get_by_label("Name")
    name.fill("Phone")
    cdp.send("WebAuthn.setUserVerified", {**phone, "isUserVerified": False})
    name.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("No passkey was used.")
    expect(name).to_have_value("Phone")
    assert cdp.send("WebAuthn.getCredentials", phone)["credentials"] == []
    cdp.send("WebAuthn.setUserVerified", {**phone, "isUserVerified": True})
    name.press("Enter")

    expect(page).to_have_url(site + USERS)
    expect(page.get_by_role("heading", name="Select user to change")).to_be_visible()
    [made] = cdp.send("WebAuthn.getCredentials", phone)["credentials"]
    assert made["isResidentCredential"]

    page.context.clear_cookies()
    log_in(page, site)
    expect(page.locator("strong")).to_have_text("passkey")  # no second one can be made
    expect(page.locator("#id_credential")).to_be_hidden()  # the script of the page has run
    page.get_by_role("button", name="Log in").press("Enter")
    expect(page).to_have_url(site + USERS)
    assert not [said for said in complaints if "Policy" in said]


def test_or_an_authenticator_app_is_set_up_there(page: Page, site: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    log_in(page, site)
    page.get_by_role("link", name="New authenticator app").click()

    picture = page.get_by_role("img", name="QR code")
    expect(picture).to_be_visible()
    expect_to_be_readable(page)
    box = picture.bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (200, 200)
    shoot(page, "admin-new-app")
    secret = page.locator("code").inner_text()
    field = page.get_by_role("textbox", name="Code")
    expect(field).to_be_focused()
    field.fill("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Invalid credentials")
    expect(page.locator("code")).to_have_text(secret)
    expect(field).to_be_focused()
    code = code_of(from_base32(secret))
    field.fill(code)
    page.keyboard.press("Enter")

    expect(page).to_have_url(site + USERS)
    assert not [said for said in complaints if "Policy" in said]
