"""What second factors cost: statements, with the app installed and without it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from tests.api_client import AUTH, ApiClient, signed_in
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


def test_a_request_costs_none_more(alice: User) -> None:
    browser = signed_in()

    assert statements(lambda: browser.get(AUTH + "user/")) == 1
