"""What a standard asks for and no other test would see broken: breaks of docs/ledger.toml."""

import logging
import secrets
import string
from base64 import urlsafe_b64decode
from collections import Counter
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import user_logged_in
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client, modify_settings

from session_auth.exceptions import MalformedJSON
from session_auth.keys import new_session_key
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.checking import deployed
from tests.guessing import caller, device_cookie, guess
from tests.password_calls import NEW, ask, can_log_in, change, confirm, link_for, with_links

pytestmark = pytest.mark.django_db

ENDPOINTS = ("csrf/", "login/", "logout/", "sessions/", "sessions/x/", "user/", "password/change/")


def test_a_made_up_key_opens_nobodys_session(alice: User) -> None:
    """ASVS 1.2.4 and 7.2.1"""
    signed_in()

    thief = ApiClient()
    for key in (new_session_key(), "A" * 43, "a" * 32, "' OR 1=1 --".ljust(43, "-")):
        thief.cookies["sessionid"] = key
        assert thief.user() is None


@pytest.mark.parametrize("password", ["100%25 of %61", "\\u0061 &amp; +", "\ufeffmarked"])
def test_a_body_is_decoded_once(alice: User, password: str) -> None:
    """ASVS 1.1.1: what looks encoded after that is what was meant."""
    alice.set_password(password)
    alice.save()

    assert can_log_in(password)
    assert not can_log_in("100% of a")


def test_the_session_of_one_user_is_not_that_of_another(alice: User, bob: User) -> None:
    """ASVS 7.2.1"""
    here, there = signed_in(), signed_in("bob")

    assert (here.user()["id"], there.user()["id"]) == (alice.pk, bob.pk)


@with_links
def test_links_for_one_address_are_limited_wherever_they_are_asked_for(alice: User) -> None:
    """ASVS 2.4.1"""
    answers = [ask(caller(f"9.9.9.{n}")).status_code for n in range(8)]

    assert answers == [202] * 5 + [429] * 3


@pytest.mark.parametrize("which", ["SESSION", "CSRF"])
def test_each_cookie_has_to_be_secure_and_prefixed(which: str) -> None:
    """ASVS 3.3.1"""
    assert deployed(**{f"{which}_COOKIE_SECURE": False, f"{which}_COOKIE_NAME": "a"}) == [
        "session_auth.E101",
        "session_auth.W101",
    ]
    assert deployed(**{f"{which}_COOKIE_NAME": "__Secure-a"}) == ["session_auth.W101"]


@modify_settings(
    MIDDLEWARE={
        "remove": [
            "django.middleware.security.SecurityMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ]
    }
)
def test_our_answers_say_all_by_themselves(alice: User) -> None:
    """ASVS 3.4.3, 3.4.4, 3.4.6: no middleware need be there for it."""
    here = signed_in()

    for response in (here.get(AUTH + "user/"), Client().post(AUTH + "login/"), here.log_out()):
        policy = response.headers["Content-Security-Policy"]
        assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy.split("; "))
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/admin/"])
def test_a_login_leads_nowhere(alice: User, browser: ApiClient, target: str) -> None:
    """ASVS 3.7.2"""
    body = {"username": "alice", "password": PASSWORD}
    response = browser.call("POST", f"{AUTH}login/?next={target}", body)

    assert response.status_code == 200
    assert "Location" not in response.headers
    assert target not in response.text


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_no_endpoint_leads_anywhere(alice: User, method: str) -> None:
    """ASVS 3.7.2"""
    browser = signed_in()
    target = "https://evil.example/"
    body = {"username": "alice", "password": PASSWORD, "next": target}

    for endpoint in (*ENDPOINTS, "reauthenticate/", "password/reset/", "password/reset/confirm/"):
        for sent in (body, {"password": PASSWORD}, {}):
            path = f"{AUTH}{endpoint}?next={target}&redirect_to={target}"
            response = browser.call(method, path, sent, headers={"Accept": "text/html"})
            assert (response.status_code // 100 == 3, "Location" in response.headers) == (
                False,
            ) * 2


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"all": true}', "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"a=b", "application/x-www-form-urlencoded", 415),
        (b"", "text/plain", 200),
    ],
)
@pytest.mark.parametrize(("method", "endpoint"), [("POST", "logout/"), ("DELETE", "sessions/")])
def test_an_endpoint_without_fields_reads_its_body_all_the_same(
    alice: User, method: str, endpoint: str, body: bytes, content_type: str, status: int
) -> None:
    """ASVS 1.5.3 and 2.2.1"""
    browser = signed_in()

    response = browser.call(method, AUTH + endpoint, body, CONTENT_TYPE=content_type)

    assert response.status_code == status
    assert (browser.user() is None) is (status == 200 and endpoint == "logout/")


@pytest.mark.parametrize("method", ["TRACE", "PUT", "PATCH", "CONNECT"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_endpoint_takes_another_method(alice: User, method: str, endpoint: str) -> None:
    """ASVS 4.1.4 and 13.4.4"""
    response = signed_in().call(method, AUTH + endpoint)

    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("length", [64, 128, 1000])
def test_a_password_may_be_long(alice: User, length: int) -> None:
    """ASVS 6.2.9: whatever its last character is, it counts."""
    long = "ä" + "x" * (length - 2)

    assert change(signed_in(), new_password=long + "1").status_code == 200
    assert can_log_in(long + "1")
    assert not can_log_in(long + "2")


def test_a_link_in_the_query_is_not_read(alice: User) -> None:
    """ASVS 14.2.1: servers log what stands in a URL."""
    link = link_for()
    query = f"uid={link['uid']}&token={link['token']}&new_password={NEW}"

    for path in ("password/reset/check/", "password/reset/confirm/"):
        for body in ({}, {"uid": "", "token": ""}, {"uid": "", "token": "", "new_password": NEW}):
            assert ApiClient().call("POST", f"{AUTH}{path}?{query}", body).status_code == 400
    assert can_log_in(PASSWORD)


def test_a_reset_is_told_by_mail(alice: User) -> None:
    """ASVS 6.3.7"""
    confirm(ApiClient(), link_for())

    [message] = mail.outbox
    assert (message.to, message.subject) == (["alice@example.org"], "Your password was changed")


def test_each_character_of_a_key_is_chance() -> None:
    """ASVS 7.2.3: unlike a key of which a part alone is."""
    alphabet = set(string.ascii_letters + string.digits + "-_")
    keys = [new_session_key() for _ in range(400)]

    for position in range(42):  # the last one has 4 bits
        seen = Counter(key[position] for key in keys)
        assert seen.keys() <= alphabet
        assert len(seen) > 50
        assert max(seen.values()) < 40


def test_a_key_is_what_the_operating_system_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """ASVS 11.5.1: all of it, and nothing else is in it."""
    given: list[str] = []
    make = secrets.token_urlsafe

    def noted(size: int) -> str:
        given.append(make(size))
        return given[-1]

    monkeypatch.setattr(secrets, "token_urlsafe", noted)

    keys = [new_session_key() for _ in range(3)]

    assert keys == given
    assert [len(key) for key in keys] == [43] * 3


def test_a_device_is_known_by_its_signature_alone(alice: User, bob: User) -> None:
    """ASVS 11.2.5"""
    own = device_cookie(signed_in())
    device, generation, mac = own.split(":")[0].split(".")
    guess(ApiClient(), 5)

    for made_up in (f"{device}.{generation}.{'A' * 22}", f"{'A' * 22}.{generation}.{mac}"):
        stranger = ApiClient()
        stranger.cookies["sessionid_device"] = made_up
        assert stranger.log_in().status_code == 429
    stranger = ApiClient()
    stranger.cookies["sessionid_device"] = own
    assert stranger.log_in().status_code == 200


def test_a_device_is_signed_with_128_bits(alice: User) -> None:
    """ASVS 11.2.3: each of them counts, and none follows from the others."""
    *_, mac = device_cookie(signed_in()).split(":")[0].split(".")
    bits = urlsafe_b64decode(mac + "==")

    assert len(bits) == 16
    assert len({bits[at : at + 4] for at in range(0, 16, 4)}) == 4


def test_a_login_without_a_request_is_told(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    """ASVS 16.3.1: by whatever code, as that of a command."""
    with caplog.at_level(logging.INFO, "session_auth.security"):
        user_logged_in.send(sender=User, request=None, user=alice)

    assert [vars(record).get("event") for record in caplog.records] == ["login"]
    assert vars(caplog.records[0])["user_id"] == alice.pk


def test_no_event_tells_what_a_wrong_login_has_typed(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """ASVS 16.2.5: it may be the password of another site, or in the wrong field."""
    ApiClient().log_in("hunter2-as-a-name", "hunter2-as-a-password")
    ApiClient().call("POST", AUTH + "login/", {"username": "alice", "pasword": "hunter2-misspelt"})
    change(signed_in(), old_password="hunter2-as-the-old-one")

    told = [
        str(vars(record)) for record in caplog.records if record.name == "session_auth.security"
    ]
    assert len(told) >= 4
    assert [text for text in told if "hunter2" in text] == []


@pytest.mark.parametrize("body", [b"{", b'{"a":1,"a":2}', b"\xff", b"[" * 9000])
def test_an_error_tells_nothing_of_how_it_came_about(browser: ApiClient, body: bytes) -> None:
    """ASVS 16.5.1"""
    assert browser.call("POST", AUTH + "login/", body).json() == {
        "error": MalformedJSON.message,
        "code": "malformed_json",
        "hint": MalformedJSON.hint,
    }


def test_a_session_that_code_deletes_has_ended(
    alice: User, ends: list[tuple[str, Any, str]]
) -> None:
    """ASVS 7.4.1: by Django's own ``delete()``, as projects have it."""
    browser, other = signed_in(), signed_in()
    store = import_module(settings.SESSION_ENGINE).SessionStore

    store().delete(browser.session_key())
    store().delete("A" * 43)

    assert (browser.user(), other.user() is None) == (None, False)
    assert [reason for _, _, reason in ends] == ["logout"]


def test_an_end_of_others_ends_them_before_their_next_call(
    alice: User, ends: list[tuple[str, Any, str]]
) -> None:
    """ASVS 7.4.3"""
    here, there, third = signed_in(), signed_in(), signed_in()

    change(here, new_password=NEW)

    assert sorted(reason for _, _, reason in ends) == ["password_changed"] * 2
    assert [there.user(), third.user()] == [None, None]
