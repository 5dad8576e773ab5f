"""Passkeys and security keys of another package: each proves as much as it did there."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from webauthn.helpers import base64url_to_bytes

from session_auth.factors.models import Factor
from session_auth.factors.takeover import (
    Found,
)
from session_auth.sessions import assurance, list_sessions
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    half_way,
    log_in_by_passkey,
    log_in_with,
    options_for,
    register,
    second_factor,
    told,
)
from tests.factors.taken import HANDLE, key_of, signed_in_by, taken

pytestmark = pytest.mark.django_db


@pytest.fixture
def old_passkey(alice: User) -> Authenticator:
    """A passkey of alice that was taken over."""
    authenticator = Authenticator()
    taken(key_of(authenticator, alice, handle=HANDLE, verifies=True, name="Lap\ntop"))
    return authenticator


@pytest.fixture
def security_key(alice: User) -> Authenticator:
    """A key of alice that cannot verify who holds it, and was taken over."""
    authenticator = Authenticator(verifies=False)
    taken(key_of(authenticator, alice, handle=HANDLE))
    return authenticator


def use_key(browser: ApiClient, key: Authenticator) -> Any:
    credential = key.get(options_for(browser, "proof", method="security_key"))
    return second_factor(browser, "security_key", credential=credential)


# Passkeys


def test_a_passkey_logs_in_without_a_name(old_passkey: Authenticator, alice: User) -> None:
    browser = ApiClient()

    response = log_in_by_passkey(browser, old_passkey)

    assert response.json()["user"] == {"id": alice.pk, "username": "alice"}
    [session] = list_sessions(alice)
    assert (set(session.methods), assurance(session)) == ({"passkey"}, 2)
    [listed] = browser.get(AUTH + "factors/").json()["passkeys"]
    assert listed["name"] == "Laptop"


def test_a_passkey_is_a_second_factor(old_passkey: Authenticator) -> None:
    browser = half_way()
    options = options_for(browser, "proof")

    assert [each["id"] for each in options["allowCredentials"]] == [old_passkey.get(options)["id"]]
    credential = old_passkey.get(options)
    assert second_factor(browser, "passkey", credential=credential).status_code == 200


@pytest.mark.parametrize("handle", ["", None, "AAAA", "new"])
def test_a_passkey_has_to_name_its_user_as_it_did_there(
    old_passkey: Authenticator, alice: User, handle: str | None
) -> None:
    if handle == "new":  # that of the passkeys which are made here
        register(signed_in_by(old_passkey), new := Authenticator())
        handle = new.handle
    old_passkey.handle = handle  # type: ignore[assignment]  # what none should do

    assert told(log_in_by_passkey(ApiClient(), old_passkey)) == (401, "invalid_credentials")


def test_a_passkey_has_to_verify_its_user(old_passkey: Authenticator) -> None:
    old_passkey.verifies = False
    browser = half_way()

    assert told(log_in_by_passkey(ApiClient(), old_passkey)) == (401, "invalid_credentials")
    assert told(use_key(browser, old_passkey)) == (400, "invalid_request")


def test_a_removed_passkey_is_told_by_the_handle_that_it_has(old_passkey: Authenticator) -> None:
    browser = signed_in_by(old_passkey)
    path = f"{AUTH}factors/passkeys/{Factor.objects.get().id}/"

    signals = browser.call("DELETE", path).json()["signals"]

    assert base64url_to_bytes(signals["userId"]) == HANDLE
    assert signals["allAcceptedCredentialIds"] == []


# Keys that need not verify who holds them


def test_a_security_key_is_a_second_factor_and_no_more(
    security_key: Authenticator, alice: User
) -> None:
    browser = ApiClient()
    refused = browser.log_in()
    options = options_for(browser, "proof", method="security_key")
    assert refused.json()["methods"] == ["security_key"]
    assert options["userVerification"] == "discouraged"

    answer = second_factor(browser, "security_key", credential=security_key.get(options))

    assert answer.status_code == 200
    [session] = list_sessions(alice)
    assert (set(session.methods), assurance(session)) == ({"password", "security_key"}, 2)
    assert told(log_in_by_passkey(ApiClient(), security_key)) == (401, "invalid_credentials")


def test_options_are_for_a_method_that_is_known(security_key: Authenticator) -> None:
    body = {"purpose": "stage", "method": "totp"}

    answer = half_way().call("POST", AUTH + "passkeys/options/", body)

    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["method"])


def test_the_page_for_the_admin_says_which_method_it_asks_for(security_key: Authenticator) -> None:
    page = half_way().get(AUTH + "login/second-factor/page/")

    assert 'data-method="security_key"' in page.content.decode()


def test_a_security_key_alone_is_one_factor(security_key: Authenticator, clock: Any) -> None:
    browser = half_way()
    use_key(browser, security_key)
    clock.shift(3600)
    credential = security_key.get(options_for(browser, "proof", method="security_key"))
    body = {"method": "security_key", "credential": credential}

    assert browser.call("POST", AUTH + "reauthenticate/", body).status_code == 200
    again = browser.call("POST", AUTH + "factors/recovery-codes/")
    assert told(again) == (403, "reauthentication_required")
    assert again.json()["methods"] == ["password"]
    browser.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})
    assert browser.call("POST", AUTH + "factors/recovery-codes/").status_code == 201


def test_a_security_key_that_has_got_a_pin_since_is_no_passkey(
    security_key: Authenticator, alice: User
) -> None:
    """Whoever has found it may have set the PIN (WebAuthn 3, uvInitialized)."""
    browser = half_way()
    use_key(browser, security_key)
    register(browser, passkey := Authenticator())
    security_key.verifies = True

    assert told(log_in_by_passkey(ApiClient(), security_key)) == (401, "invalid_credentials")
    options = options_for(browser, "proof")
    assert [each["id"] for each in options["allowCredentials"]] == [passkey.get(options)["id"]]
    body = {"method": "passkey", "credential": security_key.get(options)}
    refused = browser.call("POST", AUTH + "reauthenticate/", body)
    assert told(refused) == (401, "invalid_credentials")


def test_a_passkey_can_be_made_on_a_security_key(security_key: Authenticator) -> None:
    browser = half_way()
    use_key(browser, security_key)

    options = browser.call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]

    assert options["excludeCredentials"] == []


def test_a_proof_of_a_passkey_is_none_of_a_security_key(security_key: Authenticator) -> None:
    """CVE-2026-110862, CVE-2026-114607"""
    browser = half_way()
    credential = security_key.get(options_for(browser, "proof"))
    other = security_key.get(options_for(browser, "proof", method="security_key"))

    refused = second_factor(browser, "security_key", credential=credential)
    assert told(refused) == (401, "invalid_credentials")
    assert told(log_in_with(other, browser)) == (401, "invalid_credentials")


def test_a_passkey_beside_a_security_key_has_to_verify_its_user(
    security_key: Authenticator, alice: User
) -> None:
    """CVE-2026-134320"""
    strict = Authenticator()
    found = key_of(strict, alice, handle=HANDLE, verifies=True)
    taken(Found(origin="key 2", user_id=alice.pk, kind=found.kind, factor=found.factor))
    strict.verifies = False
    browser = half_way()

    options = options_for(browser, "proof", method="security_key")

    assert [each["id"] for each in options["allowCredentials"]] == [security_key.get(options)["id"]]
    credential = strict.get(options)
    refused = second_factor(browser, "security_key", credential=credential)
    assert told(refused) == (401, "invalid_credentials")


def test_a_removed_security_key_ends_the_sessions_that_it_opened(
    security_key: Authenticator, alice: User
) -> None:
    here, there = half_way(), half_way()
    use_key(there, security_key)
    use_key(here, security_key)

    here.call("DELETE", f"{AUTH}factors/passkeys/{Factor.objects.get().id}/")

    assert (here.user() is None, there.user() is None) == (False, True)


def test_a_key_whose_handle_nobody_knows_logs_nobody_in_without_a_name(alice: User) -> None:
    key = Authenticator()
    taken(key_of(key, alice, verifies=True))
    browser = half_way()

    assert told(log_in_by_passkey(ApiClient(), key)) == (401, "invalid_credentials")
    credential = key.get(options_for(browser, "proof"))
    assert second_factor(browser, "passkey", credential=credential).status_code == 200
