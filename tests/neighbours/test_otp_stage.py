"""django-otp's devices as a stage of our login."""

from typing import Any

import pytest
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core import mail
from django.db import OperationalError
from django.http import HttpRequest, JsonResponse
from django.urls import include, path
from django_otp.decorators import otp_required
from django_otp.forms import OTPAuthenticationForm
from django_otp.plugins.otp_email.models import EmailDevice
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from session_auth import flows, throttling
from session_auth.checks.stages import neighbours_stages_are_asked
from session_auth.contrib.otp import SecondFactor
from session_auth.sessions import assurance, list_sessions
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.factors.calls import code_of, half_way, second_factor, told
from tests.settings import MIDDLEWARE
from tests.storing import SessionStore

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls(__name__),
    pytest.mark.usefixtures("stage", "clock"),
]
WRONG = (401, "invalid_credentials")
BACKEND = "session_auth.backends.ModelBackend"


@otp_required
def guarded(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/guarded/", guarded),
    path("plain/", LoginView.as_view(form_class=AuthenticationForm, template_name="x.html")),
    path("otp/", LoginView.as_view(form_class=OTPAuthenticationForm, template_name="x.html")),
]


@pytest.fixture
def stage(settings: Any) -> None:
    settings.SESSION_AUTH_STAGES = ["session_auth.contrib.otp.SecondFactor"]
    settings.MIDDLEWARE = [*MIDDLEWARE, "django_otp.middleware.OTPMiddleware"]
    settings.OTP_LOGIN_URL = "/otp/"


@pytest.fixture
def phone(alice: User) -> TOTPDevice:
    return TOTPDevice.objects.create(user=alice, name="phone")


@pytest.fixture
def paper(alice: User) -> StaticDevice:
    device = StaticDevice.objects.create(user=alice, name="paper")
    for number in range(3):
        device.token_set.create(token=f"backup{number}")
    return device


def otp(browser: ApiClient, code: str = "", **more: str) -> Any:
    return second_factor(browser, "otp", code=code, **more)


def test_a_token_is_asked_for_and_opens_what_django_otp_guards(
    phone: TOTPDevice, alice: User, browser: ApiClient
) -> None:
    refusal = browser.log_in()
    assert told(refusal) == (401, "second_factor_required")
    assert refusal.json()["methods"] == ["otp"]
    assert refusal.json()["devices"] == [
        {"id": phone.persistent_id, "name": "phone", "sends": False}
    ]
    assert told(otp(browser, "000000")) == WRONG
    assert browser.user() is None
    TOTPDevice.objects.update(throttling_failure_count=0)

    assert otp(browser, code_of(phone.bin_key)).status_code == 200

    [session] = list_sessions(alice)
    assert (set(session.methods), assurance(session)) == ({"password", "otp"}, 2)
    assert browser.get("/api/guarded/").status_code == 200


def test_a_token_is_good_once(phone: TOTPDevice) -> None:
    code = code_of(phone.bin_key)

    assert otp(half_way(), code).status_code == 200
    assert told(otp(half_way(), code)) == WRONG


def test_devices_that_another_request_has_locked_are_no_error_of_ours(
    phone: TOTPDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = half_way()

    def locked(self: TOTPDevice, token: str) -> bool:
        raise OperationalError("database is locked")

    monkeypatch.setattr(TOTPDevice, "verify_token", locked)
    assert told(otp(browser, code_of(phone.bin_key))) == (503, "store_unavailable")


def test_nobody_without_a_device_is_asked(alice: User, browser: ApiClient) -> None:
    TOTPDevice.objects.create(user=alice, name="begun", confirmed=False)

    assert browser.log_in().status_code == 200
    body = {"method": "otp", "code": "123456"}
    assert told(browser.call("POST", AUTH + "reauthenticate/", body)) == (400, "invalid_request")


def test_a_device_that_is_not_confirmed_proves_nothing(phone: TOTPDevice, alice: User) -> None:
    begun = TOTPDevice.objects.create(user=alice, name="begun", confirmed=False)
    code = code_of(begun.bin_key)

    assert told(otp(half_way(), code, device=begun.persistent_id)) == WRONG
    assert told(otp(half_way(), code)) == WRONG


def test_a_token_of_another_user_proves_nothing(phone: TOTPDevice, bob: User) -> None:
    """CVE-2026-78619"""
    of_bob = TOTPDevice.objects.create(user=bob, name="phone")

    code = code_of(of_bob.bin_key)

    assert told(otp(half_way(), code, device=of_bob.persistent_id)) == WRONG


def test_wrong_tokens_are_counted_here_whatever_django_otp_counts(
    phone: TOTPDevice, settings: Any
) -> None:
    """CVE-2026-76213: also after another password login."""
    settings.OTP_TOTP_THROTTLE_FACTOR = 0
    first, second = half_way(), half_way()
    answers = [told(otp(first, f"00000{number}")) for number in range(3)]
    answers += [told(otp(second, f"00000{number}")) for number in range(3)]

    assert answers == [WRONG] * 5 + [(429, "throttled")]
    assert told(otp(first, code_of(phone.bin_key))) == (429, "throttled")


def test_django_otp_goes_on_counting(phone: TOTPDevice) -> None:
    otp(half_way(), "000000")

    assert told(otp(half_way(), code_of(phone.bin_key))) == WRONG  # a second has to pass
    assert TOTPDevice.objects.get().throttling_failure_count == 1


def test_a_backup_token_locks_no_app(phone: TOTPDevice, paper: StaticDevice) -> None:
    for number in range(3):
        assert otp(half_way(), f"backup{number}").status_code == 200

    assert otp(half_way(), code_of(phone.bin_key)).status_code == 200
    assert not StaticDevice.objects.get().token_set.exists()


def test_no_token_is_used_up_that_is_refused(
    phone: TOTPDevice, paper: StaticDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After too many wrong ones, none is right any more."""
    browser = half_way()
    monkeypatch.setattr(throttling, "CEILING", 0)

    assert told(otp(browser, "backup0")) == WRONG
    assert StaticDevice.objects.get().token_set.filter(token="backup0").exists()


def test_a_device_can_be_named(phone: TOTPDevice, paper: StaticDevice) -> None:
    code = code_of(phone.bin_key)

    assert told(otp(half_way(), code, device=paper.persistent_id)) == WRONG
    assert otp(half_way(), code, device=phone.persistent_id).status_code == 200


def test_a_device_sends_its_token(alice: User, phone: TOTPDevice) -> None:
    device = EmailDevice.objects.create(user=alice, name="mail")
    browser = half_way()

    asked = otp(browser, device=device.persistent_id)
    assert told(asked) == (401, "second_factor_required")
    assert asked.json()["error"] == "A code is on its way to you."
    listed = {"id": device.persistent_id, "name": "mail", "sends": True}
    assert listed in asked.json()["devices"]

    [message] = mail.outbox
    device.refresh_from_db()
    assert device.token in str(message.body)
    assert otp(browser, device.token).status_code == 200


def test_a_proof_may_be_sent_too(alice: User) -> None:
    device = EmailDevice.objects.create(user=alice, name="mail")
    browser = half_way()
    otp(browser)
    device.refresh_from_db()
    otp(browser, device.token)
    EmailDevice.objects.update(last_generated_timestamp=None)

    asked = browser.call("POST", AUTH + "reauthenticate/", {"method": "otp"})
    assert told(asked) == (401, "second_factor_required")
    device.refresh_from_db()
    body = {"method": "otp", "code": device.token}
    assert browser.call("POST", AUTH + "reauthenticate/", body).status_code == 200
    assert browser.get("/api/guarded/").status_code == 200


def test_a_proof_verifies_a_session_that_was_opened_before(alice: User, browser: ApiClient) -> None:
    browser.log_in()
    phone = TOTPDevice.objects.create(user=alice, name="phone")
    assert browser.get("/api/guarded/").status_code == 403
    body = {"method": "otp", "code": code_of(phone.bin_key)}

    assert browser.call("POST", AUTH + "reauthenticate/", body).status_code == 200

    assert browser.get("/api/guarded/").status_code == 200


def test_whoever_knows_the_password_has_few_mails_sent(alice: User, settings: Any) -> None:
    EmailDevice.objects.create(user=alice, name="mail")
    settings.OTP_EMAIL_COOLDOWN_DURATION = 0

    answers = [told(otp(half_way())) for _ in range(6)]

    assert answers == [(401, "second_factor_required")] * 5 + [(429, "throttled")]


def test_without_a_code_there_has_to_be_a_device_that_sends_one(phone: TOTPDevice) -> None:
    answer = otp(half_way())

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == ["code"]


def log_in_at(path: str, **fields: str) -> ApiClient:
    browser = ApiClient()
    browser.get(AUTH + "csrf/")
    token = {"csrfmiddlewaretoken": browser.csrf_token()}
    body = {"username": "alice", "password": PASSWORD} | fields | token
    browser.post(path, body)
    return browser


def test_its_own_form_asks_by_itself_and_another_one_does_not(phone: TOTPDevice) -> None:
    fields = {"otp_device": phone.persistent_id, "otp_token": code_of(phone.bin_key)}
    asked = log_in_at("/otp/", **fields)
    assert asked.user()["username"] == "alice"
    assert asked.get("/api/guarded/").status_code == 200

    assert log_in_at("/plain/").user() is None


def test_who_has_proven_two_factors_elsewhere_is_not_asked(
    phone: TOTPDevice, alice: User, rf: Any
) -> None:
    request = rf.post("/")
    request.session = SessionStore()

    flows.log_in(request, alice, methods=["saml", "mfa"], backend=BACKEND)
    request.session.save()

    assert request.session["_auth_user_id"] == str(alice.pk)


def test_the_device_may_be_gone_by_the_end(phone: TOTPDevice, alice: User, rf: Any) -> None:
    request = rf.post("/")
    request.user, request.session = alice, {}

    SecondFactor().completed(alice, request, notes={"otp": "otp_totp.totpdevice/0"})

    assert request.session == {}


def test_the_checks_know_of_it(settings: Any) -> None:
    def found() -> list[str]:
        hints = [str(each.hint) for each in neighbours_stages_are_asked()]
        return [each for each in hints if "session_auth.contrib.otp.SecondFactor" in each]

    assert found() == []
    settings.SESSION_AUTH_STAGES = []
    assert len(found()) == 1
