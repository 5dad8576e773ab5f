"""Authenticator apps: RFC 6238, setting one up, and each code once."""

import re
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Any
from xml.etree import ElementTree

import pytest
from asgiref.sync import async_to_sync
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.test import override_settings
from django.views.debug import ExceptionReporter

from session_auth import flows, testing
from session_auth.factors import encryption, totp
from session_auth.factors.models import Challenge, Factor
from tests.api_client import AUTH, ApiClient, signed_in
from tests.clock import NOON
from tests.factors.calls import (
    STEP,
    begin_app,
    code_of,
    confirm_app,
    half_way,
    second_factor,
    set_up_app,
    told,
    user_with_app,
)
from tests.factors.settings import SESSION_AUTH_TOTP_KEYS as KEYS

pytestmark = pytest.mark.django_db

RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    assert totp.code_at(RFC_SECRET, seconds // 30, digits=8) == code
    assert totp.code_at(RFC_SECRET, seconds // 30) == code[2:]


def test_what_an_app_needs_is_a_uri_a_secret_and_a_picture(clock: Any, alice: User) -> None:
    alice.username = "al ice&?"
    alice.save()
    browser = signed_in("al ice&?")

    answer = browser.call("POST", AUTH + "factors/totp/").json()

    assert answer["uri"] == (
        f"otpauth://totp/Example%3Aal%20ice%26%3F?secret={answer['secret']}&issuer=Example"
        "&algorithm=SHA1&digits=6&period=30"
    )
    assert re.fullmatch("[A-Z2-7]{32}", answer["secret"])
    picture = ElementTree.fromstring(answer["qr_code"])  # noqa: S314 # our own
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert Factor.objects.count() == 0


def test_an_app_is_set_up_by_its_first_code(clock: Any, alice: User) -> None:
    browser = signed_in()
    secret = begin_app(browser)

    wrong = confirm_app(browser, code_of(secret, steps=5))
    right = confirm_app(browser, code_of(secret))

    assert (wrong.status_code, list(wrong.json()["fields"])) == (400, ["code"])
    assert right.status_code == 201
    assert browser.get(AUTH + "factors/").json()["totp"]["id"] == Factor.objects.get().id
    assert set(browser.get(AUTH + "user/").json()["session"]["methods"]) == {"password", "totp"}


def test_the_first_code_is_used_up_by_that(clock: Any, alice: User) -> None:
    browser = signed_in()
    secret = begin_app(browser)
    confirm_app(browser, code_of(secret))

    response = second_factor(half_way(), "totp", code=code_of(secret))

    assert told(response) == (401, "invalid_credentials")


def test_what_was_begun_ends_after_five_minutes(clock: Any, alice: User) -> None:
    browser = signed_in()
    secret = begin_app(browser)
    clock.move_to(NOON + timedelta(minutes=5))

    assert told(confirm_app(browser, code_of(secret))) == (404, "not_found")


def test_another_browser_cannot_confirm_what_this_one_began(clock: Any, alice: User) -> None:
    secret = begin_app(signed_in())

    assert told(confirm_app(signed_in(), code_of(secret))) == (404, "not_found")


def test_another_user_cannot_confirm_it_in_the_same_browser(
    clock: Any, alice: User, bob: User
) -> None:
    browser = signed_in()
    secret = begin_app(browser)
    browser.log_in("bob")

    assert told(confirm_app(browser, code_of(secret))) == (404, "not_found")


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_clock_may_be_one_step_off(clock: Any, db: None, steps: int) -> None:
    _, secret = user_with_app()
    clock.move_to(NOON + timedelta(minutes=5))

    assert second_factor(half_way(), "totp", code=code_of(secret, steps=steps)).status_code == 200


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_clock_may_not_be_two_steps_off(clock: Any, db: None, steps: int) -> None:
    _, secret = user_with_app()
    clock.move_to(NOON + timedelta(minutes=5))

    response = second_factor(half_way(), "totp", code=code_of(secret, steps=steps))

    assert told(response) == (401, "invalid_credentials")


def test_a_code_of_another_time_is_none(clock: Any, db: None) -> None:
    """Whatever a client says what time it is."""
    _, secret = user_with_app()
    old = code_of(secret)
    clock.move_to(NOON + timedelta(minutes=5))

    response = half_way().call(
        "POST",
        AUTH + "login/second-factor/",
        {"method": "totp", "code": old},
        headers={"Date": NOON.strftime("%a, %d %b %Y %H:%M:%S GMT")},
    )

    assert told(response) == (401, "invalid_credentials")


@pytest.mark.parametrize("change", ["{}", " {} ", "{:.3} {:.0}", "\t{}\n", "{}\u2003"])
def test_a_code_is_good_once_however_it_is_written(clock: Any, db: None, change: str) -> None:
    """CVE-2026-82470, CVE-2026-103655, CVE-2026-104105, CVE-2026-134276"""
    _, secret = user_with_app()
    code = code_of(secret)
    padded = change.replace("{:.3} {:.0}", f"{code[:3]} {code[3:]}").format(code)

    first = second_factor(half_way(), "totp", code=code)
    again = second_factor(half_way(), "totp", code=padded)

    assert first.status_code == 200
    assert told(again) == (401, "invalid_credentials")


def test_after_the_code_of_a_step_those_of_earlier_ones_are_void(clock: Any, db: None) -> None:
    _, secret = user_with_app()
    ahead, now = code_of(secret, steps=1), code_of(secret)
    second_factor(half_way(), "totp", code=ahead)

    assert told(second_factor(half_way(), "totp", code=now)) == (401, "invalid_credentials")
    clock.shift(timedelta(seconds=STEP))
    assert told(second_factor(half_way(), "totp", code=ahead)) == (401, "invalid_credentials")


@pytest.mark.parametrize("code", ["", "12345", "1234567", "١٢٣٤٥٦", "abcdef", "0" * 64])
def test_what_is_no_code_is_refused(clock: Any, db: None, code: str) -> None:
    user_with_app()

    assert second_factor(half_way(), "totp", code=code).status_code in (400, 401)


def test_setting_an_app_up_anew_replaces_the_old_one(clock: Any, db: None) -> None:
    _, old = user_with_app()
    browser = half_way()
    second_factor(browser, "totp", code=code_of(old))

    new = set_up_app(browser)

    assert Factor.objects.count() == 1
    assert told(second_factor(half_way(), "totp", code=code_of(old, steps=1)))[0] == 401
    assert second_factor(half_way(), "totp", code=code_of(new)).status_code == 200


# At rest


def test_the_tables_hold_no_secret(clock: Any, alice: User) -> None:
    browser = signed_in()
    secret = begin_app(browser)
    pending = Challenge.objects.get().material
    confirm_app(browser, code_of(secret))
    stored = Factor.objects.get().material

    for text in (pending, stored):
        assert secret not in text.encode()
        assert totp.in_base32(secret) not in text


def test_keys_can_be_replaced_one_by_one(clock: Any, db: None) -> None:
    _, secret = user_with_app()
    new = Fernet.generate_key().decode()

    with override_settings(SESSION_AUTH_TOTP_KEYS=[new, *KEYS]):
        call_command("renew_totp_keys")
    with override_settings(SESSION_AUTH_TOTP_KEYS=[new]):
        assert second_factor(half_way(), "totp", code=code_of(secret)).status_code == 200


def test_a_secret_whose_key_is_lost_is_a_mistake_of_the_settings(clock: Any, db: None) -> None:
    _, secret = user_with_app()

    with (
        override_settings(SESSION_AUTH_TOTP_KEYS=[Fernet.generate_key().decode()]),
        pytest.raises(ImproperlyConfigured, match="Put that key back"),
    ):
        second_factor(half_way(), "totp", code=code_of(secret))


def shown_variables(caught: Any, request: Any) -> str:
    """Return the variables that a report to ADMINS shows of all frames but those of this module."""
    frames = ExceptionReporter(request, caught.type, caught.value, caught.tb).get_traceback_frames()
    assert any(frame["function"] == "decrypt" for frame in frames)
    return str([frame["vars"] for frame in frames if frame["filename"] != __file__])


def by_call(request: Any, way: Any, code: str) -> None:
    if iscoroutinefunction(way):
        way = async_to_sync(way)
    way(request, method="totp", data={"code": code})


@pytest.mark.parametrize("way", [flows.reauthenticate_by, flows.areauthenticate_by])
def test_an_error_report_of_a_step_up_shows_no_code(
    clock: Any, alice: User, rf: Any, way: Any
) -> None:
    """It is good still: it was not used up."""
    code = code_of(set_up_app(signed_in()))
    request = testing.log_in(rf.post("/"), alice)

    with (
        override_settings(SESSION_AUTH_TOTP_KEYS=[Fernet.generate_key().decode()]),
        pytest.raises(ImproperlyConfigured) as caught,
    ):
        by_call(request, way, code)

    assert code not in shown_variables(caught, rf.get("/"))


@pytest.mark.parametrize("way", [flows.pass_stage, flows.apass_stage])
def test_nor_does_that_of_a_login(clock: Any, alice: User, rf: Any, way: Any) -> None:
    code = code_of(set_up_app(signed_in()))
    request = rf.post("/")
    request.COOKIES.update({name: each.value for name, each in half_way().cookies.items()})
    testing.add_session(request)

    with (
        override_settings(SESSION_AUTH_TOTP_KEYS=[Fernet.generate_key().decode()]),
        pytest.raises(ImproperlyConfigured) as caught,
    ):
        by_call(request, way, code)

    assert code not in shown_variables(caught, rf.get("/"))


def test_a_secret_cannot_be_moved_to_another_user(clock: Any, alice: User, bob: User) -> None:
    mine = set_up_app(signed_in())
    set_up_app(signed_in("bob"))
    theirs = Factor.objects.get(user_id=alice.pk).material
    Factor.objects.filter(user_id=bob.pk).update(material=theirs)

    with pytest.raises(ImproperlyConfigured, match="another user"):
        second_factor(half_way("bob"), "totp", code=code_of(mine))


def test_a_secret_is_encrypted_anew_each_time() -> None:
    assert encryption.encrypt(b"s", user_id=1) != encryption.encrypt(b"s", user_id=1)


@override_settings(SESSION_AUTH_TOTP_KEYS=())
def test_without_keys_nobody_sets_up_an_app(browser: ApiClient, alice: User) -> None:
    browser.log_in()

    assert told(browser.call("POST", AUTH + "factors/totp/")) == (404, "not_found")
    assert told(confirm_app(browser, "123456")) == (404, "not_found")
