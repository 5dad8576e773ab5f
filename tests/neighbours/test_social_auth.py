"""social-auth-app-django: a login at another site, and where it goes then."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.urls import include, path
from social_core.backends.base import BaseAuth

from session_auth.models import Session
from tests.api_client import ApiClient

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("", include("social_django.urls")),
]


class OtherSite(BaseAuth):
    name = "other-site"

    def uses_redirect(self) -> bool:
        return True

    def auth_url(self) -> str:
        return "https://other.example.org/"

    def auth_complete(self, *args: Any, **kwargs: Any) -> Any:
        return self.strategy.authenticate(self, *args, response=self.data, **kwargs)

    def get_user_id(self, details: Any, response: Any) -> str:
        return str(response["id"])

    def get_user_details(self, response: Any) -> dict[str, str]:
        return {"username": response["id"]}


@override_settings(
    AUTHENTICATION_BACKENDS=[f"{__name__}.OtherSite", "session_auth.backends.ModelBackend"]
)
def test_a_login_opens_a_new_session_and_goes_where_it_was_to_go(browser: ApiClient) -> None:
    browser.get("/api/auth/csrf/")
    body = {"next": "/next/", "csrfmiddlewaretoken": browser.csrf_token()}
    asked = browser.post("/login/other-site/", body)
    before = browser.session_key()
    answer = browser.get("/complete/other-site/?id=carol")

    assert asked.headers["Location"] == "https://other.example.org/"
    assert answer.headers["Location"].startswith("/next/")
    assert browser.user()["username"] == "carol"
    assert browser.session_key() != before
    assert browser.session["social_auth_last_login_backend"] == "other-site"
    assert Session.objects.get().user == User.objects.get(username="carol")
