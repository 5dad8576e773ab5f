"""mozilla-django-oidc: a login at an OpenID provider, and where it goes then."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.urls import include, path
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from tests.api_client import ApiClient

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("oidc/", include("mozilla_django_oidc.urls")),
]


class Provider(OIDCAuthenticationBackend):
    """What the provider answers, without the network."""

    def get_token(self, payload: Any) -> dict[str, str]:
        return {"id_token": "id", "access_token": "access"}

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, str]:
        return {"sub": "1"}

    def get_userinfo(self, access_token: str, id_token: str, payload: Any) -> dict[str, str]:
        return {"email": "alice@example.org"}


@override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.Provider"], OIDC_STORE_ACCESS_TOKEN=True)
def test_a_login_opens_a_new_session_and_goes_where_it_was_to_go(
    browser: ApiClient, alice: User
) -> None:
    asked = browser.get("/oidc/authenticate/?next=/next/").headers["Location"]
    before = browser.session_key()
    [state] = parse_qs(urlsplit(asked).query)["state"]
    answer = browser.get("/oidc/callback/", {"code": "x", "state": state})

    assert answer.headers["Location"] == "/next/"
    assert browser.user()["username"] == "alice"
    assert browser.session_key() != before
    # What the callback has written lives on; what was asked for before does not.
    assert browser.session["oidc_access_token"] == "access"
    assert "oidc_login_next" not in browser.session
