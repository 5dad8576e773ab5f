"""Logins in stages: nobody is logged in before the last one."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured

from session_auth import flows
from session_auth.exceptions import InvalidCredentials
from session_auth.keys import digest
from session_auth.models import LoginAttempt, Session
from session_auth.sessions import assurance, list_sessions
from session_auth.stages import Proof, Stage, get_stages
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.clock import NOON
from tests.stages import COOKIE, EXPIRED, KEY, NEXT, PIN, Terms, pin
from tests.storing import SessionStore

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stages")]


def test_a_right_password_is_not_enough(clock: Any, holder: User, browser: ApiClient) -> None:
    response = browser.log_in()

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Session"
    assert response.json() == {
        "error": "Confirm that it is you.",
        "code": "second_factor_required",
        "methods": ["pin"],
        "expires_at": "2026-01-01T12:10:00Z".replace("2026-01-01", NOON.date().isoformat()),
        "digits": 4,
    }
    assert Session.objects.count() == 0
    assert browser.user() is None
    assert set(browser.cookies) == {"csrftoken", COOKIE}


def test_the_cookie_of_the_attempt_is_kept_as_that_of_a_session(
    holder: User, browser: ApiClient, settings: Any
) -> None:
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_SAMESITE = True, "Strict"

    cookie = browser.log_in().cookies["__Host-sessionid_login"]

    assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Strict")
    assert (cookie["path"], cookie["domain"], cookie["max-age"]) == ("/", "", 600)
    row = LoginAttempt.objects.get()
    assert (row.pk, cookie.value in row.state) == (digest(cookie.value), False)


def test_the_second_factor_logs_in(clock: Any, holder: User, browser: ApiClient) -> None:
    browser.log_in()
    clock.shift(60)

    response = pin(browser)

    assert response.status_code == 200
    assert response.json()["user"] == {"id": holder.pk, "username": "alice"}
    assert browser.user() == {"id": holder.pk, "username": "alice"}
    [session] = list_sessions(holder)
    assert session.methods == {"password": NOON, "pin": NOON + timedelta(minutes=1)}
    assert session.authenticated_at == NOON
    assert assurance(session) == 2
    assert browser.cookies[COOKIE].value == ""
    assert LoginAttempt.objects.count() == 0


def test_whether_the_browser_remembers_is_what_the_first_step_said(
    holder: User, browser: ApiClient
) -> None:
    browser.log_in(more={"remember": False})
    pin(browser)

    assert browser.cookies["sessionid"]["max-age"] == ""


def test_a_wrong_code_leaves_the_attempt(holder: User, browser: ApiClient) -> None:
    browser.log_in()

    response = pin(browser, "1357")

    assert (response.status_code, response.json()["code"]) == (401, "invalid_credentials")
    assert browser.user() is None
    assert pin(browser).status_code == 200


def test_users_for_whom_no_stage_is_due_log_in_as_ever(alice: User, browser: ApiClient) -> None:
    assert browser.log_in().status_code == 200
    assert LoginAttempt.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        ({"method": "pin"}, 400, {"code": ["This field is required."]}),
        ({"code": PIN}, 400, {"method": ["This method is not offered."]}),
        ({"method": 7}, 400, {"method": ["This method is not offered."]}),
        ({"method": "key", "credential": KEY}, 400, {"method": ["This method is not offered."]}),
        ({"method": "terms", "accept": True}, 400, {"method": ["This method is not offered."]}),
        ({"method": "password"}, 400, {"method": ["This method is not offered."]}),
        ({"method": "pin", "code": PIN, "x": 1}, 400, {"x": ["Unknown field."]}),
        ({"method": "pin", "code": {"": ""}}, 400, {"code": ["Must be a string."]}),
    ],
)
def test_what_is_not_offered_is_refused(
    holder: User, browser: ApiClient, body: Any, status: int, fields: Any
) -> None:
    browser.log_in()

    response = browser.call("POST", NEXT, body)

    assert (response.status_code, response.json()["fields"]) == (status, fields)
    assert browser.user() is None


@pytest.mark.parametrize("text", ["a\0", "\ud800"])
@pytest.mark.parametrize("wrap", [lambda text: {"a": [{"b": text}]}, lambda text: {text: 1}])
def test_an_object_holds_no_text_that_no_database_takes(
    alice: User, browser: ApiClient, text: str, wrap: Any
) -> None:
    alice.last_name = "key"
    alice.save()
    browser.log_in()
    body = {"method": "key", "credential": wrap(text)}

    response = browser.call("POST", NEXT, json.dumps(body).encode())

    assert response.json()["fields"] == {
        "credential": ["Must not contain characters that cannot be stored."]
    }


# The half-way state


def test_every_endpoint_sees_an_anonymous_visitor(holder: User, browser: ApiClient) -> None:
    browser.log_in()
    answers = {
        (method, path): browser.call(method, AUTH + path, body)
        for method, path, body in [
            ("GET", "user/", None),
            ("GET", "sessions/", None),
            ("DELETE", "sessions/", None),
            ("POST", "reauthenticate/", {"method": "pin", "code": PIN}),
            ("POST", "reauthenticate/", {"password": PASSWORD}),
            ("POST", "password/change/", {"old_password": PASSWORD, "new_password": "another"}),
        ]
    }

    assert answers.pop(("GET", "user/")).json() == {"user": None}
    assert {each.status_code for each in answers.values()} == {401}
    assert {each.json()["code"] for each in answers.values()} == {"not_authenticated"}


@pytest.mark.parametrize("name", ["sessionid", "sessionid_device", "csrftoken"])
def test_the_secret_of_an_attempt_is_nothing_else(
    holder: User, browser: ApiClient, name: str
) -> None:
    browser.log_in()
    for value in (browser.cookies[COOKIE].value, digest(browser.cookies[COOKIE].value)):
        thief = ApiClient()
        thief.cookies[name] = value
        assert thief.user() is None
        assert thief.call("GET", AUTH + "sessions/").status_code == 401


def test_a_session_is_no_attempt(alice: User) -> None:
    browser = signed_in()
    alice.first_name = "pin"
    alice.save()
    browser.cookies[COOKIE] = browser.session_key()

    assert pin(browser).json() == EXPIRED


def test_the_browser_is_no_known_device_before_the_last_stage(
    holder: User, browser: ApiClient
) -> None:
    browser.log_in()
    assert "sessionid_device" not in browser.cookies

    pin(browser)
    assert "sessionid_device" in browser.cookies


def test_whoever_is_logged_in_stays_so_until_the_last_stage(
    holder: User, browser: ApiClient
) -> None:
    User.objects.create_user("bob", "", PASSWORD)
    browser.log_in("bob")

    browser.log_in("alice")
    assert browser.user()["username"] == "bob"

    pin(browser)
    assert browser.user()["username"] == "alice"
    assert Session.objects.count() == 1


def test_the_check_for_csrf_is_made_at_each_step(holder: User, browser: ApiClient) -> None:
    browser.log_in()

    response = browser.call(
        "POST", NEXT, {"method": "pin", "code": PIN}, headers={"X-CSRFToken": "x" * 32}
    )

    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    assert browser.user() is None


# Several stages, and hooks


def test_stages_come_one_after_the_other(holder: User, browser: ApiClient) -> None:
    holder.email = "unread@example.org"
    holder.save()
    browser.log_in()

    second = pin(browser, trust=True)
    assert (second.status_code, second.json()["code"]) == (401, "terms_required")
    assert second.json()["error"] == "Accept the terms first."
    assert second.json()["methods"] == ["terms"]
    assert "trusted" not in browser.cookies
    assert browser.user() is None
    assert pin(browser).json()["fields"] == {"method": ["This method is not offered."]}

    last = browser.call("POST", NEXT, {"method": "terms", "accept": True})
    assert last.status_code == 200
    assert browser.cookies["trusted"].value == "by alice"
    [session] = list_sessions(holder)
    assert set(session.methods) == {"password", "pin"}


def test_a_later_stage_cannot_be_taken_first(holder: User, browser: ApiClient) -> None:
    holder.email = "unread@example.org"
    holder.save()
    browser.log_in()

    response = browser.call("POST", NEXT, {"method": "terms", "accept": True})

    assert response.json()["fields"] == {"method": ["This method is not offered."]}
    assert browser.user() is None


def test_a_form_that_is_not_valid_passes_no_stage(alice: User, browser: ApiClient) -> None:
    alice.email = "unread@example.org"
    alice.save()
    browser.log_in()

    response = browser.call("POST", NEXT, {"method": "terms", "accept": False})

    assert response.json()["fields"] == {"accept": ["This field is required."]}
    assert browser.user() is None


def test_a_stage_that_is_due_no_longer_is_in_nobodys_way(alice: User, browser: ApiClient) -> None:
    alice.email = "unread@example.org"
    alice.save()
    browser.log_in()
    User.objects.update(email="read@example.org")

    assert browser.call("POST", NEXT, {"method": "terms", "accept": True}).status_code == 200


def test_a_hook_sees_each_login_and_may_refuse(holder: User, browser: ApiClient) -> None:
    night = {"HTTP_X_HOUR": "3"}
    holder.first_name = ""
    holder.save()

    response = browser.call(
        "POST", AUTH + "login/", {"username": "alice", "password": PASSWORD}, **night
    )

    assert (response.status_code, response.json()["error"]) == (403, "Nobody works at night.")
    assert browser.user() is None


def test_a_key_that_is_two_factors_needs_no_other(holder: User, rf: Any) -> None:
    request = rf.post("/")
    request.session = SessionStore()

    flows.log_in(request, holder, method="key")
    request.session.save()

    assert assurance(request.session) == 2


def test_a_class_that_is_no_stage_is_named(settings: Any) -> None:
    settings.SESSION_AUTH_STAGES = ["tests.stages.PinForm"]

    with pytest.raises(ImproperlyConfigured, match=r"'tests.stages.PinForm', which is no class"):
        get_stages()


class NeverDue(Stage):
    """Does not say when it is due."""


class Forgetful(Terms):
    verify = Stage.verify


@pytest.mark.parametrize("cls", [NeverDue, Forgetful])
def test_a_stage_that_nothing_would_verify_is_named(settings: Any, cls: type[Stage]) -> None:
    settings.SESSION_AUTH_STAGES = [f"{__name__}.{cls.__name__}"]

    with pytest.raises(ImproperlyConfigured, match=f"{cls.__name__}', which lacks is_due"):
        get_stages()


def test_an_error_report_shows_no_proof() -> None:
    assert PIN not in repr(Proof(method="pin", data={"code": PIN}))


def test_a_wrong_key_is_refused(holder: User, rf: Any) -> None:
    request = rf.post("/")

    with pytest.raises(InvalidCredentials):
        get_stages()[0].verify(holder, request, Proof(method="key", data={"credential": "x"}))
