"""django-allauth: its login and its question for a fresh proof."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User

from tests.api_client import PASSWORD, ApiClient

pytestmark = pytest.mark.django_db


def post(browser: ApiClient, path: str, **fields: str) -> tuple[int, str]:
    token = {"csrfmiddlewaretoken": browser.csrf_token()}
    response = browser.post(path, fields | token)
    return response.status_code, response.headers.get("Location", "")


@pytest.fixture
def here(alice: User, browser: ApiClient) -> ApiClient:
    browser.get("/accounts/login/")
    post(browser, "/accounts/login/", login="alice", password=PASSWORD)
    return browser


def test_its_login_opens_a_session_of_ours(here: ApiClient, alice: User) -> None:
    assert here.user() == {"id": alice.pk, "username": "alice"}


def test_its_logout_ends_it(here: ApiClient) -> None:
    key = here.session_key()
    post(here, "/accounts/logout/")
    here.cookies["sessionid"] = key

    assert here.user() is None


@pytest.mark.parametrize("cookie", [None, "p" * 32])
def test_what_is_to_be_done_waits_for_a_fresh_proof_and_is_done_then(
    clock: Any, here: ApiClient, alice: User, cookie: str | None
) -> None:
    """It keeps ``META`` as JSON in the session meanwhile."""
    clock.shift(61)
    if cookie:
        here.cookies["csrftoken"] = cookie
        here.get("/api/auth/user/")
    asked = post(here, "/accounts/email/", action_add="", email="new@example.org")
    assert asked[0] == 302
    assert asked[1].startswith("/accounts/reauthenticate/")

    assert post(here, asked[1], password=PASSWORD)[0] == 302

    assert EmailAddress.objects.filter(user=alice, email="new@example.org").exists()
