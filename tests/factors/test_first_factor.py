"""Who has the password alone gets no factor in while the user sets up the first one."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from session_auth.factors.models import Factor
from tests.api_client import AUTH, ApiClient, signed_in
from tests.factors.authenticator import Authenticator
from tests.factors.calls import begin_app, code_of, confirm_app, register, told
from tests.vanishing import told_if_gone

pytestmark = pytest.mark.django_db(transaction=True)

Attack = Callable[[], Any]


def add_app(thief: ApiClient) -> Attack:
    secret = begin_app(thief)
    return lambda: confirm_app(thief, code_of(secret))


def add_passkey(thief: ApiClient) -> Attack:
    options = thief.call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]
    body = {"credential": Authenticator().create(options), "name": "Mine"}
    return lambda: thief.call("POST", AUTH + "factors/passkeys/", body)


def make_recovery_codes(thief: ApiClient) -> Attack:
    return lambda: thief.call("POST", AUTH + "factors/recovery-codes/")


@pytest.mark.parametrize("prepare", [add_app, add_passkey, make_recovery_codes])
def test_a_factor_that_comes_just_before_is_asked_for(
    prepare: Callable[[ApiClient], Attack], alice: User
) -> None:
    thief, owner, passkey = signed_in(), signed_in(), Authenticator()
    attack = prepare(thief)

    response = told_if_gone(
        lambda: register(owner, passkey), attack, at="SELECT session_auth_factors_userhandle"
    )

    assert told(response) == (403, "reauthentication_required")
    assert response.json()["methods"] == ["passkey"]
    assert [factor.name for factor in Factor.objects.all()] == ["Laptop"]
    assert owner.user()["username"] == "alice"
