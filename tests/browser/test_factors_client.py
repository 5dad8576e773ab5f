"""The client's module for second factors, in a real Chromium with an authenticator in it."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.demo_server import running_demo
from tests.browser.pages import PASSWORD, wait_until
from tests.browser.test_passkeys import Phone

SCRIPT = """
(async () => {
  const {createSessionClient} = await import('/static/session_auth/session-auth.js')
  const {createFactors} = await import('/static/session_auth/factors.js')
  window.client = createSessionClient()
  window.factors = createFactors(client)
  window.signedIn = () => client.login({username: 'alice', password: '%s'})
  window.refused = (promise) => promise.then(() => null, ({name, code}) => [name, code])
})()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("factors")
    with running_demo(folder, "tests.browser.settings_quick") as origin:
        yield origin.replace("127.0.0.1", "localhost")


@pytest.fixture
def phone(page: Page, site: str) -> Iterator[Phone]:
    """A phone with a passkey of alice, who is logged out; it is removed at the end."""
    phone = Phone(page, site)
    page.evaluate(SCRIPT % PASSWORD)
    phone.do("signedIn()")
    phone.do("factors.passkeys.add({name: 'Phone'})")
    phone.do("client.logout()")
    yield phone
    phone.command("setUserVerified", isUserVerified=True)
    if phone.passkeys():
        phone.do("factors.passkeys.login()")
        phone.do("(async () => factors.passkeys.remove((await factors.list()).passkeys[0].id))()")
        assert phone.passkeys() == []


def who(result: Any) -> Any:
    return result["user"]["username"]


def test_a_button_logs_in(phone: Phone) -> None:
    assert who(phone.do("factors.passkeys.login({remember: true})")) == "alice"
    assert phone.do("client.getSnapshot()")["user"]["username"] == "alice"


def test_autofill_logs_in(phone: Phone) -> None:
    phone.do("document.querySelector('input[name=username]').autocomplete = 'username webauthn'")

    assert who(phone.do("factors.passkeys.autofill()")) == "alice"


def test_a_login_goes_on_by_a_passkey(phone: Phone) -> None:
    due = phone.do(f"factors.login({{username: 'alice', password: '{PASSWORD}'}})")

    passed = phone.do("factors.pass({method: 'passkey'})")

    assert (due["user"], due["stage"]["methods"]) == (None, ["passkey"])
    assert (who(passed), passed["stage"]) == ("alice", None)


def test_a_passkey_proves_who_one_is_again(phone: Phone) -> None:
    phone.do("factors.passkeys.login()")

    assert phone.do("factors.prove({method: 'passkey'})")["username"] == "alice"


def test_who_is_not_verified_is_told_that_no_passkey_was_used(phone: Phone) -> None:
    phone.command("setUserVerified", isUserVerified=False)

    refusal = phone.do("refused(factors.passkeys.login())")

    assert refusal == ["SessionAuthError", "passkey_failed"]


def test_a_browser_is_told_of_a_passkey_that_the_site_does_not_know(phone: Phone) -> None:
    phone.do("factors.passkeys.login()")
    [passkey] = phone.passkeys()
    phone.do("(async () => factors.passkeys.remove((await factors.list()).passkeys[0].id))()")
    phone.command("addCredential", credential=passkey)

    refusal = phone.do("refused(factors.passkeys.login())")

    assert refusal == ["SessionAuthError", "unknown_passkey"]
    wait_until(phone.page, lambda: phone.passkeys() == [])  # the client waits for no browser


def test_a_passkey_is_read_and_made_where_the_browser_cannot_read_json(phone: Phone) -> None:
    phone.page.evaluate(
        """() => {
          delete PublicKeyCredential.parseCreationOptionsFromJSON
          delete PublicKeyCredential.parseRequestOptionsFromJSON
          delete PublicKeyCredential.prototype.toJSON
        }"""
    )

    assert who(phone.do("factors.passkeys.login()")) == "alice"
    message = phone.do("factors.passkeys.add().then(() => null, ({message}) => message)")
    assert message == "You have a passkey here already."
