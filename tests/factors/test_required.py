"""Users who must have a second factor."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import override_settings

from session_auth.factors import authenticator_app
from session_auth.factors.models import Factor
from session_auth.models import Session
from tests.api_client import AUTH, ApiClient, signed_in
from tests.clock import NOON
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    code_of,
    from_base32,
    half_way,
    second_factor,
    set_up_app,
    told,
)

pytestmark = pytest.mark.django_db

STAGES = [
    "session_auth.factors.stages.SecondFactor",
    "session_auth.factors.setup_stage.SetUpFactor",
]


def staff_need_one(user: Any) -> datetime | None:
    return NOON + timedelta(days=14) if user.is_staff else None


@pytest.fixture(autouse=True)
def required(clock: Any, alice: User) -> Iterator[None]:
    User.objects.update(is_staff=True)
    with override_settings(
        SESSION_AUTH_STAGES=STAGES, SESSION_AUTH_REQUIRE_FACTOR=f"{__name__}.staff_need_one"
    ):
        yield


def test_until_then_the_user_is_told_when(bob: User) -> None:
    browser, other = signed_in(), signed_in("bob")

    assert browser.get(AUTH + "user/").json()["due"] == {
        "factor_setup_required": "2026-12-08T12:00:00Z"
    }
    assert "due" not in other.get(AUTH + "user/").json()


def test_who_has_one_is_told_nothing() -> None:
    browser = signed_in()
    set_up_app(browser)

    assert "due" not in browser.get(AUTH + "user/").json()


def test_from_then_on_a_login_ends_in_setting_one_up(clock: Any) -> None:
    clock.move_to(NOON + timedelta(days=14))
    browser = ApiClient()

    refused = browser.log_in()
    secret = from_base32(refused.json()["totp"]["secret"])
    wrong = second_factor(browser, "totp_setup", code="000000")
    right = second_factor(browser, "totp_setup", code=code_of(secret))

    assert told(refused) == (401, "factor_setup_required")
    assert refused.json()["methods"] == ["passkey_setup", "totp_setup"]
    assert (told(wrong), right.status_code) == ((401, "invalid_credentials"), 200)
    assert Factor.objects.get().kind == "totp"
    assert "An authenticator app of alice was added" in mail.outbox[-1].body
    assert browser.call("POST", AUTH + "factors/recovery-codes/").status_code == 201
    clock.shift(timedelta(minutes=1))
    assert second_factor(half_way(), "totp", code=code_of(secret)).status_code == 200


def test_who_must_have_one_is_asked_for_it_at_each_login(clock: Any) -> None:
    secret = set_up_app(signed_in())
    clock.move_to(NOON + timedelta(days=14))

    browser = half_way()

    assert browser.user() is None
    assert second_factor(browser, "totp", code=code_of(secret)).status_code == 200


def test_it_may_be_a_passkey(clock: Any) -> None:
    clock.move_to(NOON + timedelta(days=14))
    browser, passkey = ApiClient(), Authenticator()
    options = browser.log_in().json()["publicKey"]

    response = second_factor(browser, "passkey_setup", credential=passkey.create(options))

    assert response.status_code == 200
    assert Factor.objects.get().kind == "passkey"


@pytest.mark.parametrize("name", ["x" * 101, "a\nb", "a\u202eb"])
def test_its_name_is_one_that_people_can_read(clock: Any, name: str) -> None:
    clock.move_to(NOON + timedelta(days=14))
    browser, passkey = ApiClient(), Authenticator()
    credential = passkey.create(browser.log_in().json()["publicKey"])

    refused = second_factor(browser, "passkey_setup", credential=credential, name=name)
    response = second_factor(browser, "passkey_setup", credential=credential, name=" Phone ")

    assert list(refused.json()["fields"]) == ["name"]
    assert (response.status_code, Factor.objects.get().name) == (200, "Phone")


def test_another_browser_cannot_set_it_up(clock: Any) -> None:
    clock.move_to(NOON + timedelta(days=14))
    mine, other = ApiClient(), ApiClient()
    secret = from_base32(mine.log_in().json()["totp"]["secret"])
    other.log_in()

    response = second_factor(other, "totp_setup", code=code_of(secret))

    assert told(response) == (401, "invalid_credentials")
    assert not Factor.objects.exists()


def test_of_two_browsers_that_set_up_a_first_one_at_once_the_slower_is_refused(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.move_to(NOON + timedelta(days=14))
    here, there = ApiClient(), ApiClient()
    mine, theirs = (
        code_of(from_base32(each.log_in().json()["totp"]["secret"])) for each in (here, there)
    )
    confirmed = authenticator_app.confirmed

    def be_slow(*given: Any) -> Any:
        factor = confirmed(*given)
        monkeypatch.undo()
        assert second_factor(there, "totp_setup", code=theirs).status_code == 200
        return factor

    monkeypatch.setattr(authenticator_app, "confirmed", be_slow)
    response = second_factor(here, "totp_setup", code=mine)

    assert told(response) == (401, "invalid_credentials")
    assert Factor.objects.count() == 1
    assert (here.user(), there.user() is None) == (None, False)


def test_it_is_no_way_to_add_one_to_those_that_are_there(clock: Any) -> None:
    secret = set_up_app(signed_in())
    clock.move_to(NOON + timedelta(days=14))

    response = second_factor(half_way(), "totp_setup", code=code_of(secret))
    browser = half_way()
    second_factor(browser, "totp", code=code_of(secret))
    proof = browser.call(
        "POST", AUTH + "reauthenticate/", {"method": "totp_setup", "code": code_of(secret)}
    )

    assert (response.status_code, proof.status_code) == (400, 400)
    assert Factor.objects.count() == 1


def test_a_removed_app_ends_the_session_that_has_set_it_up(clock: Any) -> None:
    clock.move_to(NOON + timedelta(days=14))
    there = ApiClient()
    secret = from_base32(there.log_in().json()["totp"]["secret"])
    second_factor(there, "totp_setup", code=code_of(secret))
    clock.shift(timedelta(minutes=1))
    here = half_way()
    second_factor(here, "totp", code=code_of(secret))

    assert here.call("DELETE", AUTH + "factors/totp/").status_code == 204
    assert (there.user(), Session.objects.count()) == (None, 1)


@override_settings(SESSION_AUTH_PASSKEY_ORIGINS=())
def test_what_is_not_set_up_is_not_offered(clock: Any) -> None:
    clock.move_to(NOON + timedelta(days=14))

    assert ApiClient().log_in().json()["methods"] == ["totp_setup"]


@override_settings(SESSION_AUTH_TOTP_KEYS=())
def test_nor_is_an_app(clock: Any) -> None:
    clock.move_to(NOON + timedelta(days=14))

    assert ApiClient().log_in().json()["methods"] == ["passkey_setup"]
