"""What a body may hold is what the form of the view declares."""

from typing import Any

import pytest
from django import forms
from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from session_auth.http import FormView
from session_auth.passwords import send_links
from session_auth.views import (
    LoginView,
    PasswordChangeView,
    PasswordResetView,
)
from tests.api_client import PASSWORD, ApiClient, signed_in
from tests.forms import InvitedForm
from tests.guessing import guess
from tests.password_calls import NEW, OLD_AND_NEW, can_log_in, link_for, with_links

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.forms")]

ALICE = {"username": "alice", "password": PASSWORD}
REQUIRED = ["This field is required."]


def refusal(response: Any) -> tuple[int, str, object]:
    body = response.json()
    return response.status_code, body["code"], body.get("fields")


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ({"agree": True}, {"agree": True}),
        ({"agree": False}, {"agree": False}),
        ({"day": "2026-11-24"}, {"day": "2026-11-24"}),
        ({"count": 5}, {"count": 5}),
        ({"price": 0.1}, {"price": "0.1"}),
        ({"price": 2}, {"price": "2"}),
        ({"ratio": 2}, {"ratio": 2.0}),
        ({"colours": ["r", "b"]}, {"colours": ["r", "b"]}),
        ({"colours": []}, {"colours": []}),
        ({"late": "added"}, {"late": "added"}),
    ],
)
def test_each_field_of_a_form_takes_its_type(
    browser: ApiClient, sent: dict[str, object], found: dict[str, object]
) -> None:
    response = browser.call("POST", "/every/", sent)

    assert response.status_code == 200
    assert response.json() == found | {"friends": []}


def test_a_field_for_several_rows_takes_a_list_of_keys(browser: ApiClient, alice: User) -> None:
    response = browser.call("POST", "/every/", {"friends": [str(alice.pk)]})

    assert response.json() == {"friends": ["alice"]}


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"agree": "on"}, "Must be true or false."),
        ({"day": 20261124}, "Must be a string."),
        ({"count": "5"}, "Must be an integer."),
        ({"price": "0.1"}, "Must be a number."),
        ({"ratio": True}, "Must be a number."),
        ({"colours": "r"}, "Must be a list of strings."),
        ({"friends": [1]}, "Must be a list of strings."),
        ({"day": ["2026-11-24"]}, "Must be a string."),
        ({"colours": ["\0"]}, "Must not contain characters that cannot be stored."),
        ({"colours": ["g"]}, "Select a valid choice. g is not one of the available choices."),
        ({"locked": "open"}, "Unknown field."),
        ({"gone": ""}, "Unknown field."),
        ({"friend": "alice"}, "Unknown field."),
    ],
)
def test_what_a_form_does_not_declare_is_refused(
    browser: ApiClient, sent: dict[str, object], problem: str
) -> None:
    response = browser.call("POST", "/every/", sent)

    assert refusal(response) == (400, "invalid_request", {key: [problem] for key in sent})


def test_a_form_view_that_says_nothing_answers_nothing(browser: ApiClient) -> None:
    assert browser.call("POST", "/nothing/", {}).status_code == 204
    assert browser.call("POST", "/nothing/").json()["code"] == "malformed_json"


@pytest.mark.parametrize(
    ("view", "declared", "advice"),
    [
        (FormView, {"photo": forms.FileField()}, "'photo' must be one value, and no file."),
        (FormView, {"at": forms.SplitDateTimeField()}, "'at' must be one value, and no file."),
        (LoginView, {"username": forms.CharField()}, "it needs a field 'password'."),
        (
            LoginView,
            {name: forms.CharField() for name in ("company", "member", "password")},
            "say by name_field='...' where the login name is.",
        ),
        (
            LoginView,
            {"password": forms.CharField()},
            "say by name_field='...' where the login name is.",
        ),
        (PasswordChangeView, {"new_password": forms.CharField()}, "it needs a field 'old_pass"),
        (PasswordResetView, {"username": forms.CharField()}, "it needs a field 'email'."),
    ],
)
def test_a_form_that_does_not_fit_is_refused_when_the_urls_are_read(
    view: type[FormView], declared: dict[str, object], advice: str
) -> None:
    form_class = type("OddForm", (forms.Form,), declared | {"__module__": __name__})

    with pytest.raises(ImproperlyConfigured) as caught:
        view.as_view(form_class=form_class)
    assert str(caught.value).startswith(
        f"The form tests.test_forms.OddForm does not fit the view: {advice}"
    )


# login/


def test_a_login_takes_what_its_form_declares(browser: ApiClient, alice: User) -> None:
    more = {"tenant": "x", "otp": "123456", "remember": False}

    response = browser.call("POST", "/tenant/", ALICE | more)

    assert response.status_code == 200
    assert response.json()["user"] == {"id": alice.pk, "username": "alice"}
    assert response.cookies["sessionid"]["max-age"] == ""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (400, "invalid_request", {"tenant": REQUIRED})),
        ({"tenant": 5}, (400, "invalid_request", {"tenant": ["Must be a string."]})),
        ({"tenant": "x", "pin": ""}, (400, "invalid_request", {"pin": ["Unknown field."]})),
        ({"tenant": "x", "otp": "odd"}, (400, "invalid_request", {"__all__": ["Not now."]})),
        ({"tenant": "x", "otp": "wrong"}, (400, "otp_wrong", None)),
        ({"tenant": "", "otp": "wrong"}, (400, "otp_wrong", {"tenant": REQUIRED})),
        ({"tenant": "", "password": "wrong"}, (401, "invalid_credentials", None)),
    ],
)
def test_a_login_is_refused_as_its_form_says(
    browser: ApiClient, alice: User, more: dict[str, object], expected: object
) -> None:
    response = browser.call("POST", "/tenant/", ALICE | more)

    assert refusal(response) == expected
    assert browser.user() is None


def test_a_code_of_the_form_comes_with_its_sentence(browser: ApiClient, alice: User) -> None:
    response = browser.call("POST", "/tenant/", ALICE | {"tenant": "x", "otp": "wrong"})

    assert response.json() == {"error": "This code is not right.", "code": "otp_wrong"}


@override_settings(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"])
def test_a_guess_is_right_only_if_the_whole_form_is(browser: ApiClient, alice: User) -> None:
    """Otherwise, somebody who knows the password could try codes for ever."""
    wrong = ALICE | {"tenant": "x", "otp": "wrong"}

    statuses = [browser.call("POST", "/tenant/", wrong).status_code for _ in range(6)]

    assert statuses == [400] * 5 + [429]


@override_settings(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"])
def test_at_the_ceiling_no_form_lets_in(alice: User, clock: Any) -> None:
    for _ in range(100):
        guess(ApiClient(), 1)
        clock.shift(3600)

    response = ApiClient().log_in()

    assert refusal(response) == (401, "invalid_credentials", None)


def test_a_plain_form_logs_in_by_its_own_field(browser: ApiClient, alice: User) -> None:
    response = browser.call("POST", "/email/", {"email": "ALICE@example.org", "password": PASSWORD})

    assert response.status_code == 200
    assert response.json()["user"]["username"] == "alice"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"email": "alice@example.org", "password": "x"}, (401, "invalid_credentials", None)),
        ({"email": "nobody@example.org", "password": "x"}, (401, "invalid_credentials", None)),
        (ALICE, (400, "invalid_request", {"username": ["Unknown field."]})),
    ],
)
def test_a_plain_form_refuses_as_djangos_does(
    browser: ApiClient, alice: User, body: dict[str, object], expected: object
) -> None:
    assert refusal(browser.call("POST", "/email/", body)) == expected


def test_guesses_are_counted_whatever_the_fields_are_called(
    browser: ApiClient, alice: User
) -> None:
    number = "00000000-0000-0000-0000-000000000001"

    def enter(pin: str, number: str = number) -> Any:
        return browser.call("POST", "/pin/", {"number": number, "pin": pin})

    assert enter("alice", "no number").json()["fields"] == {"number": ["Enter a valid UUID."]}
    assert enter(" alice ").status_code == 200
    assert [enter(str(n)).status_code for n in range(6)] == [401] * 5 + [429]
    assert enter("alice").status_code == 429


def test_the_one_text_that_a_form_wants_is_the_login_name() -> None:
    class MemberForm(forms.Form):
        member = forms.CharField()
        password = forms.CharField()
        otp = forms.CharField(required=False)
        floor = forms.IntegerField()

    view: Any = LoginView.as_view(form_class=MemberForm)

    assert view.view_initkwargs["name_field"] == "member"


# password/


def test_a_change_takes_what_its_form_declares(alice: User) -> None:
    browser = signed_in()

    without = browser.call("POST", "/change/", OLD_AND_NEW | {"address1": "long"})
    response = browser.call("POST", "/change/", OLD_AND_NEW | {"reason": "It is old."})

    assert refusal(without) == (
        400,
        "invalid_request",
        {
            "reason": REQUIRED,
            "address1": ["Ensure this value has at most 3 characters (it has 4)."],
        },
    )
    assert response.status_code == 200
    assert can_log_in(NEW)


def test_a_new_password_is_typed_twice_by_us_alone(alice: User) -> None:
    twice = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}

    response = signed_in().call("POST", "/change/", twice | {"reason": "x"})

    assert refusal(response) == (
        400,
        "invalid_request",
        {"new_password1": ["Unknown field."], "new_password2": ["Unknown field."]},
    )


def test_an_old_password_that_the_whole_form_refuses_is_a_wrong_guess(alice: User) -> None:
    browser = signed_in()
    wrong = OLD_AND_NEW | {"old_password": "wrong"}

    answers = [refusal(browser.call("POST", "/change-at-once/", wrong))[:2] for _ in range(6)]

    assert answers == [(400, "wrong")] * 5 + [(429, "throttled")]


def test_a_form_may_ask_once_for_the_new_password(alice: User) -> None:
    assert signed_in().call("POST", "/change-at-once/", OLD_AND_NEW).status_code == 200
    assert can_log_in(NEW)


@with_links
def test_a_reset_takes_what_its_form_declares(browser: ApiClient, alice: User) -> None:
    body = {"email": "alice@example.org"}

    without = browser.call("POST", "/reset/", body)
    response = browser.call("POST", "/reset/", body | {"invited_by": "bob"})

    assert refusal(without) == (400, "invalid_request", {"invited_by": REQUIRED})
    assert response.status_code == 202
    assert [message.to for message in mail.outbox] == [["alice@example.org"]]


@with_links
def test_a_queue_may_do_without_the_table(alice: User) -> None:
    data = {"email": "alice@example.org", "invited_by": "bob"}

    send_links(InvitedForm(data))
    send_links(InvitedForm({"email": "no address", "invited_by": "bob"}))

    assert len(mail.outbox) == 1


def test_a_confirmation_takes_what_its_form_declares(browser: ApiClient, alice: User) -> None:
    body = link_for() | {"new_password": NEW}

    without = browser.call("POST", "/confirm/", body)
    response = browser.call("POST", "/confirm/", body | {"agree": True})

    assert refusal(without) == (400, "invalid_request", {"agree": REQUIRED})
    assert response.status_code == 200
    assert can_log_in(NEW)


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"uid": 1}, {"uid": ["Must be a string."]}),
        ({"token": None}, {"token": ["Must be a string."]}),
        (
            {"token": "d0-\ud800"},
            {"token": ["Must not contain characters that cannot be stored."]},
        ),
        ({"agree": "yes"}, {"agree": ["Must be true or false."]}),
        ({"user": "bob"}, {"user": ["Unknown field."]}),
        ({"new_password": "x" * 4097}, {"new_password": ["Must not be longer than 4096 bytes."]}),
    ],
)
def test_a_confirmation_is_read_as_strictly(
    browser: ApiClient, alice: User, wrong: dict[str, object], fields: object
) -> None:
    body = link_for() | {"new_password": NEW, "agree": True}

    response = browser.call("POST", "/confirm/", body | wrong)

    assert refusal(response) == (400, "invalid_request", fields)
