"""django-allauth's stages in our login: its second factor, and its verified e-mail."""

import hashlib
import re
import time
from functools import partial
from typing import Any

import pytest
from allauth.account.internal.flows.login import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.internal.flows import trust
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.mfa.webauthn.internal.auth import WebAuthn
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from session_auth import throttling
from session_auth.contrib.allauth import SecondFactor
from session_auth.exceptions import InvalidCredentials
from session_auth.sessions import assurance, list_sessions
from session_auth.stages import Proof
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.test_races import at_once

pytestmark = [
    pytest.mark.django_db,
    # allauth takes the code of this very step alone, which would be over by chance.
    pytest.mark.usefixtures("clock"),
]
NEXT = AUTH + "login/second-factor/"
ORIGIN = "https://testserver"


@pytest.fixture(autouse=True)
def no_code_was_used() -> None:
    cache.clear()


@pytest.fixture
def secret(alice: User) -> str:
    secret: str = generate_totp_secret()
    TOTP.activate(alice, secret)
    return secret


@pytest.fixture
def secure() -> ApiClient:
    """A browser that comes by HTTPS, since it has a security key."""
    browser = ApiClient(HTTP_REFERER=ORIGIN)
    browser.defaults["wsgi.url_scheme"] = "https"
    return browser


def code_of(secret: str) -> str:
    now = list(yield_hotp_counters_from_time())
    return str(format_hotp_value(hotp_value(secret, now[len(now) // 2])))


def finish(browser: ApiClient, method: str, **fields: object) -> Any:
    return browser.call("POST", NEXT, {"method": method, **fields})


def test_a_code_of_its_is_asked_for(secret: str, alice: User, browser: ApiClient) -> None:
    response = browser.log_in()
    assert (response.status_code, response.json()["code"]) == (401, "second_factor_required")
    assert response.json()["methods"] == ["totp"]
    assert browser.user() is None

    assert finish(browser, "totp", code="000000").status_code == 401
    assert browser.user() is None

    assert finish(browser, "totp", code=code_of(secret)).status_code == 200
    [session] = list_sessions(alice)
    assert (set(session.methods), assurance(session)) == ({"password", "totp"}, 2)
    assert Authenticator.objects.get().last_used_at is not None


def test_its_own_view_knows_of_the_proof(secret: str, alice: User, browser: ApiClient) -> None:
    browser.log_in()
    finish(browser, "totp", code=code_of(secret))

    request: Any = browser.get("/accounts/login/").wsgi_request

    assert [each["type"] for each in get_authentication_records(request, alice)] == ["totp"]


def test_a_code_is_good_once(secret: str, alice: User, browser: ApiClient) -> None:
    code = code_of(secret)
    for expected in (200, 401):
        browser.log_in()
        assert finish(browser, "totp", code=code).status_code == expected


def test_a_recovery_code_is_good_once(secret: str, alice: User, browser: ApiClient) -> None:
    code, *_ = RecoveryCodes.activate(alice).get_unused_codes()
    for expected in (200, 401):
        assert browser.log_in().json()["methods"] == ["totp", "recovery_codes"]
        assert finish(browser, "recovery_codes", code=code).status_code == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["totp", "recovery_codes"])
def test_of_many_logins_with_one_code_of_its_one_wins(
    secret: str, alice: User, settings: Any, method: str
) -> None:
    """CVE-2026-82470: and the others are refused, not in an error."""

    def slowly(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("UPDATE") and Authenticator._meta.db_table in sql:
            time.sleep(0.05)
        return execute(sql, *args)

    def send(browser: ApiClient) -> Any:
        with connection.execute_wrapper(slowly):
            return finish(browser, method, code=code)

    settings.SESSION_AUTH_GUESSES_PER_ACCOUNT = 1000
    codes = RecoveryCodes.activate(alice).get_unused_codes()
    code = code_of(secret) if method == "totp" else codes[0]
    browsers = [ApiClient() for _ in range(8)]
    for browser in browsers:
        browser.log_in()

    found = at_once(*[partial(send, browser) for browser in browsers])

    assert sorted(response.status_code for response in found) == [200, *[401] * 7]


def test_no_code_of_its_is_used_up_that_is_refused(
    secret: str, alice: User, browser: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After too many wrong ones, none is right any more."""
    codes = RecoveryCodes.activate(alice).get_unused_codes()
    browser.log_in()
    monkeypatch.setattr(throttling, "CEILING", 0)

    assert finish(browser, "recovery_codes", code=codes[0]).status_code == 401

    row = Authenticator.objects.get(type="recovery_codes")
    assert row.wrap().get_unused_codes() == codes


def test_a_code_of_its_that_is_gone_meanwhile_is_wrong(
    secret: str, alice: User, rf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = SecondFactor()
    Authenticator.objects.all().delete()

    with pytest.raises(InvalidCredentials):
        stage.verify(alice, rf.post("/"), Proof(method="totp", data={"code": code_of(secret)}))


def test_a_code_of_its_is_a_proof_of_a_recent_login(
    secret: str, alice: User, browser: ApiClient
) -> None:
    browser.log_in()
    finish(browser, "totp", code=code_of(secret))
    cache.clear()
    proof = {"method": "totp", "code": code_of(secret)}

    assert browser.call("POST", AUTH + "reauthenticate/", proof).status_code == 200


def test_its_own_login_asks_by_itself(secret: str, alice: User, browser: ApiClient) -> None:
    browser.get("/accounts/login/")
    token = {"csrfmiddlewaretoken": browser.csrf_token()}
    asked = browser.post("/accounts/login/", {"login": "alice", "password": PASSWORD} | token)
    assert asked.headers["Location"] == "/accounts/2fa/authenticate/"
    assert browser.user() is None

    token = {"csrfmiddlewaretoken": browser.csrf_token()}
    browser.post(asked.headers["Location"], {"code": code_of(secret)} | token)
    assert browser.user() == {"id": alice.pk, "username": "alice"}


def test_the_admin_is_no_door_beside_it(secret: str, alice: User, browser: ApiClient) -> None:
    alice.is_staff = True
    alice.save()
    browser.get("/admin/login/")
    token = {"csrfmiddlewaretoken": browser.csrf_token()}

    response = browser.post(
        "/admin/login/",
        {"username": "alice", "password": PASSWORD} | token,
        HTTP_ACCEPT="text/html",
    )

    assert response.headers["Location"] == AUTH + "login/second-factor/page/"
    assert browser.user() is None


def test_a_browser_that_it_trusts_is_not_asked(
    secret: str, alice: User, browser: ApiClient, settings: Any
) -> None:
    settings.MFA_TRUST_ENABLED = True
    response = HttpResponse()
    trust.trust_browser(HttpRequest(), alice, response)
    browser.cookies.update(response.cookies)

    assert browser.log_in().status_code == 200


def test_a_second_address_that_is_not_verified_is_in_nobodys_way(
    alice: User, browser: ApiClient, settings: Any
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True)

    assert browser.log_in().status_code == 200


def test_an_address_is_verified_by_a_link(alice: User, browser: ApiClient, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"

    response = browser.log_in()
    assert (response.status_code, response.json()["code"]) == (401, "verified_email_required")
    assert response.json()["methods"] == ["email"]
    assert browser.user() is None
    assert finish(browser, "email").status_code == 401

    [message] = mail.outbox
    [link] = re.findall(r"/accounts/confirm-email/\S+", str(message.body))
    other = ApiClient()
    other.get(link)
    other.post(link, {"csrfmiddlewaretoken": other.csrf_token()})
    assert finish(browser, "email").status_code == 200
    assert browser.user() == {"id": alice.pk, "username": "alice"}


def test_an_address_is_verified_by_a_code(alice: User, browser: ApiClient, settings: Any) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True

    assert browser.log_in().json()["code"] == "verified_email_required"
    assert finish(browser, "email", code="WRONG1").status_code == 401
    assert browser.user() is None

    [message] = mail.outbox
    [code] = re.findall(r"^([A-Z0-9-]{6,9})$", str(message.body), re.MULTILINE)
    assert finish(browser, "email", code=code).status_code == 200
    assert browser.user() == {"id": alice.pk, "username": "alice"}


def test_a_mail_with_a_code_is_sent_once_in_a_while(
    alice: User, browser: ApiClient, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True

    for _ in range(2):
        assert browser.log_in().json()["code"] == "verified_email_required"
    assert len(mail.outbox) == 1

    def refuse(*args: object) -> None:
        raise ImmediateHttpResponse(HttpResponse(status=429))

    monkeypatch.setattr("session_auth.contrib.allauth.send_verification_email_for_user", refuse)
    assert ApiClient().log_in().status_code == 429


class SecurityKey:
    """A key that signs for whoever has it, as an authenticator does."""

    def __init__(self, user: User) -> None:
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        self.id = b"one of alice's keys"
        public_key = ES256.from_cryptography_key(self.private_key.public_key())
        attested = AttestedCredentialData.create(Aaguid.NONE, self.id, public_key)
        client_data = CollectedClientData.create("webauthn.create", b"1" * 16, ORIGIN)
        made = AttestationObject.create("none", self.says(attested), {})
        WebAuthn.add(
            user, "a key", self.response(clientDataJSON=client_data, attestationObject=made)
        )

    def says(self, attested: AttestedCredentialData | None = None) -> AuthenticatorData:
        flags = AuthenticatorData.FLAG.UP | (AuthenticatorData.FLAG.AT if attested else 0)
        rp_id_hash = hashlib.sha256(b"testserver").digest()
        return AuthenticatorData.create(rp_id_hash, flags, 0, attested or b"")

    def response(self, **parts: bytes) -> dict[str, Any]:
        key_id = websafe_encode(self.id)
        parts_ = {name: websafe_encode(part) for name, part in parts.items()}
        return {"id": key_id, "rawId": key_id, "type": "public-key", "response": parts_}

    def get(self, options: Any) -> dict[str, Any]:
        """Return what ``navigator.credentials.get()`` gives for ``options``."""
        challenge = websafe_decode(options["publicKey"]["challenge"])
        client_data = CollectedClientData.create("webauthn.get", challenge, ORIGIN)
        says = self.says()
        signed = self.private_key.sign(says + client_data.hash, ec.ECDSA(hashes.SHA256()))
        return self.response(clientDataJSON=client_data, authenticatorData=says, signature=signed)


def test_a_security_key_of_its_logs_in(alice: User, secure: Any) -> None:
    key = SecurityKey(alice)
    response = secure.log_in()
    assert response.json()["methods"] == ["webauthn"]
    options = response.json()["request_options"]

    wrong = SecurityKey.get(key, {"publicKey": {"challenge": websafe_encode(b"2" * 16)}})
    assert finish(secure, "webauthn", credential=wrong).status_code == 401
    assert finish(secure, "webauthn", credential={"id": 7}).status_code == 401
    assert secure.user() is None

    right = key.get(options)
    assert finish(secure, "webauthn", credential=right).status_code == 200
    [session] = list_sessions(alice)
    assert assurance(session) == 2

    secure.log_in()
    assert finish(secure, "webauthn", credential=right).status_code == 401
