"""What is no passkey, and what an authenticator should never send."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.api_client import AUTH, ApiClient, signed_in
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    log_in_by_passkey,
    log_in_with,
    options_for,
    told,
)

pytestmark = pytest.mark.django_db


GARBAGE: list[Any] = [
    {},
    {"id": 1},
    {"id": "x", "response": None},
    {"id": "x", "response": {"clientDataJSON": 1}},
    {"id": "x", "response": {"clientDataJSON": "!"}},
    {"id": "x", "response": {"clientDataJSON": "WzFd"}},
    {"id": "x", "response": {"clientDataJSON": "bnVsbA"}},
    {"id": "x", "response": {"clientDataJSON": "eyJjaGFsbGVuZ2UiOiBbXX0"}},
    {"id": "x", "response": {"clientDataJSON": "eyJjaGFsbGVuZ2UiOiAiXHVkODAwIn0"}},
]


@pytest.mark.parametrize("credential", GARBAGE)
def test_what_is_no_credential_is_refused(
    passkey: Authenticator, credential: dict[str, Any]
) -> None:
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)
    registration = browser.call("POST", AUTH + "factors/passkeys/", {"credential": credential})
    proof = browser.call(
        "POST", AUTH + "reauthenticate/", {"method": "passkey", "credential": credential}
    )

    assert log_in_with(credential).status_code in (400, 401)
    assert (registration.status_code, proof.status_code in (400, 401)) == (400, True)


@pytest.mark.parametrize("part", ["authenticatorData", "signature", "userHandle"])
@pytest.mark.parametrize("value", [None, 5, "", "!", "AAAA", ["x"], {"a": "b"}])
def test_a_part_that_is_wrong_is_refused(passkey: Authenticator, part: str, value: object) -> None:
    browser = ApiClient()
    credential = passkey.get(options_for(browser))
    credential["response"][part] = value

    assert told(log_in_with(credential, browser)) == (401, "invalid_credentials")


@pytest.mark.parametrize("value", [None, 5, "", "!", "AAAA", "oA"])
def test_an_attestation_that_is_wrong_is_refused(alice: User, value: object) -> None:
    browser = signed_in()
    options = browser.call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]
    credential = Authenticator().create(options)
    credential["response"]["attestationObject"] = value

    response = browser.call("POST", AUTH + "factors/passkeys/", {"credential": credential})

    assert told(response) == (400, "invalid_request")


def test_an_object_that_is_nested_too_deep_is_malformed(browser: ApiClient, db: None) -> None:
    deep = b'{"credential": {"a": ' + b"[" * 3000 + b"]" * 3000 + b"}}"

    response = browser.call("POST", AUTH + "login/passkey/", deep)

    assert told(response) == (400, "malformed_json")
