"""What another package has, and what is taken over of it."""

from typing import Any

from django.contrib.auth.models import User
from webauthn.helpers import bytes_to_base64url

from session_auth.factors.takeover import Found, Result, passkey, take_over
from tests.api_client import ApiClient
from tests.factors.authenticator import Authenticator
from tests.factors.calls import log_in_by_passkey

HANDLE = b"1"
"""The primary key, as allauth has it."""


def taken(*found: Found, **more: Any) -> Result:
    return take_over(found, source="the old one", **more)


def whys(result: Result) -> list[str]:
    return [each.why for each in result.left]


def key_of(authenticator: Authenticator, user: User, **more: Any) -> Found:
    """Return a key that the user has registered elsewhere."""
    authenticator.handle = bytes_to_base64url(HANDLE)
    return passkey(
        "key 1",
        user_id=user.pk,
        credential_id=authenticator.id,
        public_key=authenticator.public_key(),
        **more,
    )


def signed_in_by(authenticator: Authenticator) -> ApiClient:
    browser = ApiClient()
    assert log_in_by_passkey(browser, authenticator).status_code == 200
    return browser
