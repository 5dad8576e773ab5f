"""Recovery codes: ten, shown once, each good once."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail

from session_auth import throttling
from session_auth.factors.models import Factor, Kind
from session_auth.models import PendingMail
from tests.api_client import AUTH, signed_in
from tests.factors.calls import (
    code_of,
    half_way,
    make_codes,
    second_factor,
    set_up_app,
    told,
    user_with_app,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def codes(clock: Any, alice: User) -> list[str]:
    browser = signed_in()
    set_up_app(browser)
    return make_codes(browser)


def test_ten_codes_are_shown_once_and_stored_as_digests(codes: list[str]) -> None:
    stored = Factor.objects.filter(kind=Kind.RECOVERY)

    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"([a-z2-7]{4}-){5}[a-z2-7]{4}", code) for code in codes)
    text = str(list(stored.values()))
    assert [code for code in codes if code in text or code.replace("-", "") in text] == []
    assert stored.count() == 10


def test_a_code_logs_in_once_and_the_number_left_is_told(codes: list[str]) -> None:
    browser = half_way()

    first = second_factor(browser, "recovery", code=codes[3])
    again = second_factor(half_way(), "recovery", code=codes[3])

    assert first.status_code == 200
    assert told(again) == (401, "invalid_credentials")
    assert browser.get(AUTH + "factors/").json()["recovery_codes_left"] == 9


@pytest.mark.parametrize("change", [str.upper, lambda c: c.replace("-", " "), lambda c: f" {c} "])
def test_a_code_may_be_typed_as_people_type(codes: list[str], change: Any) -> None:
    assert second_factor(half_way(), "recovery", code=change(codes[0])).status_code == 200


def test_its_user_is_told_by_mail_how_many_are_left(codes: list[str]) -> None:
    mail.outbox.clear()

    second_factor(half_way(), "recovery", code=codes[0])

    [message] = mail.outbox
    assert message.subject == "A recovery code of yours was used"
    assert "codes that are left: 9." in message.body
    assert codes[0] not in message.body


def test_no_code_is_used_up_whose_user_cannot_be_told(
    codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(PendingMail._meta, "db_table", "not_there")
        response = second_factor(half_way(), "recovery", code=codes[0])
    assert told(response) == (503, "store_unavailable")

    assert second_factor(half_way(), "recovery", code=codes[0]).status_code == 200


def test_new_codes_replace_the_old_ones(codes: list[str]) -> None:
    browser = half_way()
    second_factor(browser, "recovery", code=codes[0])

    new = make_codes(browser)

    assert told(second_factor(half_way(), "recovery", code=codes[1]))[0] == 401
    assert second_factor(half_way(), "recovery", code=new[0]).status_code == 200


def test_new_codes_end_what_an_old_one_has_opened(codes: list[str], ends: list[Any]) -> None:
    """Whoever has found the old ones, and got in by one, is out with them."""
    thief = half_way()
    second_factor(thief, "recovery", code=codes[0])
    owner = half_way()
    second_factor(owner, "recovery", code=codes[1])
    ends.clear()

    make_codes(owner)

    assert thief.user() is None
    assert owner.user()["username"] == "alice"
    assert [reason for *_, reason in ends] == ["factor_removed"]


def test_who_makes_new_codes_after_a_login_by_one_can_go_on_to_set_up_an_app(
    codes: list[str],
) -> None:
    owner = half_way()
    second_factor(owner, "recovery", code=codes[0])

    make_codes(owner)

    assert set_up_app(owner)


def test_codes_can_be_removed(codes: list[str]) -> None:
    browser = half_way()
    second_factor(browser, "recovery", code=codes[0])

    assert browser.call("DELETE", AUTH + "factors/recovery-codes/").status_code == 204
    assert told(second_factor(half_way(), "recovery", code=codes[1]))[0] in (400, 401)
    assert told(browser.call("DELETE", AUTH + "factors/recovery-codes/"))[0] in (403, 404)


def test_a_code_of_another_user_is_refused(codes: list[str], bob: User) -> None:
    """CVE-2026-78619"""
    theirs = signed_in("bob")
    set_up_app(theirs)
    codes_of_bob = make_codes(theirs)

    response = second_factor(half_way(), "recovery", code=codes_of_bob[0])

    assert told(response) == (401, "invalid_credentials")
    assert second_factor(half_way("bob"), "recovery", code=codes_of_bob[0]).status_code == 200


def test_codes_alone_make_no_second_factor_due(alice: User) -> None:
    make_codes(signed_in())

    assert signed_in().user() is not None


def test_a_code_is_no_way_to_trust_a_browser(codes: list[str]) -> None:
    response = second_factor(half_way(), "recovery", code=codes[0], trust=True)

    assert (response.status_code, list(response.json()["fields"])) == (400, ["trust"])
    assert Factor.objects.filter(kind=Kind.RECOVERY).count() == 10


def test_a_code_of_an_app_is_none(clock: Any, db: None) -> None:
    _, secret = user_with_app()

    response = second_factor(half_way(), "recovery", code=code_of(secret))

    assert told(response)[0] in (400, 401)


def test_a_code_that_is_refused_for_too_many_wrong_ones_is_not_used_up(
    codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = half_way()
    mail.outbox.clear()
    monkeypatch.setattr(throttling, "CEILING", 0)

    assert told(second_factor(browser, "recovery", code=codes[0])) == (401, "invalid_credentials")

    assert Factor.objects.filter(kind=Kind.RECOVERY).count() == 10
    assert mail.outbox == []


def test_too_many_wrong_codes_are_told_as_what_they_are(
    codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = half_way()
    mail.outbox.clear()
    monkeypatch.setattr(throttling, "CEILING", 1)

    second_factor(browser, "recovery", code="wrong")

    [message] = mail.outbox
    assert message.subject == "Too many wrong codes for your account"
    assert "may know your password" in message.body
    assert "nobody has got in" not in message.body
