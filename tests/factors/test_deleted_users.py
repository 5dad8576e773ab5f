"""Who is deleted just before the end of a login by a factor is as unknown as anybody."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from tests.api_client import ApiClient, signed_in
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    code_of,
    half_way,
    log_in_with,
    make_codes,
    options_for,
    register,
    second_factor,
    set_up_app,
    told,
)
from tests.vanishing import by_orm, by_sql, told_if_gone

pytestmark = pytest.mark.django_db(transaction=True)
Login = Callable[[], Any]


def by_code() -> Login:
    secret = set_up_app(signed_in())
    browser = half_way()
    return lambda: second_factor(browser, "totp", code=code_of(secret))


def by_recovery_code() -> Login:
    owner = signed_in()
    set_up_app(owner)
    [code, *_] = make_codes(owner)
    browser = half_way()
    return lambda: second_factor(browser, "recovery", code=code)


def by_passkey() -> Login:
    authenticator, browser = Authenticator(), ApiClient()
    register(signed_in(), authenticator)
    credential = authenticator.get(options_for(browser))
    return lambda: log_in_with(credential, browser)


def by_password_and_passkey() -> Login:
    authenticator = Authenticator()
    register(signed_in(), authenticator)
    browser = half_way()
    credential = authenticator.get(options_for(browser, "stage"))
    return lambda: second_factor(browser, "passkey", credential=credential)


@pytest.mark.parametrize("delete", [by_orm, by_sql])
@pytest.mark.parametrize("way", [by_code, by_recovery_code, by_passkey, by_password_and_passkey])
def test_the_login_is_refused(
    delete: Callable[[], None], way: Callable[[], Login], alice: User
) -> None:
    response = told_if_gone(delete, way(), at="UPDATE auth_user")

    assert told(response) == (401, "invalid_credentials")
    assert not response.client.session_key()
