"""Passkeys as a second factor, and to prove again who one is."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.api_client import AUTH, ApiClient, signed_in
from tests.clock import NOON
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    half_way,
    log_in_by_passkey,
    options_for,
    register,
    second_factor,
    told,
)

pytestmark = pytest.mark.django_db


def test_a_passkey_is_a_second_factor(passkey: Authenticator) -> None:
    browser = half_way()
    options = options_for(browser, "proof")

    response = second_factor(browser, "passkey", credential=passkey.get(options))

    assert response.status_code == 200
    assert [each["id"] for each in options["allowCredentials"]] == [passkey.get(options)["id"]]


def test_an_authenticator_that_tells_no_user_will_do_for_one_who_is_known(
    passkey: Authenticator,
) -> None:
    browser = half_way()
    credential = passkey.get(options_for(browser, "proof"))
    del credential["response"]["userHandle"]

    assert second_factor(browser, "passkey", credential=credential).status_code == 200


def test_a_passkey_of_another_user_is_none(passkey: Authenticator, bob: User) -> None:
    of_bob = Authenticator()
    register(signed_in("bob"), of_bob)
    browser = half_way()

    response = second_factor(
        browser, "passkey", credential=of_bob.get(options_for(browser, "proof"))
    )

    assert told(response) == (401, "invalid_credentials")


def test_who_logged_in_by_a_passkey_proves_it_again_by_that(
    clock: Any, passkey: Authenticator
) -> None:
    User.objects.get().set_unusable_password()
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)
    clock.move_to(NOON + timedelta(hours=1))
    stale = browser.call("POST", AUTH + "factors/recovery-codes/")

    credential = passkey.get(options_for(browser, "proof"))
    proof = browser.call(
        "POST", AUTH + "reauthenticate/", {"method": "passkey", "credential": credential}
    )

    assert told(stale) == (403, "reauthentication_required")
    assert "passkey" in stale.json()["methods"]
    assert proof.status_code == 200
    assert browser.call("POST", AUTH + "factors/recovery-codes/").status_code == 201


def test_options_to_prove_who_one_is_need_somebody(browser: ApiClient, db: None) -> None:
    response = browser.call("POST", AUTH + "passkeys/options/", {"purpose": "proof"})
    unknown = browser.call("POST", AUTH + "passkeys/options/", {"purpose": "passkey"})

    assert (response.status_code, unknown.status_code) == (401, 400)
