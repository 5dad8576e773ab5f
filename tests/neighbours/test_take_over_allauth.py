"""What users have set up by allauth's own pages, taken over: they sign in with us, by the same."""

import base64
import json
from io import StringIO
from typing import Any

import pytest
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator as Row
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from session_auth.factors.models import Factor
from session_auth.sessions import assurance, list_sessions
from tests.api_client import PASSWORD, ApiClient
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

pytestmark = pytest.mark.django_db
ORIGIN = "https://testserver"
SECURE: dict[str, Any] = {"HTTP_REFERER": ORIGIN, "wsgi.url_scheme": "https"}
WRONG = (401, "invalid_credentials")
LAPTOP: dict[str, Any] = {"origin": ORIGIN, "rp_id": "testserver"}


class Vault(DefaultMFAAdapter):
    """Encrypts what is stored."""

    def encrypt(self, text: str) -> str:
        return base64.b64encode(text[::-1].encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return base64.b64decode(encrypted_text).decode()[::-1]


class ByName(DefaultMFAAdapter):
    """Lets passkeys know their user by name, and nobody read a secret."""

    def get_public_key_credential_user_entity(self, user: Any) -> Any:
        return super().get_public_key_credential_user_entity(user) | {"id": user.username.encode()}

    def decrypt(self, encrypted_text: str) -> str:
        raise RuntimeError("The key is lost.")


@pytest.fixture(autouse=True)
def ours(settings: Any) -> None:
    settings.SESSION_AUTH_STAGES = ["session_auth.factors.stages.SecondFactor"]
    settings.MFA_ALLOW_UNVERIFIED_EMAIL = True
    cache.clear()


@pytest.fixture
def at_allauth(alice: User) -> ApiClient:
    """A browser in which alice has logged in by allauth's page."""
    browser = ApiClient(**SECURE)
    browser.get("/accounts/login/")
    post(browser, "/accounts/login/", login="alice", password=PASSWORD)
    post(browser, "/accounts/reauthenticate/", password=PASSWORD)
    return browser


def post(browser: ApiClient, path: str, **fields: str) -> None:
    token = {"csrfmiddlewaretoken": browser.csrf_token()}
    response: Any = browser.post(path, fields | token)
    assert response.status_code == 302, response.context["form"].errors


def add_app(browser: ApiClient) -> bytes:
    page: Any = browser.get("/accounts/2fa/totp/activate/")
    secret = from_base32(page.context["form"].secret)
    post(browser, "/accounts/2fa/totp/activate/", code=code_of(secret))
    return secret


def add_passkey(browser: ApiClient, authenticator: Authenticator, **fields: str) -> None:
    page: Any = browser.get("/accounts/2fa/webauthn/add/")
    options = page.context["js_data"]["creation_options"]["publicKey"]
    credential = authenticator.create(options)
    fields |= {"name": "Laptop", "credential": json.dumps(credential)}
    post(browser, "/accounts/2fa/webauthn/add/", **fields)


def run(*options: str) -> list[str]:
    out = StringIO()
    call_command("take_over_factors", "allauth.mfa", *options, stdout=out)
    return out.getvalue().splitlines()


def test_an_app_and_recovery_codes(at_allauth: ApiClient, alice: User, clock: Any) -> None:
    secret = add_app(at_allauth)
    page: Any = at_allauth.get("/accounts/2fa/recovery-codes/")
    used, code, *_ = page.context["unused_codes"]
    assert Row.objects.get(type="recovery_codes").wrap().validate_code(used)

    assert run() == ["Took over: 9 recovery, 1 totp. Before: 0."]

    assert told(second_factor(half_way(), "totp", code=code_of(secret))) == WRONG  # as used there
    clock.shift(30)
    assert second_factor(half_way(), "totp", code=code_of(secret)).status_code == 200
    assert told(second_factor(half_way(), "recovery", code=used)) == WRONG
    assert second_factor(half_way(), "recovery", code=code).status_code == 200
    assert told(second_factor(half_way(), "recovery", code=code)) == WRONG
    assert run() == ["Took over: nothing. Before: 10."]
    assert told(second_factor(half_way(), "recovery", code=code)) == WRONG


def test_a_passkey_logs_in_alone(at_allauth: ApiClient, alice: User) -> None:
    laptop = Authenticator(**LAPTOP)
    add_passkey(at_allauth, laptop, passwordless="on")
    assert base64.urlsafe_b64decode(laptop.handle + "==") == str(alice.pk).encode()

    assert run("--dry-run") == ["Would take over: 1 passkey, 10 recovery. Before: 0."]
    assert not Factor.objects.exists()
    assert run() == ["Took over: 1 passkey, 10 recovery. Before: 0."]

    response = log_in_by_passkey(ApiClient(**SECURE), laptop)
    assert response.json()["user"] == {"id": alice.pk, "username": "alice"}
    session = list_sessions(alice)[0]
    assert (set(session.methods), assurance(session)) == ({"passkey"}, 2)
    laptop.verifies = False
    assert told(log_in_by_passkey(ApiClient(**SECURE), laptop)) == WRONG


def test_a_passkey_is_a_second_factor(at_allauth: ApiClient, alice: User) -> None:
    laptop = Authenticator(**LAPTOP)
    add_passkey(at_allauth, laptop)
    run()
    browser = half_way(**SECURE)
    credential = laptop.get(options_for(browser, "proof"))

    assert second_factor(browser, "passkey", credential=credential).status_code == 200


def test_a_key_that_has_verified_nobody_stands_beside_the_password(
    at_allauth: ApiClient, alice: User
) -> None:
    key = Authenticator(**LAPTOP, verifies=False)
    add_passkey(at_allauth, key)
    run()
    browser = ApiClient(**SECURE)
    assert browser.log_in().json()["methods"] == ["security_key", "recovery"]
    credential = key.get(options_for(browser, "proof", method="security_key"))

    answer = second_factor(browser, "security_key", credential=credential)

    assert answer.status_code == 200
    assert told(log_in_by_passkey(ApiClient(**SECURE), key)) == WRONG


def test_what_its_adapter_has_encrypted(settings: Any, at_allauth: ApiClient, clock: Any) -> None:
    settings.MFA_ADAPTER = f"{__name__}.Vault"
    secret = add_app(at_allauth)
    page: Any = at_allauth.get("/accounts/2fa/recovery-codes/")
    code, *_ = page.context["unused_codes"]
    run()
    clock.shift(30)

    assert second_factor(half_way(), "totp", code=code_of(secret)).status_code == 200
    assert second_factor(half_way(), "recovery", code=code).status_code == 200


def test_what_cannot_be_read_is_told_and_the_rest_is_taken_over(
    settings: Any, at_allauth: ApiClient, alice: User
) -> None:
    settings.MFA_ADAPTER = f"{__name__}.ByName"
    settings.MFA_SUPPORTED_TYPES = ["totp", "webauthn"]
    add_app(at_allauth)
    laptop = Authenticator(**LAPTOP)
    add_passkey(at_allauth, laptop, passwordless="on")
    row = Row.objects.get(type="totp")

    assert run() == [
        f"Left: totp of the user {alice.pk} (totp {row.pk}): it cannot be read: RuntimeError.",
        "Took over: 1 passkey. Before: 0.",
    ]
    assert base64.urlsafe_b64decode(laptop.handle + "==") == b"alice"
    assert log_in_by_passkey(ApiClient(**SECURE), laptop).status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("MFA_TOTP_DIGITS", 8, "its codes are not of six digits, one each 30 seconds"),
        ("MFA_TOTP_PERIOD", 60, "its codes are not of six digits, one each 30 seconds"),
        ("SESSION_AUTH_TOTP_KEYS", [], "it needs SESSION_AUTH_TOTP_KEYS"),
    ],
)
def test_an_app_that_would_not_work_here_is_left(
    settings: Any, at_allauth: ApiClient, name: str, value: object, why: str
) -> None:
    add_app(at_allauth)
    setattr(settings, name, value)

    assert f"{why}." in run()[0]
    assert not Factor.objects.filter(kind="totp").exists()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("SESSION_AUTH_PASSKEY_DOMAIN", "example.org", "made for another domain than example.org"),
        ("SESSION_AUTH_PASSKEY_ORIGINS", [], "it needs SESSION_AUTH_PASSKEY_ORIGINS"),
    ],
)
def test_a_passkey_that_would_not_work_here_is_left(
    settings: Any, at_allauth: ApiClient, name: str, value: object, why: str
) -> None:
    add_passkey(at_allauth, Authenticator(**LAPTOP))
    setattr(settings, name, value)

    assert [line for line in run() if why in line]
    assert not Factor.objects.filter(kind="passkey").exists()


def test_a_setting_that_is_wrong_stops_it(settings: Any, at_allauth: ApiClient) -> None:
    add_app(at_allauth)
    settings.SESSION_AUTH_TOTP_KEYS = ["no key"]

    with pytest.raises(ImproperlyConfigured):
        run()


def test_an_attestation_without_a_key_is_left(at_allauth: ApiClient) -> None:
    laptop = Authenticator(**LAPTOP)
    add_passkey(at_allauth, laptop)
    row = Row.objects.get(type="webauthn")
    row.data["credential"]["response"]["attestationObject"] = laptop.attest(b"", flags=0)
    row.save()

    assert "it cannot be read: ValueError." in run()[0]


def test_what_is_set_up_there_later_is_taken_over_by_another_run(
    at_allauth: ApiClient, clock: Any
) -> None:
    secret = add_app(at_allauth)
    run()
    laptop = Authenticator(**LAPTOP)
    add_passkey(at_allauth, laptop, passwordless="on")

    assert run() == ["Took over: 1 passkey. Before: 11."]
    assert log_in_by_passkey(ApiClient(**SECURE), laptop).status_code == 200
    clock.shift(30)
    assert second_factor(half_way(), "totp", code=code_of(secret)).status_code == 200
