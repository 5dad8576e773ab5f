"""Passkeys: made, used without a name, named, removed; and what proves nothing."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from webauthn.helpers import base64url_to_bytes

from session_auth.factors.models import Challenge, Factor, UserHandle
from session_auth.models import Session
from tests.api_client import AUTH, ApiClient, id_of, signed_in
from tests.clock import NOON
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    half_way,
    log_in_by_passkey,
    options_for,
    register,
    second_factor,
    told,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def passkey(alice: User) -> Authenticator:
    """A passkey of alice."""
    authenticator = Authenticator()
    assert register(signed_in(), authenticator).status_code == 201
    return authenticator


def log_in_with(credential: object, browser: ApiClient | None = None) -> Any:
    return (browser or ApiClient()).call(
        "POST", AUTH + "login/passkey/", {"credential": credential}
    )


# Made


def test_a_passkey_must_be_discoverable_and_verify_its_user(alice: User) -> None:
    options = signed_in().call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]

    assert options["rp"] == {"id": "example.org", "name": "Example"}
    assert options["user"]["name"] == "alice"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"


def test_the_answer_to_a_new_passkey_tells_who_is_logged_in_as_that_to_a_login(alice: User) -> None:
    browser = signed_in()

    answer = register(browser, Authenticator()).json()

    told = browser.get(AUTH + "user/").json()
    assert list(answer) == ["user", "session", "csrfToken", "passkey"]
    assert (answer["user"], answer["session"]) == (told["user"], told["session"])
    assert list(answer["session"]["methods"]) == ["password", "passkey"]


def test_a_user_handle_says_nothing_and_stays_the_same(alice: User, bob: User) -> None:
    def handle(name: str) -> str:
        response = signed_in(name).call("POST", AUTH + "factors/passkeys/options/")
        return str(response.json()["publicKey"]["user"]["id"])

    assert handle("alice") == handle("alice") != handle("bob")
    assert len(base64url_to_bytes(handle("alice"))) == 32
    assert UserHandle.objects.count() == 2


def test_a_passkey_is_listed_by_its_name(passkey: Authenticator) -> None:
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)

    [listed] = browser.get(AUTH + "factors/").json()["passkeys"]

    assert (listed["name"], listed["last_used_at"] is None) == ("Laptop", False)
    assert listed["id"] == Factor.objects.get().id


def test_one_that_is_there_already_is_told_to_the_browser_and_refused(
    passkey: Authenticator,
) -> None:
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)
    options = browser.call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]

    response = register(browser, passkey)

    assert [each["id"] for each in options["excludeCredentials"]] == [
        passkey.get(options)["id"],
    ]
    assert told(response) == (400, "invalid_request")
    assert Factor.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"verifies": False},
        {"origin": "https://evil.example"},
        {"origin": "https://example.org.evil.example"},
        {"origin": "http://example.org"},
        {"rp_id": "evil.example"},
        {"more": {"crossOrigin": True}},
        {"more": {"topOrigin": "https://evil.example"}},
        {"more": {"type": "webauthn.get"}},
        {"more": {"challenge": "AAAA"}},
    ],
)
def test_what_does_not_verify_makes_no_passkey(alice: User, wrong: dict[str, Any]) -> None:
    response = register(signed_in(), Authenticator(**wrong))

    assert told(response) == (400, "invalid_request")
    assert Factor.objects.count() == 0


@pytest.mark.parametrize("algorithm", [-65535, -47, -36, 0])
def test_a_passkey_that_signs_by_a_weak_algorithm_is_refused(alice: User, algorithm: int) -> None:
    """RSA with SHA-1, ES256K, and what was not asked for: ASVS 11.6.1."""
    options = signed_in().call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]

    response = register(signed_in(), Authenticator(algorithm=algorithm))

    assert {each["alg"] for each in options["pubKeyCredParams"]} == {-8, -7, -257}
    assert told(response) == (400, "invalid_request")
    assert Factor.objects.count() == 0


# Used


def test_a_passkey_alone_logs_in_and_is_two_factors(passkey: Authenticator, alice: User) -> None:
    browser = ApiClient()

    response = log_in_by_passkey(browser, passkey)

    assert response.status_code == 200
    assert response.json()["user"] == {"id": alice.pk, "username": "alice"}
    assert list(response.json()["session"]["methods"]) == ["passkey"]
    assert browser.call("POST", AUTH + "factors/recovery-codes/").status_code == 201


def test_the_options_of_a_login_name_nobody(passkey: Authenticator) -> None:
    options = options_for(ApiClient())

    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assert options["rpId"] == "example.org"


def test_it_works_on_each_origin_of_the_settings(passkey: Authenticator) -> None:
    passkey.origin = "https://shop.example.org"

    assert log_in_by_passkey(ApiClient(), passkey).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"verifies": False},
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"handle": ""},
        {"handle": None},
        {"handle": "AAAA"},
        {"more": {"crossOrigin": True}},
        {"more": {"type": "webauthn.create"}},
        {"key": Authenticator().key},
    ],
)
def test_a_use_that_does_not_verify_logs_nobody_in(
    passkey: Authenticator, wrong: dict[str, Any]
) -> None:
    """CVE-2026-134320"""
    vars(passkey).update(wrong)
    browser = ApiClient()

    response = log_in_by_passkey(browser, passkey)

    assert told(response) == (401, "invalid_credentials")
    assert browser.user() is None


def test_wrong_uses_are_counted(passkey: Authenticator) -> None:
    """ASVS 6.6.3: for the account, in whatever browser they are made."""
    right, passkey.key = passkey.key, Authenticator().key
    answers = [told(log_in_by_passkey(ApiClient(), passkey)) for _ in range(6)]
    passkey.key = right

    assert answers == [(401, "invalid_credentials")] * 5 + [(429, "throttled")]
    assert told(log_in_by_passkey(ApiClient(), passkey)) == (429, "throttled")


def test_a_wrong_use_is_told(
    passkey: Authenticator, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """ASVS 16.3.1"""
    passkey.key = Authenticator().key
    with caplog.at_level(logging.INFO, logger="session_auth.security"):
        log_in_by_passkey(ApiClient(), passkey)

    [told] = [vars(each) for each in caplog.records if each.name == "session_auth.security"]
    assert (told["event"], told["user_id"]) == ("login_failed", alice.pk)


@pytest.mark.parametrize("rp_id", ["localhost", "example.org"])
def test_the_origin_is_never_taken_from_the_request(passkey: Authenticator, rp_id: str) -> None:
    """CVE-2026-134320"""
    passkey.origin, passkey.rp_id = "http://localhost", rp_id
    browser = ApiClient(headers={"Origin": "http://localhost"}, SERVER_NAME="localhost")

    response = log_in_by_passkey(browser, passkey)

    assert told(response) == (401, "invalid_credentials")
    assert browser.user() is None


def test_the_same_use_is_good_once(passkey: Authenticator) -> None:
    browser = ApiClient()
    credential = passkey.get(options_for(browser))

    first, again = log_in_with(credential, browser), log_in_with(credential, browser)

    assert (first.status_code, told(again)) == (200, (401, "invalid_credentials"))


def test_a_challenge_is_used_up_by_a_wrong_use_too(passkey: Authenticator) -> None:
    browser = ApiClient()
    options = options_for(browser)
    good, bad = passkey.get(options), passkey.get(options)
    bad["response"]["signature"] = good["response"]["clientDataJSON"]

    assert told(log_in_with(bad, browser)) == (401, "invalid_credentials")
    assert told(log_in_with(good, browser)) == (401, "invalid_credentials")


def test_another_browser_cannot_use_it(passkey: Authenticator) -> None:
    credential = passkey.get(options_for(ApiClient()))
    other = ApiClient()
    options_for(other)  # so it has a cookie for challenges of its own

    assert told(log_in_with(credential, other)) == (401, "invalid_credentials")
    assert told(log_in_with(credential)) == (401, "invalid_credentials")


def test_a_challenge_ends_after_five_minutes(clock: Any, passkey: Authenticator) -> None:
    browser = ApiClient()
    credential = passkey.get(options_for(browser))
    clock.move_to(NOON + timedelta(minutes=5))

    assert told(log_in_with(credential, browser)) == (401, "invalid_credentials")


def test_expired_challenges_are_deleted_with_the_next(clock: Any, db: None) -> None:
    for _ in range(3):
        options_for(ApiClient())
    clock.move_to(NOON + timedelta(minutes=6))

    options_for(ApiClient())

    assert Challenge.objects.count() == 1


def test_two_tabs_have_a_challenge_each(passkey: Authenticator) -> None:
    browser = ApiClient()
    first, second = options_for(browser), options_for(browser)

    assert log_in_with(passkey.get(first), browser).status_code == 200
    assert log_in_with(passkey.get(second), browser).status_code == 200


@pytest.mark.parametrize("purpose", ["login", "proof", "passkey"])
def test_a_challenge_serves_its_purpose_alone(passkey: Authenticator, purpose: str) -> None:
    """CVE-2026-110862, CVE-2026-114607"""
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)
    if purpose == "passkey":
        options = browser.call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]
    else:
        options = options_for(browser, purpose)

    answers = {
        "login": lambda: log_in_with(passkey.get(options), browser),
        "proof": lambda: browser.call(
            "POST",
            AUTH + "reauthenticate/",
            {"method": "passkey", "credential": passkey.get(options)},
        ),
        "passkey": lambda: browser.call(
            "POST",
            AUTH + "factors/passkeys/",
            {"credential": Authenticator().create({**options, "user": {"id": passkey.handle}})},
        ),
    }
    for other in answers.keys() - {purpose}:
        assert answers[other]().status_code in (400, 401)


def test_a_passkey_that_the_site_does_not_know_is_named_so(alice: User) -> None:
    stranger = Authenticator()
    stranger.handle = "AAAA"

    assert told(log_in_by_passkey(ApiClient(), stranger)) == (401, "unknown_passkey")


def test_an_inactive_user_cannot_log_in(passkey: Authenticator) -> None:
    User.objects.update(is_active=False)

    assert told(log_in_by_passkey(ApiClient(), passkey)) == (401, "unknown_passkey")


def test_a_passkey_of_another_user_with_this_users_handle_is_refused(
    passkey: Authenticator, bob: User
) -> None:
    of_bob = Authenticator()
    register(signed_in("bob"), of_bob)
    of_bob.handle = passkey.handle

    assert told(log_in_by_passkey(ApiClient(), of_bob)) == (401, "invalid_credentials")


@pytest.mark.parametrize("count", [1, 0])
def test_a_count_that_is_behind_is_noted_and_locks_nobody_out(
    passkey: Authenticator, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    passkey.count, passkey.step = 7, 0
    log_in_by_passkey(ApiClient(), passkey)
    passkey.count = count

    with caplog.at_level(logging.WARNING, logger="session_auth.security"):
        response = log_in_by_passkey(ApiClient(), passkey)

    assert response.status_code == 200
    [event] = [each for each in caplog.records if vars(each)["event"] == "passkey_count_behind"]
    assert vars(event)["count"] == count
    assert Factor.objects.get().counter == 7


def test_one_that_never_counts_is_not_noted(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    synced = Authenticator(step=0)
    register(signed_in(), synced)

    with caplog.at_level(logging.WARNING, logger="session_auth.security"):
        assert log_in_by_passkey(ApiClient(), synced).status_code == 200
    assert "passkey_count_behind" not in [vars(each)["event"] for each in caplog.records]


def test_the_cookie_outlives_the_browser_if_asked(passkey: Authenticator) -> None:
    browser = ApiClient()
    body = {"credential": passkey.get(options_for(browser)), "remember": False}

    response = browser.call("POST", AUTH + "login/passkey/", body)

    assert response.cookies["sessionid"]["max-age"] == ""


GARBAGE: list[Any] = [
    {},
    {"id": 1},
    {"id": "x", "response": None},
    {"id": "x", "response": {"clientDataJSON": 1}},
    {"id": "x", "response": {"clientDataJSON": "!"}},
    {"id": "x", "response": {"clientDataJSON": "WzFd"}},
    {"id": "x", "response": {"clientDataJSON": "bnVsbA"}},
    {"id": "x", "response": {"clientDataJSON": "eyJjaGFsbGVuZ2UiOiBbXX0"}},
]


@pytest.mark.parametrize("credential", GARBAGE)
def test_what_is_no_credential_is_refused(
    passkey: Authenticator, credential: dict[str, Any]
) -> None:
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)
    registration = browser.call("POST", AUTH + "factors/passkeys/", {"credential": credential})
    proof = browser.call(
        "POST", AUTH + "reauthenticate/", {"method": "passkey", "credential": credential}
    )

    assert log_in_with(credential).status_code in (400, 401)
    assert (registration.status_code, proof.status_code in (400, 401)) == (400, True)


@pytest.mark.parametrize("part", ["authenticatorData", "signature", "userHandle"])
@pytest.mark.parametrize("value", [None, 5, "", "!", "AAAA", ["x"], {"a": "b"}])
def test_a_part_that_is_wrong_is_refused(passkey: Authenticator, part: str, value: object) -> None:
    browser = ApiClient()
    credential = passkey.get(options_for(browser))
    credential["response"][part] = value

    assert told(log_in_with(credential, browser)) == (401, "invalid_credentials")


@pytest.mark.parametrize("value", [None, 5, "", "!", "AAAA", "oA"])
def test_an_attestation_that_is_wrong_is_refused(alice: User, value: object) -> None:
    browser = signed_in()
    options = browser.call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]
    credential = Authenticator().create(options)
    credential["response"]["attestationObject"] = value

    response = browser.call("POST", AUTH + "factors/passkeys/", {"credential": credential})

    assert told(response) == (400, "invalid_request")


def test_an_object_that_is_nested_too_deep_is_malformed(browser: ApiClient, db: None) -> None:
    deep = b'{"credential": {"a": ' + b"[" * 3000 + b"]" * 3000 + b"}}"

    response = browser.call("POST", AUTH + "login/passkey/", deep)

    assert told(response) == (400, "malformed_json")


# As a second factor, and to prove who one is


def test_a_passkey_is_a_second_factor(passkey: Authenticator) -> None:
    browser = half_way()
    options = options_for(browser, "proof")

    response = second_factor(browser, "passkey", credential=passkey.get(options))

    assert response.status_code == 200
    assert [each["id"] for each in options["allowCredentials"]] == [passkey.get(options)["id"]]


def test_an_authenticator_that_tells_no_user_will_do_for_one_who_is_known(
    passkey: Authenticator,
) -> None:
    browser = half_way()
    credential = passkey.get(options_for(browser, "proof"))
    del credential["response"]["userHandle"]

    assert second_factor(browser, "passkey", credential=credential).status_code == 200


def test_a_passkey_of_another_user_is_none(passkey: Authenticator, bob: User) -> None:
    of_bob = Authenticator()
    register(signed_in("bob"), of_bob)
    browser = half_way()

    response = second_factor(
        browser, "passkey", credential=of_bob.get(options_for(browser, "proof"))
    )

    assert told(response) == (401, "invalid_credentials")


def test_who_logged_in_by_a_passkey_proves_it_again_by_that(
    clock: Any, passkey: Authenticator
) -> None:
    User.objects.get().set_unusable_password()
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)
    clock.move_to(NOON + timedelta(hours=1))
    stale = browser.call("POST", AUTH + "factors/recovery-codes/")

    credential = passkey.get(options_for(browser, "proof"))
    proof = browser.call(
        "POST", AUTH + "reauthenticate/", {"method": "passkey", "credential": credential}
    )

    assert told(stale) == (403, "reauthentication_required")
    assert "passkey" in stale.json()["methods"]
    assert proof.status_code == 200
    assert browser.call("POST", AUTH + "factors/recovery-codes/").status_code == 201


def test_options_to_prove_who_one_is_need_somebody(browser: ApiClient, db: None) -> None:
    response = browser.call("POST", AUTH + "passkeys/options/", {"purpose": "proof"})
    unknown = browser.call("POST", AUTH + "passkeys/options/", {"purpose": "passkey"})

    assert (response.status_code, unknown.status_code) == (401, 400)


# Named and removed


def test_a_passkey_gets_another_name(passkey: Authenticator) -> None:
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)
    path = f"{AUTH}factors/passkeys/{Factor.objects.get().id}/"

    assert browser.call("PATCH", path, {"name": " Phone "}).json() == {"name": "Phone"}
    for name in ("", " ", "x" * 101, "a\nb", "a\u202eb"):
        assert browser.call("PATCH", path, {"name": name}).status_code == 400
    assert Factor.objects.get().name == "Phone"


def test_nobody_renames_or_removes_the_passkey_of_somebody_else(
    passkey: Authenticator, bob: User
) -> None:
    browser = signed_in("bob")
    path = f"{AUTH}factors/passkeys/{Factor.objects.get().id}/"

    assert told(browser.call("PATCH", path, {"name": "Mine"})) == (404, "not_found")
    assert told(browser.call("DELETE", path)) == (404, "not_found")
    assert Factor.objects.get().name == "Laptop"


def test_a_removed_passkey_opens_nothing(passkey: Authenticator) -> None:
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)

    browser.call("DELETE", f"{AUTH}factors/passkeys/{Factor.objects.get().id}/")

    assert told(log_in_by_passkey(ApiClient(), passkey)) == (401, "unknown_passkey")


def test_a_removed_passkey_tells_the_browser_what_is_left(passkey: Authenticator) -> None:
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)
    other = Authenticator()
    kept = register(browser, other).json()["passkey"]["id"]
    [gone] = Factor.objects.exclude(id=kept).values_list("id", flat=True)

    answer = browser.call("DELETE", f"{AUTH}factors/passkeys/{gone}/").json()

    assert answer["signals"] == {
        "rpId": "example.org",
        "userId": passkey.handle,
        "allAcceptedCredentialIds": [other.get({"challenge": ""})["id"]],
    }
    assert told(log_in_by_passkey(ApiClient(), passkey)) == (401, "unknown_passkey")


def test_a_removed_passkey_ends_the_sessions_that_it_opened(
    passkey: Authenticator, ends: list[Any], alice: User
) -> None:
    here, there = ApiClient(), ApiClient()
    log_in_by_passkey(there, passkey)
    log_in_by_passkey(here, passkey)
    here.call("POST", AUTH + "reauthenticate/", {"password": "correct horse battery staple"})
    there_id = id_of(there)

    response = here.call("DELETE", f"{AUTH}factors/passkeys/{Factor.objects.get().id}/")

    assert response.status_code == 200
    assert (there_id, alice.pk, "factor_removed") in ends
    assert there.user() is None
    assert list(json.loads(Session.objects.get().methods)) == ["password"]


def test_a_session_that_a_removed_passkey_alone_opened_ends_as_well(
    passkey: Authenticator, ends: list[Any]
) -> None:
    browser = ApiClient()
    log_in_by_passkey(browser, passkey)

    response = browser.call("DELETE", f"{AUTH}factors/passkeys/{Factor.objects.get().id}/")

    assert response.status_code == 200
    assert browser.user() is None
    assert "logout" in [reason for _, _, reason in ends]


@override_settings(SESSION_AUTH_PASSKEY_ORIGINS=())
def test_without_origins_there_are_no_passkeys(browser: ApiClient, alice: User) -> None:
    browser.log_in()

    for path in ("passkeys/options/", "login/passkey/", "factors/passkeys/"):
        assert told(browser.call("POST", AUTH + path)) == (404, "not_found")
    response = browser.call("POST", AUTH + "factors/passkeys/options/")
    assert told(response) == (404, "not_found")
    assert "SESSION_AUTH_PASSKEY_ORIGINS" in response.json()["hint"]


@override_settings(SESSION_AUTH_PASSKEY_DOMAIN="example.com", SESSION_AUTH_SITE_NAME="")
def test_the_domain_can_be_another_than_that_of_the_first_origin(alice: User) -> None:
    options = signed_in().call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]

    assert options["rp"] == {"id": "example.com", "name": "example.com"}
