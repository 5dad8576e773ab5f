"""django-otp: a second factor that a view asks for, and what our endpoints make of it."""

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse
from django.test import override_settings
from django.urls import include, path
from django_otp import login as verify
from django_otp.decorators import otp_required
from django_otp.plugins.otp_static.models import StaticDevice

from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.settings import MIDDLEWARE

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
OTP = "django_otp.middleware.OTPMiddleware"


def prove(request: HttpRequest) -> JsonResponse:
    device = StaticDevice.objects.get(user_id=request.user.pk)
    verify(request, device)
    return JsonResponse({})


@otp_required(if_configured=True)
def guarded(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"verified": request.user.is_verified()})  # type: ignore[union-attr]  # by its middleware


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/prove/", prove),
    path("api/guarded/", guarded),
]


def is_let_in(browser: ApiClient) -> bool:
    return browser.get("/api/guarded/").status_code == 200


@override_settings(MIDDLEWARE=[*MIDDLEWARE, OTP], LOGIN_URL="/login/", OTP_LOGIN_URL="/login/")
def test_our_login_alone_opens_no_view_that_asks_for_it(alice: User) -> None:
    StaticDevice.objects.create(user=alice, name="paper")
    here = signed_in()
    assert not is_let_in(here)

    here.call("POST", "/api/prove/")

    assert is_let_in(here)
    again = here.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})
    assert (again.status_code, is_let_in(here)) == (200, True)
    here.log_in()
    assert not is_let_in(here)
