"""Passkeys in a real Chromium, with an authenticator in it that the test commands.

The calls are plain ``fetch()`` and ``navigator.credentials``, as docs/factors.md has them.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page

from tests.browser.demo_server import running_demo
from tests.browser.pages import PASSWORD

AUTHENTICATOR = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
    "defaultBackupEligibility": True,
    "defaultBackupState": True,
}
SCRIPT = """
window.call = async (method, path, body) => {
  const {csrfToken} = await (await fetch('/api/auth/csrf/')).json()
  const response = await fetch('/api/auth/' + path, {
    method,
    headers: {'Content-Type': 'application/json', 'X-CSRFToken': csrfToken},
    body: method === 'GET' ? undefined : JSON.stringify(body ?? {}),
  })
  const text = await response.text()
  return {status: response.status, ...(text ? JSON.parse(text) : {})}
}
window.create = async (name) => {
  const {publicKey} = await call('POST', 'factors/passkeys/options/')
  const made = await navigator.credentials.create({
    publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey),
  })
  return call('POST', 'factors/passkeys/', {credential: made.toJSON(), name})
}
window.use = async (purpose, mediation) => {
  const {publicKey} = await call('POST', 'passkeys/options/', {purpose})
  const used = await navigator.credentials.get({
    mediation,
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey),
  })
  return used.toJSON()
}
window.logIn = async (mediation = 'optional') =>
  call('POST', 'login/passkey/', {credential: await use('login', mediation)})
null  // or Playwright would call what was assigned last
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("passkeys")
    with running_demo(folder, "tests.browser.settings_quick") as origin:
        yield origin.replace("127.0.0.1", "localhost")


class Phone:
    """The authenticator in a page's browser, and what its user does in the page."""

    def __init__(self, page: Page, site: str) -> None:
        self.page, self.site = page, site
        self.cdp: CDPSession = page.context.new_cdp_session(page)
        self.cdp.send("WebAuthn.enable", {"enableUI": False})
        added = self.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        self.id = added["authenticatorId"]
        self.open()

    def open(self) -> None:
        self.page.goto(self.site + "/admin/login/")
        self.page.evaluate(SCRIPT)

    def do(self, script: str) -> Any:
        return self.page.evaluate(f"async () => {script}")

    def command(self, name: str, **options: object) -> Any:
        return self.cdp.send(f"WebAuthn.{name}", {"authenticatorId": self.id, **options})

    def passkeys(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.command("getCredentials")["credentials"]
        return found

    def log_in_by_password(self) -> Any:
        return self.do(f"call('POST', 'login/', {{username: 'alice', password: '{PASSWORD}'}})")

    def log_out(self) -> None:
        self.do("call('POST', 'logout/')")

    def user(self) -> Any:
        return self.do("call('GET', 'user/')")["user"]


@pytest.fixture
def phone(page: Page, site: str) -> Iterator[Phone]:
    """A phone with a passkey of alice, who is logged out; it is removed at the end."""
    phone = Phone(page, site)
    assert phone.log_in_by_password()["status"] == 200
    made = phone.do("create('Phone')")
    assert made["status"] == 201, made
    phone.log_out()
    yield phone
    phone.command("setUserVerified", isUserVerified=True)
    if phone.passkeys():
        phone.do("logIn()")
        phone.do(f"call('DELETE', 'factors/passkeys/{made['passkey']['id']}/')")


def test_a_button_logs_in(phone: Phone) -> None:
    assert phone.do("logIn()")["status"] == 200
    assert phone.user()["username"] == "alice"


def test_autofill_logs_in(phone: Phone) -> None:
    phone.do("document.querySelector('input[name=username]').autocomplete = 'username webauthn'")

    assert phone.do("logIn('conditional')")["status"] == 200
    assert phone.user()["username"] == "alice"


def test_it_is_the_second_factor_after_the_password(phone: Phone) -> None:
    refused = phone.log_in_by_password()

    passed = phone.do(
        "call('POST', 'login/second-factor/', {method: 'passkey', credential: await use('proof')})"
    )

    assert (refused["code"], refused["methods"]) == ("second_factor_required", ["passkey"])
    assert passed["status"] == 200
    assert phone.user()["username"] == "alice"


def test_it_proves_who_one_is_again(phone: Phone) -> None:
    phone.do("logIn()")

    proof = phone.do(
        "call('POST', 'reauthenticate/', {method: 'passkey', credential: await use('proof')})"
    )

    assert (proof["status"], list(proof["session"]["methods"])) == (200, ["passkey"])


def test_an_authenticator_that_verifies_nobody_is_of_no_use(phone: Phone) -> None:
    phone.command("setUserVerified", isUserVerified=False)

    refused = phone.do("""logIn().catch((error) => ({name: error.name}))""")
    forged = phone.do(
        """(async () => {
          const {publicKey} = await call('POST', 'passkeys/options/')
          const used = await navigator.credentials.get({
            publicKey: PublicKeyCredential.parseRequestOptionsFromJSON({
              ...publicKey, userVerification: 'discouraged',
            }),
          })
          return call('POST', 'login/passkey/', {credential: used.toJSON()})
        })()"""
    )

    assert refused["name"] == "NotAllowedError"
    assert (forged["status"], forged["code"]) == (401, "invalid_credentials")
    assert phone.user() is None


def test_a_removed_passkey_can_be_forgotten_by_the_browser(phone: Phone) -> None:
    phone.do("logIn()")
    [listed] = phone.do("call('GET', 'factors/')")["passkeys"]

    removed = phone.do(f"call('DELETE', 'factors/passkeys/{listed['id']}/')")
    late = phone.do("logIn()")
    phone.page.evaluate(
        "(signals) => PublicKeyCredential.signalAllAcceptedCredentials(signals)",
        removed["signals"],
    )

    assert (late["status"], late["code"]) == (401, "unknown_passkey")
    assert removed["signals"]["allAcceptedCredentialIds"] == []
    assert phone.passkeys() == []


def test_a_copy_whose_count_is_behind_locks_nobody_out(phone: Phone) -> None:
    for _ in range(3):
        phone.do("logIn()")
    [passkey] = phone.passkeys()
    phone.command("removeCredential", credentialId=passkey["credentialId"])
    phone.command("addCredential", credential={**passkey, "signCount": 0})

    assert phone.do("logIn()")["status"] == 200


def test_two_tabs_do_not_disturb_each_other(phone: Phone) -> None:
    both = phone.do(
        """(async () => {
          const options = [
            await call('POST', 'passkeys/options/'), await call('POST', 'passkeys/options/'),
          ]
          const found = []
          for (const {publicKey} of options) {
            const used = await navigator.credentials.get({
              publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey),
            })
            found.push(await call('POST', 'login/passkey/', {credential: used.toJSON()}))
          }
          return found.map(({status}) => status)
        })()"""
    )

    assert both == [200, 200]


def test_a_use_in_one_browser_opens_nothing_in_another(
    phone: Phone, site: str, new_page: Callable[..., Page]
) -> None:
    credential = phone.do("use('login')")
    thief = Phone(new_page(), site)

    stolen = thief.page.evaluate(
        "(credential) => call('POST', 'login/passkey/', {credential})", credential
    )

    assert (stolen["status"], stolen["code"]) == (401, "invalid_credentials")
    assert thief.user() is None
