"""What holds for each change of factors, and for a login that lacks its second factor."""

import logging
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core import mail
from django.core.checks import run_checks
from django.test import override_settings

from session_auth import factors
from session_auth.engines.database import SessionStore
from session_auth.factors.models import Challenge, Factor, UserHandle
from session_auth.models import Session
from session_auth.sessions.proofs import retract
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.clock import NOON
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    begin_app,
    code_of,
    confirm_app,
    half_way,
    make_codes,
    options_for,
    register,
    second_factor,
    set_up_app,
    told,
    user_with_app,
)
from tests.password_calls import NEW, confirm, link_for

pytestmark = pytest.mark.django_db

CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "factors/totp/", None),
    ("POST", "factors/totp/confirm/", {"code": "123456"}),
    ("DELETE", "factors/totp/", None),
    ("POST", "factors/recovery-codes/", None),
    ("DELETE", "factors/recovery-codes/", None),
    ("POST", "factors/passkeys/options/", None),
    ("POST", "factors/passkeys/", {"credential": {}}),
    ("PATCH", "factors/passkeys/{passkey}/", {"name": "Mine"}),
    ("DELETE", "factors/passkeys/{passkey}/", None),
]
each_change = pytest.mark.parametrize(
    ("method", "path", "body"), CHANGES, ids=[f"{method} {path}" for method, path, _ in CHANGES]
)


def call(browser: ApiClient, method: str, path: str, body: object) -> Any:
    passkey = Factor.objects.filter(kind="passkey").values_list("id", flat=True).first()
    return browser.call(method, AUTH + path.format(passkey=passkey or "x" * 43), body)


@each_change
def test_a_change_needs_a_login(
    browser: ApiClient, db: None, method: str, path: str, body: Any
) -> None:
    assert told(call(browser, method, path, body)) == (401, "not_authenticated")


def test_who_is_not_logged_in_sees_no_list(browser: ApiClient, db: None) -> None:
    assert told(browser.get(AUTH + "factors/")) == (401, "not_authenticated")


@each_change
def test_also_the_first_factor_needs_a_recent_login(
    clock: Any, alice: User, method: str, path: str, body: Any
) -> None:
    """CVE-2026-134321"""
    browser = signed_in()
    clock.move_to(NOON + timedelta(minutes=16))

    assert told(call(browser, method, path, body)) == (403, "reauthentication_required")


@each_change
def test_with_a_second_factor_the_password_alone_is_not_enough(
    clock: Any, alice: User, method: str, path: str, body: Any
) -> None:
    """GHSA-7mgc-c7pq-3rr3"""
    browser, other = signed_in(), signed_in()  # which the password alone has opened
    secret = set_up_app(browser)
    register(browser, Authenticator())

    response = call(other, method, path, body)

    assert told(response) == (403, "reauthentication_required")
    assert set(response.json()["methods"]) == {"passkey", "totp"}
    assert Factor.objects.count() == 2
    proof = {"method": "totp", "code": code_of(secret)}
    assert other.call("POST", AUTH + "reauthenticate/", proof).status_code == 200
    assert call(other, method, path, body).status_code != 403


@each_change
def test_nothing_of_it_is_open_half_way(
    clock: Any, db: None, method: str, path: str, body: Any
) -> None:
    """GHSA-7mgc-c7pq-3rr3, CVE-2026-134316"""
    user_with_app()

    assert told(call(half_way(), method, path, body)) == (401, "not_authenticated")


@pytest.mark.parametrize("path", ["user/", "sessions/", "factors/"])
def test_half_way_nobody_is_logged_in(clock: Any, db: None, path: str) -> None:
    """CVE-2026-109313: no cookie of the half-way state opens anything."""
    user_with_app()
    Session.objects.all().delete()
    browser = half_way()

    assert Session.objects.filter(user__isnull=False).count() == 0
    assert not {"sessionid_device", "sessionid_trust"} & set(browser.cookies)
    for name, cookie in list(browser.cookies.items()):
        thief = ApiClient()
        for other in ("sessionid", "sessionid_device", "sessionid_trust", name):
            thief.cookies[other] = cookie.value
        response = thief.get(AUTH + path)
        assert response.json().get("user") is None
        assert response.status_code in (200, 401)


def test_a_reset_changes_no_factor_and_logs_nobody_in(clock: Any, db: None) -> None:
    """GHSA-qq9h-g4jm-xgf3"""
    _, secret = user_with_app()
    browser = ApiClient()

    response = confirm(browser, link_for())
    clock.shift(timedelta(seconds=1))  # what was begun in the second of the reset is void

    assert (response.status_code, "sessionid" in response.cookies) == (200, False)
    assert browser.user() is None
    assert Factor.objects.count() == 1
    assert told(browser.log_in(password=NEW)) == (401, "second_factor_required")
    assert second_factor(browser, "totp", code=code_of(secret)).status_code == 200


@pytest.mark.parametrize("username", ["alice", "bob", "nobody"])
def test_nothing_tells_of_factors_before_the_password_was_right(
    clock: Any, db: None, username: str
) -> None:
    user_with_app()
    User.objects.create_user("bob", password=PASSWORD)

    response = ApiClient().log_in(username, "wrong")

    assert response.json() == {"error": "Invalid credentials", "code": "invalid_credentials"}
    assert set(response.cookies) <= {"csrftoken"}


def test_each_change_is_a_mail_and_an_event(
    clock: Any, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    browser = signed_in()
    steps: dict[tuple[str, str], Callable[[], object]] = {
        ("factor_added", "An authenticator app of alice was added"): lambda: set_up_app(browser),
        ("recovery_codes_made", "New recovery codes were made for alice"): lambda: make_codes(
            browser
        ),
        ("factor_added", "A passkey of alice was added"): lambda: register(
            browser, Authenticator()
        ),
        ("factor_renamed", "A passkey of alice was renamed"): lambda: call(
            browser, "PATCH", "factors/passkeys/{passkey}/", {"name": "https://evil.example"}
        ),
        ("factor_removed", "A passkey of alice was removed"): lambda: call(
            browser, "DELETE", "factors/passkeys/{passkey}/", None
        ),
        ("factor_removed", "The set of recovery codes of alice was removed"): lambda: call(
            browser, "DELETE", "factors/recovery-codes/", None
        ),
        ("factor_removed", "An authenticator app of alice was removed"): lambda: call(
            browser, "DELETE", "factors/totp/", None
        ),
    }
    for (event, sentence), step in steps.items():
        mail.outbox.clear()
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="session_auth.security"):
            step()

        [message] = mail.outbox
        assert message.to == ["alice@example.org"]
        assert message.body.startswith(sentence), message.body
        assert "evil" not in message.body
        assert event in [vars(record)["event"] for record in caplog.records]


def test_who_has_no_address_gets_no_mail(clock: Any, bob: User) -> None:
    set_up_app(signed_in("bob"))

    assert mail.outbox == []


def test_a_removed_app_ends_the_sessions_that_it_opened(
    clock: Any, db: None, ends: list[Any]
) -> None:
    user, secret = user_with_app()
    Session.objects.all().delete()
    there, here = half_way(), half_way()
    second_factor(there, "totp", code=code_of(secret))
    second_factor(here, "totp", code=code_of(secret, steps=1))
    there_id = id_of(there)

    response = here.call("DELETE", AUTH + "factors/totp/")

    assert response.status_code == 204
    assert ends == [(there_id, user.pk, "factor_removed")]
    assert (there.user(), here.user() is None) == (None, False)
    assert told(here.call("DELETE", AUTH + "factors/totp/")) == (404, "not_found")


def test_a_deleted_user_leaves_no_factor_behind(clock: Any, alice: User) -> None:
    browser = signed_in()
    set_up_app(browser)
    register(browser, Authenticator())
    begin_app(browser)

    alice.delete()

    assert [Factor.objects.count(), UserHandle.objects.count(), Challenge.objects.count()] == [
        0
    ] * 3


# Guesses


def test_wrong_codes_are_counted_over_logins_and_browsers(clock: Any, db: None) -> None:
    """CVE-2026-76213, CVE-2026-78655"""
    _, secret = user_with_app()
    browsers = [half_way() for _ in range(6)]
    for browser in browsers[:5]:
        assert told(second_factor(browser, "totp", code="000000")) == (401, "invalid_credentials")

    response = second_factor(browsers[5], "totp", code=code_of(secret))

    assert told(response) == (429, "throttled")
    assert told(ApiClient().log_in()) == (429, "throttled")  # nor does a new login help


def test_a_wrong_code_is_told(clock: Any, db: None, caplog: pytest.LogCaptureFixture) -> None:
    """ASVS 16.3.1: at a login, and where somebody is logged in already."""
    user, secret = user_with_app()
    browser = half_way()
    with caplog.at_level(logging.INFO, logger="session_auth.security"):
        second_factor(browser, "totp", code="000000")
        second_factor(browser, "totp", code=code_of(secret))
        browser.call("POST", AUTH + "reauthenticate/", {"method": "totp", "code": "111111"})

    wrong = [vars(each) for each in caplog.records if vars(each).get("event") == "stage_failed"]
    assert [(each["user_id"], each["proof"], each["code"]) for each in wrong] == [
        (user.pk, "totp", "invalid_credentials")
    ] * 2
    assert {each["path"] for each in wrong} == {
        AUTH + "login/second-factor/",
        AUTH + "reauthenticate/",
    }
    assert not [each for each in wrong if "000000" in str(each) or "111111" in str(each)]


def test_a_right_password_forgives_no_wrong_code(clock: Any, db: None) -> None:
    _, secret = user_with_app()
    for _ in range(21):
        clock.shift(timedelta(days=1))
        for browser in [half_way() for _ in range(5)]:
            second_factor(browser, "totp", code="000000")
    clock.shift(timedelta(days=1))

    response = second_factor(half_way(), "totp", code=code_of(secret))

    assert told(response) == (401, "invalid_credentials")


def test_wrong_codes_elsewhere_do_not_lock_the_user_out_of_a_known_browser(
    clock: Any, db: None
) -> None:
    _, secret = user_with_app()
    known = half_way()
    second_factor(known, "totp", code=code_of(secret))
    for browser in [half_way() for _ in range(6)]:
        second_factor(browser, "totp", code="000000")
    known.log_out()
    known.log_in()

    assert second_factor(known, "totp", code=code_of(secret, steps=1)).status_code == 200


# What is not set up


@pytest.mark.parametrize("method", ["passkey", "recovery", "password", "sms", ""])
def test_a_method_that_the_user_has_not_is_refused(clock: Any, db: None, method: str) -> None:
    user_with_app()

    response = second_factor(half_way(), method, code="123456")

    assert response.status_code == 400


def test_a_list_of_factors_tells_what_can_be_set_up(browser: ApiClient, alice: User) -> None:
    browser.log_in()

    assert browser.get(AUTH + "factors/").json() == {
        "passkeys": [],
        "totp": None,
        "recovery_codes_left": 0,
        "available": ["passkey", "totp", "recovery"],
    }


def checks() -> list[tuple[Any, Any]]:
    return [(message.id, message.hint) for message in run_checks()]


def test_a_check_tells_of_stages_without_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = apps.is_installed
    monkeypatch.setattr(
        apps, "is_installed", lambda name: name != "session_auth.factors" and ask(name)
    )

    hint = "Add 'session_auth.factors' to INSTALLED_APPS, and run 'manage.py migrate'."
    assert checks() == [("session_auth.E025", hint)]


def test_and_of_settings_without_the_extra_that_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks() == []

    monkeypatch.setattr("session_auth.checks.stages.find_spec", lambda name: None)

    run = "Run pip install 'django-session-auth[{}]'."
    assert checks() == [
        ("session_auth.E029", run.format("passkeys")),
        ("session_auth.E029", run.format("totp")),
    ]


def test_and_of_a_stage_whose_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("authenticator_app", "setup_stage"):
        monkeypatch.delitem(sys.modules, f"session_auth.factors.{name}", raising=False)
        monkeypatch.delattr(factors, name, raising=False)
    monkeypatch.setitem(sys.modules, "segno", None)
    path = "session_auth.factors.setup_stage.SetUpFactor"

    with override_settings(SESSION_AUTH_STAGES=[path]):
        told = dict(checks())

    assert told["session_auth.E025"] == "Run pip install 'django-session-auth[passkeys,totp]'."


@override_settings(SESSION_AUTH_TOTP_KEYS=(), SESSION_AUTH_PASSKEY_ORIGINS=())
def test_and_leaves_out_what_the_settings_rule_out(browser: ApiClient, alice: User) -> None:
    browser.log_in()

    assert browser.get(AUTH + "factors/").json()["available"] == ["recovery"]


def test_a_change_of_the_password_voids_the_half_way_state(clock: Any, db: None) -> None:
    user, secret = user_with_app()
    browser = half_way()
    user.set_password(NEW)
    user.save()

    response = second_factor(browser, "totp", code=code_of(secret))

    assert told(response) == (401, "login_expired")


def test_options_are_bound_to_the_purpose(clock: Any, db: None) -> None:
    _, secret = user_with_app()
    browser = half_way()
    options = options_for(browser, "proof")

    assert options["allowCredentials"] == []
    assert confirm_app(browser, code_of(secret)).status_code == 401


def test_what_is_not_stored_has_proven_nothing() -> None:
    assert not retract(SessionStore(), ["passkey"])
