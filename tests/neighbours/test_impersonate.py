"""django-impersonate: staff see the site as a user, without a login."""

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from django.urls import include, path

from session_auth.models import Session
from tests.api_client import PASSWORD, ApiClient, signed_in
from tests.settings import MIDDLEWARE

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("impersonate/", include("impersonate.urls")),
]


def post(browser: ApiClient, name: str) -> int:
    token = {"csrfmiddlewaretoken": browser.csrf_token()}
    return browser.post(f"/impersonate/{name}/", token).status_code


@override_settings(
    MIDDLEWARE=[*MIDDLEWARE, "impersonate.middleware.ImpersonateMiddleware"],
    IMPERSONATE={"REDIRECT_URL": "/"},
)
def test_staff_see_what_a_user_sees_and_stop(alice: User) -> None:
    root = User.objects.create_superuser("root", password=PASSWORD)
    desk = signed_in("root")
    before = desk.session_key()

    assert post(desk, str(alice.pk)) == 302
    assert desk.user()["username"] == "alice"
    assert (desk.session_key(), Session.objects.get().user) == (before, root)
    assert post(desk, "stop") == 302
    assert desk.user()["username"] == "root"
