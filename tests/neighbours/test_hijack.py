"""django-hijack: staff take over a user's place for a while, by a login of its own."""

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
    path("hijack/", include("hijack.urls")),
]


def post(browser: ApiClient, name: str, **fields: object) -> int:
    body = {**fields, "csrfmiddlewaretoken": browser.csrf_token(), "next": "/"}
    return browser.post(f"/hijack/{name}/", body).status_code


@override_settings(MIDDLEWARE=[*MIDDLEWARE, "hijack.middleware.HijackUserMiddleware"])
def test_staff_take_a_users_place_and_give_it_back(alice: User) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    desk = signed_in("root")
    before = desk.session_key()

    assert post(desk, "acquire", user_pk=alice.pk) == 302
    assert desk.user()["username"] == "alice"
    assert desk.session_key() != before
    assert post(desk, "release") == 302
    assert desk.user()["username"] == "root"
    assert Session.objects.count() == 1  # what was hijacked has ended
