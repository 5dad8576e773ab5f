"""The demo's page of sign-in methods, and its second step, with an authenticator in the browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS
from tests.browser.demo_server import running_demo
from tests.browser.pages import PASSWORD
from tests.browser.test_passkeys import AUTHENTICATOR
from tests.factors.calls import code_of, from_base32


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("methods")
    with running_demo(folder, "tests.browser.settings_quick") as origin:
        yield origin.replace("127.0.0.1", "localhost")


@pytest.fixture
def phone(page: Page, site: str) -> Page:
    """The page of sign-in methods on a phone, with alice signed in."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable", {"enableUI": False})
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    page.set_viewport_size({"width": 360, "height": 780})
    page.goto(site + "/methods/")
    sign_in(page)
    expect(page.locator("#me")).to_have_text("alice")
    return page


def sign_in(page: Page) -> None:
    page.get_by_label("Username").fill("alice")
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#login")).to_be_visible()


def set_up_app(page: Page) -> bytes:
    """Set up an app, by the code of now: that of the next step is unused, and good already."""
    page.get_by_role("button", name="Set up an app").click()
    expect(page.locator("#qr-code svg")).to_be_visible()
    secret = from_base32(page.locator("#app-secret").inner_text())
    page.get_by_label("The six digits").fill(code_of(secret))
    page.get_by_role("button", name="Set up the app").click()
    expect(page.locator("#app-state")).to_contain_text("Set up")
    expect(page.locator("#app-heading")).to_be_focused()
    return secret


def test_a_passkey_is_added_named_used_and_removed(phone: Page) -> None:
    phone.get_by_label("Name of a new passkey").fill("Phone")
    phone.get_by_role("button", name="Add a passkey").click()
    expect(phone.locator("#passkeys .name")).to_have_text("Phone")
    phone.get_by_role("button", name="Rename Phone").click()
    phone.get_by_label("Name", exact=True).fill("My phone")
    phone.locator("dialog").get_by_role("button", name="Rename").click()
    expect(phone.locator("#passkeys .name")).to_have_text("My phone")
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # The page offers passkeys in the field for the name, and the user takes one at once.
    with phone.expect_response("**/login/passkey/"):
        phone.get_by_role("button", name="Sign out").click()
    expect(phone.locator("#me")).to_have_text("alice")

    phone.get_by_role("button", name="Remove My phone").click()

    # The session was opened by nothing else, and ends with it.
    expect(phone.locator("#login")).to_be_visible()
    expect(phone.locator("#notice")).to_contain_text("session was ended")
    expect(phone.locator("#passkeys li")).to_have_count(0)


def test_a_code_of_an_app_is_the_second_step_and_a_recovery_code_stands_in(phone: Page) -> None:
    secret = set_up_app(phone)
    phone.get_by_role("button", name="Make new codes").click()
    expect(phone.locator("#codes li")).to_have_count(10)
    codes = phone.locator("#codes li").all_inner_texts()
    with phone.expect_download() as saved:
        phone.get_by_role("button", name="Save as a file").click()
    sign_out(phone)
    sign_in(phone)
    expect(phone.locator("#stage-code")).to_be_focused()
    phone.keyboard.type("000000")
    phone.keyboard.press("Enter")
    expect(phone.locator("#stage .error")).not_to_be_empty()
    phone.locator("#stage-code").fill(code_of(secret, steps=1))
    phone.keyboard.press("Enter")
    expect(phone.locator("#me")).to_have_text("alice")
    sign_out(phone)
    sign_in(phone)
    phone.locator("#stage-code").fill(codes[0])
    phone.keyboard.press("Enter")

    expect(phone.locator("#codes-state")).to_contain_text("9 left")
    assert len(codes) == len(set(codes)) == 10
    assert saved.value.path().read_text().splitlines()[1:] == codes


def test_a_proof_is_asked_for_by_what_the_user_has(phone: Page) -> None:
    secret = set_up_app(phone)
    phone.route(
        re.compile("/recovery-codes/$"),
        lambda route: route.fulfill(
            status=403,
            json={"error": "Confirm it.", "code": "reauthentication_required", "methods": ["totp"]},
        ),
        times=1,
    )

    phone.get_by_role("button", name="Make new codes").click()
    dialog = phone.get_by_role("dialog", name="Is it you?")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_label("Code").fill(code_of(secret, steps=1))
    expect(dialog.get_by_role("button", name="Use a passkey")).to_be_hidden()
    dialog.get_by_role("button", name="Confirm").click()

    expect(phone.locator("#codes li")).to_have_count(10)


def add_passkey(page: Page) -> None:
    page.get_by_label("Name of a new passkey").fill("Phone")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#passkeys .name")).to_have_text("Phone")


def test_a_passkey_is_the_second_step_into_the_admin(phone: Page, site: str) -> None:
    complaints: list[str] = []
    phone.on("console", lambda said: complaints.append(said.text))
    add_passkey(phone)
    phone.context.clear_cookies()

    phone.goto(site + "/admin/auth/user/")
    phone.get_by_label("Username").fill("alice")
    phone.get_by_label("Password").fill(PASSWORD)
    phone.get_by_role("button", name="Log in").click()
    expect(phone.locator("strong")).to_have_text("passkey")
    expect(phone.locator("#id_credential")).to_be_hidden()
    SCREENSHOTS.mkdir(exist_ok=True)
    phone.screenshot(path=SCREENSHOTS / "admin-passkey.png")
    phone.evaluate(
        "() => { const { get } = CredentialsContainer.prototype;"
        " CredentialsContainer.prototype.get = function () {"
        " CredentialsContainer.prototype.get = get;"
        " return Promise.reject(new DOMException('', 'NotAllowedError')); } }"
    )
    phone.keyboard.press("Tab")
    phone.get_by_role("button", name="Log in").press("Enter")
    expect(phone.get_by_role("alert")).to_have_text("No passkey was used.")
    assert phone.url.startswith(site + "/api/auth/login/second-factor/page/")
    phone.get_by_role("button", name="Log in").press("Enter")

    expect(phone).to_have_url(site + "/admin/auth/user/")
    expect(phone.get_by_role("heading", name="Select user to change")).to_be_visible()
    assert not [said for said in complaints if "Policy" in said]


def test_a_login_in_another_tab_ends_a_step_that_waits(phone: Page, site: str) -> None:
    secret = set_up_app(phone)
    sign_out(phone)
    sign_in(phone)
    expect(phone.locator("#stage-code")).to_be_focused()
    other = phone.context.new_page()
    other.goto(site + "/methods/")
    sign_in(other)
    other.locator("#stage-code").fill(code_of(secret, steps=1))
    other.keyboard.press("Enter")

    for page in (other, phone):
        expect(page.locator("#me")).to_have_text("alice")
        expect(page.locator("#stage")).to_be_hidden()


def test_who_goes_back_amid_the_steps_is_nobody_and_can_start_over(phone: Page, site: str) -> None:
    secret = set_up_app(phone)
    sign_out(phone)
    sign_in(phone)
    expect(phone.locator("#stage-code")).to_be_focused()

    phone.goto(site + "/app/")
    phone.go_back()
    phone.reload()

    expect(phone.locator("#login")).to_be_visible()
    expect(phone.locator("#stage")).to_be_hidden()
    assert phone.evaluate("fetch('/api/auth/user/').then((r) => r.json())") == {"user": None}
    sign_in(phone)
    phone.locator("#stage-code").fill(code_of(secret, steps=1))
    phone.keyboard.press("Enter")
    expect(phone.locator("#me")).to_have_text("alice")
