"""What second factors cost: statements, with the app installed and without it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from tests.api_client import AUTH, ApiClient, signed_in
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    code_of,
    half_way,
    options_for,
    register,
    second_factor,
    user_with_app,
)
from tests.test_cost import BRACKETS, GUESS

pytestmark = pytest.mark.django_db(transaction=True)


def statements(call: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        response = call()
    assert response.status_code in (200, 401)
    sent = [query["sql"] for query in captured if not query["sql"].startswith(BRACKETS)]
    return len(sent)


def log_in() -> Any:
    browser = ApiClient()
    browser.get(AUTH + "csrf/")
    return lambda: browser.log_in()


def test_a_login_costs_one_more(alice: User) -> None:
    with override_settings(SESSION_AUTH_STAGES=()):
        without = statements(log_in())

    assert without == 4 + GUESS
    assert statements(log_in()) == without + 1


def test_each_step_of_a_login_by_two_factors_costs_this(clock: Any, db: None) -> None:
    _, secret = user_with_app()
    browser = half_way()

    # The user, the right guess, what is due, what is offered, the attempt, and old attempts.
    assert statements(log_in()) == 6 + GUESS
    # The attempt twice, by three each; what is offered, what is due; the app, the step of its code,
    # the right guess; the end of the attempt, the user, the session; is the app still there?
    code = {"code": code_of(secret)}
    assert statements(lambda: second_factor(browser, "totp", **code)) == 15 + GUESS


def test_a_login_by_a_passkey_costs_this(alice: User) -> None:
    passkey, browser = Authenticator(), ApiClient()
    register(signed_in(), passkey)

    # How many the address has had, old challenges, and the new one.
    assert statements(lambda: browser.call("POST", AUTH + "passkeys/options/", {})) == 2 + GUESS
    # The passkey and its user; the challenge, the passkey, the handle, the use, the right guess;
    # the user, the session; is the passkey still there?
    body = {"credential": passkey.get(options_for(browser))}
    assert statements(lambda: browser.call("POST", AUTH + "login/passkey/", body)) == 10 + GUESS


def test_a_request_costs_none_more(alice: User) -> None:
    browser = signed_in()

    assert statements(lambda: browser.get(AUTH + "user/")) == 1
