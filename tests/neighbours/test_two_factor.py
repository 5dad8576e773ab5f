"""django-two-factor-auth: a login in two steps, the first of which leaves nobody logged in."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import include, path
from django_otp.plugins.otp_static.models import StaticDevice
from two_factor.urls import urlpatterns as two_factor_urls

from session_auth.models import Session
from tests.api_client import PASSWORD, ApiClient
from tests.settings import MIDDLEWARE

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("", include(two_factor_urls)),
]
OTP = "django_otp.middleware.OTPMiddleware"


def step(browser: ApiClient, name: str, **fields: str) -> int:
    body = {f"{name}-{field}": value for field, value in fields.items()}
    body |= {"login_view-current_step": name, "csrfmiddlewaretoken": browser.csrf_token()}
    return browser.post("/account/login/", body).status_code


@pytest.mark.parametrize("stages", [[], ["session_auth.contrib.otp.SecondFactor"]])
def test_its_second_step_logs_in(
    alice: User, browser: ApiClient, stages: list[str], settings: Any
) -> None:
    settings.MIDDLEWARE = [*MIDDLEWARE, OTP]
    settings.LOGIN_URL = "two_factor:login"
    settings.SESSION_AUTH_STAGES = stages
    StaticDevice.objects.create(user=alice, name="default").token_set.create(token="123456")
    browser.get("/account/login/")

    assert step(browser, "auth", username="alice", password=PASSWORD) == 200
    assert browser.user() is None
    before = browser.session_key()
    assert step(browser, "token", otp_token="654321") == 200
    assert browser.user() is None
    StaticDevice.objects.update(throttling_failure_count=0)
    assert step(browser, "token", otp_token="123456") == 302
    assert browser.user()["username"] == "alice"
    assert browser.session_key() != before
    assert Session.objects.get().user == alice
