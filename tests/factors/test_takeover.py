"""Factors of another package that are taken over: each once, and as strong as they were there."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from cbor2 import dumps
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import override_settings
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from session_auth.factors import totp
from session_auth.factors.models import Factor, TakenOver
from session_auth.factors.takeover import (
    Found,
    Result,
    app,
    passkey,
    recovery_code,
    take_over,
)
from session_auth.sessions import assurance, list_sessions
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    code_of,
    half_way,
    log_in_by_passkey,
    log_in_with,
    make_codes,
    options_for,
    register,
    second_factor,
    set_up_app,
    told,
)
from tests.factors.settings import SESSION_AUTH_TOTP_KEYS as KEYS

pytestmark = pytest.mark.django_db

SECRET = b"12345678901234567890"
CODE = "12345678"
HANDLE = b"1"
"""The primary key, as allauth has it."""


def taken(*found: Found, **more: Any) -> Result:
    return take_over(found, source="the old one", **more)


def whys(result: Result) -> list[str]:
    return [each.why for each in result.left]


def key_of(authenticator: Authenticator, user: User, **more: Any) -> Found:
    """Return a key that the user has registered elsewhere."""
    authenticator.handle = bytes_to_base64url(HANDLE)
    return passkey(
        "key 1",
        user_id=user.pk,
        credential_id=authenticator.id,
        public_key=authenticator.public_key(),
        **more,
    )


@pytest.fixture
def old_passkey(alice: User) -> Authenticator:
    """A passkey of alice that was taken over."""
    authenticator = Authenticator()
    taken(key_of(authenticator, alice, handle=HANDLE, verifies=True, name="Lap\ntop"))
    return authenticator


@pytest.fixture
def security_key(alice: User) -> Authenticator:
    """A key of alice that cannot verify who holds it, and was taken over."""
    authenticator = Authenticator(verifies=False)
    taken(key_of(authenticator, alice, handle=HANDLE))
    return authenticator


def use_key(browser: ApiClient, key: Authenticator) -> Any:
    credential = key.get(options_for(browser, "proof", method="security_key"))
    return second_factor(browser, "security_key", credential=credential)


# Apps


def test_an_app_is_asked_for_its_codes(clock: Any, alice: User) -> None:
    result = taken(app("app 1", user_id=alice.pk, secret=SECRET))

    assert [each.kind for each in result.taken] == ["totp"]
    assert second_factor(half_way(), "totp", code=code_of(SECRET)).status_code == 200
    assert mail.outbox == []


def test_a_code_that_was_used_elsewhere_is_used_up(clock: Any, alice: User) -> None:
    now = totp.current_step()
    taken(app("app 1", user_id=alice.pk, secret=SECRET, last_step=now))

    assert told(second_factor(half_way(), "totp", code=code_of(SECRET)))[0] == 401
    assert second_factor(half_way(), "totp", code=code_of(SECRET, steps=1)).status_code == 200


def test_an_app_that_was_set_up_here_stays(clock: Any, alice: User) -> None:
    own = set_up_app(signed_in())

    result = taken(app("app 1", user_id=alice.pk, secret=SECRET))

    assert whys(result) == ["the user has an app here"]
    assert second_factor(half_way(), "totp", code=code_of(own, steps=1)).status_code == 200


def test_of_two_apps_the_first_is_taken(clock: Any, alice: User) -> None:
    apps = [
        app(f"app {number}", user_id=alice.pk, secret=bytes([number]) * 20) for number in (1, 2)
    ]

    result = taken(*apps)

    assert (result.taken, whys(result)) == (apps[:1], ["the user has an app here"])
    assert second_factor(half_way(), "totp", code=code_of(b"\x01" * 20)).status_code == 200


# Recovery codes


def test_a_recovery_code_is_good_once_and_is_nowhere_in_clear(clock: Any, alice: User) -> None:
    taken(
        app("app 1", user_id=alice.pk, secret=SECRET),
        recovery_code("codes 1", user_id=alice.pk, code=CODE),
        recovery_code("codes 1", user_id=alice.pk, code="ABCD-efgh"),
    )

    assert not [row for row in Factor.objects.values() if CODE in str(row)]
    assert half_way_by(CODE[:4] + " " + CODE[4:]) == (200, None)
    assert half_way_by(CODE) == (401, "invalid_credentials")
    assert half_way_by("abcdefgh") == (200, None)
    assert [message.subject for message in mail.outbox] == ["A recovery code of yours was used"] * 2


def half_way_by(code: str) -> tuple[int, str | None]:
    return told(second_factor(half_way(), "recovery", code=code))


def test_nobody_uses_the_recovery_code_of_another(clock: Any, alice: User, bob: User) -> None:
    """CVE-2026-78619"""
    for user in (alice, bob):
        taken(app(f"app {user.pk}", user_id=user.pk, secret=SECRET))
    taken(recovery_code("codes 1", user_id=bob.pk, code=CODE))
    taken(recovery_code("codes 2", user_id=alice.pk, code="87654321"))

    assert half_way_by(CODE) == (401, "invalid_credentials")


def test_who_has_made_recovery_codes_here_keeps_those_alone(clock: Any, alice: User) -> None:
    browser = signed_in()
    set_up_app(browser)
    make_codes(browser)

    result = taken(recovery_code("codes 1", user_id=alice.pk, code=CODE))

    assert whys(result) == ["the user has made recovery codes here"]
    assert half_way_by(CODE) == (401, "invalid_credentials")


def test_new_recovery_codes_void_those_that_were_taken_over(clock: Any, alice: User) -> None:
    taken(
        app("app 1", user_id=alice.pk, secret=SECRET),
        recovery_code("codes 1", user_id=alice.pk, code=CODE),
    )
    browser = half_way()
    second_factor(browser, "totp", code=code_of(SECRET))
    make_codes(browser)

    assert half_way_by(CODE) == (401, "invalid_credentials")
    assert browser.get(AUTH + "factors/").json()["recovery_codes_left"] == 10


def test_a_key_is_replaced_for_recovery_codes_too(clock: Any, alice: User) -> None:
    taken(
        app("app 1", user_id=alice.pk, secret=SECRET),
        recovery_code("codes 1", user_id=alice.pk, code=CODE),
    )
    new = Fernet.generate_key().decode()

    with override_settings(SESSION_AUTH_TOTP_KEYS=[new, *KEYS]):
        call_command("renew_totp_keys", stdout=StringIO())
    with override_settings(SESSION_AUTH_TOTP_KEYS=[new]):
        assert half_way_by(CODE) == (200, None)


# Passkeys


def test_a_passkey_logs_in_without_a_name(old_passkey: Authenticator, alice: User) -> None:
    browser = ApiClient()

    response = log_in_by_passkey(browser, old_passkey)

    assert response.json()["user"] == {"id": alice.pk, "username": "alice"}
    [session] = list_sessions(alice)
    assert (set(session.methods), assurance(session)) == ({"passkey"}, 2)
    [listed] = browser.get(AUTH + "factors/").json()["passkeys"]
    assert listed["name"] == "Laptop"


def test_a_passkey_is_a_second_factor(old_passkey: Authenticator) -> None:
    browser = half_way()
    options = options_for(browser, "proof")

    assert [each["id"] for each in options["allowCredentials"]] == [old_passkey.get(options)["id"]]
    credential = old_passkey.get(options)
    assert second_factor(browser, "passkey", credential=credential).status_code == 200


@pytest.mark.parametrize("handle", ["", None, "AAAA", "new"])
def test_a_passkey_has_to_name_its_user_as_it_did_there(
    old_passkey: Authenticator, alice: User, handle: str | None
) -> None:
    if handle == "new":  # that of the passkeys which are made here
        register(signed_in_by(old_passkey), new := Authenticator())
        handle = new.handle
    old_passkey.handle = handle  # type: ignore[assignment]  # what none should do

    assert told(log_in_by_passkey(ApiClient(), old_passkey)) == (401, "invalid_credentials")


def signed_in_by(authenticator: Authenticator) -> ApiClient:
    browser = ApiClient()
    assert log_in_by_passkey(browser, authenticator).status_code == 200
    return browser


def test_a_passkey_has_to_verify_its_user(old_passkey: Authenticator) -> None:
    old_passkey.verifies = False
    browser = half_way()

    assert told(log_in_by_passkey(ApiClient(), old_passkey)) == (401, "invalid_credentials")
    assert told(use_key(browser, old_passkey)) == (400, "invalid_request")


def test_a_removed_passkey_is_told_by_the_handle_that_it_has(old_passkey: Authenticator) -> None:
    browser = signed_in_by(old_passkey)
    path = f"{AUTH}factors/passkeys/{Factor.objects.get().id}/"

    signals = browser.call("DELETE", path).json()["signals"]

    assert base64url_to_bytes(signals["userId"]) == HANDLE
    assert signals["allAcceptedCredentialIds"] == []


# Keys that need not verify who holds them


def test_a_security_key_is_a_second_factor_and_no_more(
    security_key: Authenticator, alice: User
) -> None:
    browser = ApiClient()
    refused = browser.log_in()
    options = options_for(browser, "proof", method="security_key")
    assert refused.json()["methods"] == ["security_key"]
    assert options["userVerification"] == "discouraged"

    answer = second_factor(browser, "security_key", credential=security_key.get(options))

    assert answer.status_code == 200
    [session] = list_sessions(alice)
    assert (set(session.methods), assurance(session)) == ({"password", "security_key"}, 2)
    assert told(log_in_by_passkey(ApiClient(), security_key)) == (401, "invalid_credentials")


def test_options_are_for_a_method_that_is_known(security_key: Authenticator) -> None:
    body = {"purpose": "stage", "method": "totp"}

    answer = half_way().call("POST", AUTH + "passkeys/options/", body)

    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["method"])


def test_the_page_for_the_admin_says_which_method_it_asks_for(security_key: Authenticator) -> None:
    page = half_way().get(AUTH + "login/second-factor/page/")

    assert 'data-method="security_key"' in page.content.decode()


def test_a_security_key_alone_is_one_factor(security_key: Authenticator, clock: Any) -> None:
    browser = half_way()
    use_key(browser, security_key)
    clock.shift(3600)
    credential = security_key.get(options_for(browser, "proof", method="security_key"))
    body = {"method": "security_key", "credential": credential}

    assert browser.call("POST", AUTH + "reauthenticate/", body).status_code == 200
    again = browser.call("POST", AUTH + "factors/recovery-codes/")
    assert told(again) == (403, "reauthentication_required")
    assert again.json()["methods"] == ["password"]
    browser.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})
    assert browser.call("POST", AUTH + "factors/recovery-codes/").status_code == 201


def test_a_security_key_that_can_verify_its_user_is_a_passkey_then(
    security_key: Authenticator,
) -> None:
    security_key.verifies = True

    assert log_in_by_passkey(ApiClient(), security_key).status_code == 200


def test_a_proof_of_a_passkey_is_none_of_a_security_key(security_key: Authenticator) -> None:
    """CVE-2026-110862, CVE-2026-114607"""
    browser = half_way()
    credential = security_key.get(options_for(browser, "proof"))
    other = security_key.get(options_for(browser, "proof", method="security_key"))

    refused = second_factor(browser, "security_key", credential=credential)
    assert told(refused) == (401, "invalid_credentials")
    assert told(log_in_with(other, browser)) == (401, "invalid_credentials")


def test_a_passkey_beside_a_security_key_has_to_verify_its_user(
    security_key: Authenticator, alice: User
) -> None:
    """CVE-2026-134320"""
    strict = Authenticator()
    found = key_of(strict, alice, handle=HANDLE, verifies=True)
    taken(Found(origin="key 2", user_id=alice.pk, kind=found.kind, factor=found.factor))
    strict.verifies = False
    browser = half_way()

    options = options_for(browser, "proof", method="security_key")

    assert [each["id"] for each in options["allowCredentials"]] == [security_key.get(options)["id"]]
    credential = strict.get(options)
    refused = second_factor(browser, "security_key", credential=credential)
    assert told(refused) == (401, "invalid_credentials")


def test_a_removed_security_key_ends_the_sessions_that_it_opened(
    security_key: Authenticator, alice: User
) -> None:
    here, there = half_way(), half_way()
    use_key(there, security_key)
    use_key(here, security_key)

    here.call("DELETE", f"{AUTH}factors/passkeys/{Factor.objects.get().id}/")

    assert (here.user() is None, there.user() is None) == (False, True)


def test_a_key_whose_handle_nobody_knows_logs_nobody_in_without_a_name(alice: User) -> None:
    key = Authenticator()
    taken(key_of(key, alice))

    assert told(log_in_by_passkey(ApiClient(), key)) == (401, "invalid_credentials")
    assert use_key(half_way(), key).status_code == 200


# Once


def test_what_was_taken_over_does_not_come_back(clock: Any, alice: User) -> None:
    key = Authenticator()
    found = [
        app("app 1", user_id=alice.pk, secret=SECRET),
        recovery_code("codes 1", user_id=alice.pk, code=CODE),
        key_of(key, alice, handle=HANDLE, verifies=True),
    ]
    taken(*found)
    half_way_by(CODE)
    browser = signed_in_by(key)
    browser.call("DELETE", AUTH + "factors/totp/")
    path = f"{AUTH}factors/passkeys/{Factor.objects.get(kind='passkey').id}/"
    browser.call("DELETE", path)
    assert not Factor.objects.exists()

    result = taken(*found)

    assert (result.taken, result.before, result.left) == ([], found, [])
    assert not Factor.objects.exists()


def test_a_dry_run_stores_nothing(alice: User) -> None:
    found = [app("app 1", user_id=alice.pk, secret=SECRET)]

    assert taken(*found, dry_run=True).taken == found
    assert not Factor.objects.exists()
    assert not TakenOver.objects.exists()
    assert taken(*found).taken == found


def test_another_passkey_with_the_same_id_is_left(old_passkey: Authenticator, bob: User) -> None:
    result = take_over([key_of(old_passkey, bob)], source="a third one")

    assert whys(result) == ["there is one already"]


def test_each_kind_is_an_event(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="session_auth.security")

    taken(
        app("app 1", user_id=alice.pk, secret=SECRET),
        *(recovery_code("codes 1", user_id=alice.pk, code=code) for code in ("1", "2")),
    )

    told = [vars(each) for each in caplog.records if each.name == "session_auth.security"]
    assert [(each["event"], each["factor"], each["source"]) for each in told] == [
        ("factor_added", "totp", "the old one"),
        ("factor_added", "recovery", "the old one"),
    ]


@override_settings(SESSION_AUTH_TOTP_KEYS=(), SESSION_AUTH_PASSKEY_ORIGINS=())
@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: app("1", user_id=1, secret=SECRET), "SESSION_AUTH_TOTP_KEYS"),
        (lambda: recovery_code("1", user_id=1, code=CODE), "SESSION_AUTH_TOTP_KEYS"),
        (lambda: passkey("1", user_id=1, credential_id=b"", public_key=b""), "PASSKEY_ORIGINS"),
    ],
)
def test_what_needs_a_setting_is_left(make: Callable[[], Found], setting: str) -> None:
    [why] = whys(taken(make()))

    assert setting in why


def test_a_key_that_signs_by_a_weak_algorithm_is_left(alice: User) -> None:
    public_key = dumps({1: 3, 3: -65535, -1: b"n", -2: b"e"})

    found = passkey("1", user_id=alice.pk, credential_id=b"1", public_key=public_key)

    assert whys(taken(found)) == ["it signs by a weak algorithm"]


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(CommandError, match=r"allauth\.mfa is not in INSTALLED_APPS"):
        call_command("take_over_factors", "allauth.mfa")


def test_a_row_of_what_was_taken_over_is_called_by_its_id() -> None:
    assert str(TakenOver(id="x")) == "x"
