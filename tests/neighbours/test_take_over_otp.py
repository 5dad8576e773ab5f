"""Devices of django-otp, set up by the pages of django-two-factor-auth, and taken over."""

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.urls import include, path
from django_otp.plugins.otp_email.models import EmailDevice
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from two_factor.urls import urlpatterns as two_factor_urls

from session_auth.factors.models import Factor
from tests.api_client import ApiClient
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    code_of,
    from_base32,
    half_way,
    log_in_by_passkey,
    options_for,
    second_factor,
    told,
)
from tests.settings import MIDDLEWARE

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls(__name__),
    pytest.mark.usefixtures("two_factor"),
]
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("", include(two_factor_urls)),
]
ORIGIN = "https://testserver"
SECURE: dict[str, Any] = {
    "HTTP_REFERER": ORIGIN,
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_HOST": "testserver",
}
SETUP = "/account/two_factor/setup/"
WRONG = (401, "invalid_credentials")


@pytest.fixture
def two_factor(settings: Any) -> None:
    settings.SESSION_AUTH_STAGES = ["session_auth.factors.stages.SecondFactor"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.MIDDLEWARE = [*MIDDLEWARE, "django_otp.middleware.OTPMiddleware"]
    settings.LOGIN_URL = "two_factor:login"


def step(browser: ApiClient, name: str, **fields: str) -> Any:
    body = {f"{name}-{field}": value for field, value in fields.items()}
    body |= {"setup_view-current_step": name, "csrfmiddlewaretoken": browser.csrf_token()}
    return browser.post(SETUP, body)


def begin(method: str) -> tuple[ApiClient, Any]:
    """Begin to set up a device; return the page that asks for the first token."""
    browser = ApiClient(**SECURE)
    browser.log_in()
    browser.get(SETUP)
    step(browser, "welcome")
    return browser, step(browser, "method", method=method)


def add_app() -> tuple[ApiClient, bytes]:
    browser, page = begin("generator")
    secret = from_base32(page.context["secret_key"])
    assert step(browser, "generator", token=code_of(secret)).status_code == 302
    return browser, secret


def add_key(key: Authenticator) -> None:
    browser, _ = begin("webauthn")
    options = json.loads(browser.session["webauthn_creation_options"])
    credential = json.dumps(key.create(options))
    assert step(browser, "webauthn", token=credential).status_code == 302


def run() -> list[str]:
    out = StringIO()
    call_command("take_over_factors", "django_otp", stdout=out)
    return out.getvalue().splitlines()


def test_an_app_and_its_backup_tokens(alice: User, clock: Any) -> None:
    browser, secret = add_app()
    token = {"csrfmiddlewaretoken": browser.csrf_token()}
    browser.post("/account/two_factor/backup/tokens/", token)
    backup = StaticToken.objects.values_list("token", flat=True)[0]

    assert run() == ["Took over: 10 recovery, 1 totp. Before: 0."]

    clock.shift(30)
    assert second_factor(half_way(), "totp", code=code_of(secret)).status_code == 200
    assert second_factor(half_way(), "recovery", code=backup).status_code == 200
    assert told(second_factor(half_way(), "recovery", code=backup)) == WRONG
    assert run() == ["Took over: nothing. Before: 11."]
    assert told(second_factor(half_way(), "recovery", code=backup)) == WRONG


@pytest.mark.parametrize("verifies", [True, False])
def test_a_security_key_of_two_factor(alice: User, verifies: bool) -> None:
    key = Authenticator(origin=ORIGIN, rp_id="testserver", verifies=verifies)
    add_key(key)

    assert run() == ["Took over: 1 passkey. Before: 0."]

    browser = ApiClient(**SECURE)
    assert browser.log_in().json()["methods"] == ["security_key"]
    credential = key.get(options_for(browser, "proof", method="security_key"))
    assert second_factor(browser, "security_key", credential=credential).status_code == 200
    assert told(log_in_by_passkey(ApiClient(**SECURE), key)) == WRONG


def test_a_code_that_was_used_there_is_used_up(alice: User, clock: Any) -> None:
    device = TOTPDevice.objects.create(user=alice, name="phone")
    code = code_of(device.bin_key)
    assert device.verify_token(code)
    run()

    assert told(second_factor(half_way(), "totp", code=code)) == WRONG


def test_of_several_apps_the_one_that_was_used_last_is_taken(alice: User, clock: Any) -> None:
    first, last = (TOTPDevice.objects.create(user=alice, name=name) for name in ("1", "2"))
    TOTPDevice.objects.filter(pk=first.pk).update(created_at=None)
    run_at = last.created_at
    TOTPDevice.objects.filter(pk=last.pk).update(last_used_at=run_at)

    lines = run()

    kind = "otp_totp.totpdevice"
    what = f"totp of the user {alice.pk} ({kind}/{first.pk})"
    assert lines == [
        f"Left: {what}: the user has an app here.",
        "Took over: 1 totp. Before: 0.",
    ]
    assert second_factor(half_way(), "totp", code=code_of(last.bin_key)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"digits": 8}, "its codes are not of six digits, one each 30 seconds"),
        ({"step": 60}, "its codes are not of six digits, one each 30 seconds"),
        ({"t0": 1}, "its codes are not of six digits, one each 30 seconds"),
        ({"drift": -2}, "the clock of the phone is more than 30 seconds off"),
        ({"key": "no key"}, "it cannot be read: Error"),
    ],
)
def test_an_app_that_would_not_work_here_is_left(
    alice: User, fields: dict[str, Any], why: str
) -> None:
    device = TOTPDevice.objects.create(user=alice, name="phone", **fields)

    what = f"otp_totp.totpdevice of the user {alice.pk} ({device.persistent_id})"
    assert run() == [f"Left: {what}: {why}.", "Took over: nothing. Before: 0."]


def test_a_setting_that_is_wrong_stops_it(settings: Any, alice: User) -> None:
    TOTPDevice.objects.create(user=alice, name="phone")
    settings.SESSION_AUTH_TOTP_KEYS = ["no key"]

    with pytest.raises(ImproperlyConfigured):
        run()


@pytest.mark.parametrize("drift", [-1, 0, 1])
def test_a_clock_that_is_a_little_off_goes_on(alice: User, clock: Any, drift: int) -> None:
    device = TOTPDevice.objects.create(user=alice, name="phone", drift=drift)
    run()
    code = code_of(device.bin_key, steps=drift)

    assert second_factor(half_way(), "totp", code=code).status_code == 200


def test_what_no_app_makes_is_left_and_what_is_not_confirmed_too(alice: User) -> None:
    mail = EmailDevice.objects.create(user=alice, name="mail")
    TOTPDevice.objects.create(user=alice, name="begun", confirmed=False)

    what = f"otp_email.emaildevice of the user {alice.pk} ({mail.persistent_id})"
    why = "it is no app, no static token and no security key"
    assert run() == [f"Left: {what}: {why}.", "Took over: nothing. Before: 0."]
    assert not Factor.objects.exists()
