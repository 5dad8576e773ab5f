"""Changing a password."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core import mail
from django.db.models.signals import post_save
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path

from session_auth.models import PendingMail, Session
from session_auth.passwords.forms import PasswordChangeForm
from session_auth.sessions import end_sessions
from session_auth.views import PasswordChangeView
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.clock import NOON
from tests.password_calls import (
    NEW,
    VALIDATORS,
    can_log_in,
    change,
)
from tests.test_user_agents import FIREFOX

pytestmark = pytest.mark.django_db


def test_a_change_needs_a_login(browser: ApiClient, alice: User) -> None:
    response = change(browser)

    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert can_log_in(PASSWORD)


def test_a_change_takes_the_old_password_and_answers_as_a_login(alice: User) -> None:
    here = signed_in()

    response = change(here)

    assert response.status_code == 200
    assert response.json()["user"] == {"id": alice.pk, "username": "alice"}
    assert here.call(
        "POST", "/api/note/?a=1", headers={"X-CSRFToken": response.json()["csrfToken"]}
    )
    assert (can_log_in(PASSWORD), can_log_in(NEW)) == (False, True)


def test_a_change_ends_all_other_sessions_and_renews_this_one(
    clock: Any, alice: User, bob: User, ends: list[Any]
) -> None:
    here, there, foreign = signed_in(), signed_in(), signed_in("bob")
    here.call("POST", "/api/note/?cart=3")
    old_key, old_token = here.session_key(), here.csrf_token()
    clock.move_to(NOON + timedelta(hours=1))

    change(here)

    assert ends == [(id_of(there), alice.pk, "password_changed")]
    assert (here.session_key() != old_key, here.csrf_token() != old_token) == (True, True)
    assert here.get("/api/note/").json()["cart"] == "3"
    assert here.get("/api/recent/").status_code == 200
    assert Session.objects.get(pk=id_of(here)).authenticated_at == NOON + timedelta(hours=1)
    assert foreign.user() is not None
    thief = ApiClient()
    thief.cookies["sessionid"] = old_key
    assert thief.user() is None


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (
            {"old_password": "wrong"},
            {"old_password": ["Your old password was entered incorrectly. Please enter it again."]},
        ),
        ({"old_password": ""}, {"old_password": ["This field is required."]}),
        ({"new_password": ""}, {"new_password": ["This field is required."]}),
        (
            {"new_password": "short"},
            {
                "new_password": [
                    "This password is too short. It must contain at least 8 characters."
                ]
            },
        ),
        ({"new_password": 12345678}, {"new_password": ["Must be a string."]}),
        ({"user": "bob"}, {"user": ["Unknown field."]}),
    ],
)
@override_settings(AUTH_PASSWORD_VALIDATORS=VALIDATORS)
def test_a_change_that_is_refused_changes_nothing(
    alice: User, ends: list[Any], body: dict[str, object], fields: dict[str, list[str]]
) -> None:
    here, there = signed_in(), signed_in()
    key = here.session_key()

    response = change(here, **body)

    assert response.status_code == 400
    assert response.json() == {
        "error": "Some fields are missing or not valid.",
        "code": "invalid_request",
        "fields": fields,
    }
    assert can_log_in(PASSWORD)
    assert (here.session_key(), ends, len(mail.outbox)) == (key, [], 0)
    assert there.user() is not None


@pytest.mark.parametrize(
    "one_kind",
    ["qwfpzxcvarstneio", "QWFPZXCVARSTNEIO", "8205719364118274", "~ ~!~ ~?~ ~;~ ~,", "пароль" * 3],
)
def test_a_password_of_one_kind_of_characters_is_one(alice: User, one_kind: str) -> None:
    """ASVS 6.2.5"""
    assert change(signed_in(), new_password=one_kind).status_code == 200
    assert can_log_in(one_kind)


def test_a_password_is_taken_as_it_is(alice: User) -> None:
    change(signed_in(), new_password="  spaces, and é stay  ")  # of a test

    assert can_log_in("  spaces, and é stay  ")


def test_a_change_that_another_has_overtaken_is_refused(alice: User, ends: list[Any]) -> None:
    """A68: another change comes between the check of the old password and the write."""
    here, there = signed_in(), signed_in()
    theirs = make_password("theirs")

    class OvertakenForm(PasswordChangeForm):
        def save(self, commit: bool = True) -> Any:
            User.objects.update(password=theirs)
            return super().save(commit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PasswordChangeView, "form_class", OvertakenForm)
        response = change(here)

    assert response.status_code == 400
    assert response.json()["fields"] == {"old_password": ["The password was changed meanwhile."]}
    assert User.objects.get().password == theirs
    assert Session.objects.filter(pk=id_of(there)).exists()
    assert ends == []


def test_if_the_other_sessions_cannot_be_ended_the_password_stays(
    alice: User, ends: list[Any]
) -> None:
    here, there = signed_in(), signed_in()
    here.raise_request_exception = False

    def fail(*, update_fields: object, **kwargs: object) -> None:
        raise RuntimeError("A receiver of the project fails.")

    post_save.connect(fail, sender=User)
    try:
        response = change(here)
    finally:
        post_save.disconnect(fail, sender=User)

    assert response.status_code == 500
    assert can_log_in(PASSWORD)
    assert [browser.user() is not None for browser in (here, there)] == [True, True]
    assert (ends, mail.outbox) == ([], [])


def test_a_change_writes_no_other_column(alice: User) -> None:
    """A67"""
    saved: list[Any] = []

    def note(*, update_fields: object, **kwargs: object) -> None:
        saved.append(update_fields)

    here = signed_in()
    post_save.connect(note, sender=User)
    try:
        change(here)
    finally:
        post_save.disconnect(note, sender=User)

    assert saved == [frozenset({"password"})]


@override_settings(TIME_ZONE="UTC")
def test_the_user_is_told_by_mail(clock: Any, alice: User) -> None:
    here = signed_in(user_agent=FIREFOX)

    change(here)

    [message] = mail.outbox
    assert message.to == ["alice@example.org"]
    assert message.subject == "Your password was changed"
    assert message.body.startswith(
        "The password of alice was changed.\n\nWhen: Nov. 24, 2026, noon (UTC)\n"
        "IP address: 127.0.0.1\nBrowser: Firefox on Windows\n"
    )
    assert NEW not in message.body


@pytest.mark.parametrize(
    "user_agent",
    [
        "your usual browser. Confirm it at https://evil.example/confirm",
        "Confirm at evil-example bot/1.0",  # of which ua-parser makes a name
        f"{FIREFOX} confirm at https://evil.example/confirm",
    ],
)
def test_the_mail_quotes_nothing_that_a_stranger_wrote(alice: User, user_agent: str) -> None:
    change(signed_in(user_agent=user_agent))

    assert "onfirm" not in mail.outbox[0].message().as_string()


def test_who_has_no_address_gets_no_mail(alice: User) -> None:
    User.objects.update(email="")

    assert change(signed_in()).status_code == 200
    assert mail.outbox == []


def test_a_mail_that_cannot_be_sent_is_logged_and_stops_nothing(
    alice: User, no_mail: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="session_auth"):
        response = change(signed_in())

    assert response.status_code == 200
    assert can_log_in(NEW)
    assert "A mail of the kind password_changed could not be sent." in caplog.messages
    assert PendingMail.objects.get().kind == "password_changed"


class NotingView(PasswordChangeView):
    """Writes into the session once the password is changed; just then, somebody ends it."""

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        self.request.session["changed"] = True
        end_sessions(form.user)
        return response


urlpatterns = [
    path("api/auth/password/change/", NotingView.as_view()),
    path("api/auth/", include("session_auth.urls")),
]


@pytest.mark.urls(__name__)
@pytest.mark.django_db(transaction=True)  # what counts is the commit
@pytest.mark.parametrize("every", [False, True])
def test_a_change_that_is_made_is_told_though_the_session_ends_then(
    alice: User, every: bool
) -> None:
    """So ``session_ended`` says that nothing was changed: nobody has to guess."""
    browser = signed_in()

    with override_settings(SESSION_SAVE_EVERY_REQUEST=every):
        response = change(browser)

    alice.refresh_from_db()
    assert (response.status_code, alice.check_password(NEW)) == (200, True)
    assert browser.call("POST", AUTH + "reauthenticate/", {"password": NEW}).json()["code"] == (
        "session_ended"
    )


def test_a_change_in_a_session_that_has_ended_is_none(alice: User) -> None:
    browser = signed_in()
    end_sessions(alice)

    response = change(browser)

    alice.refresh_from_db()
    assert (response.status_code, response.json()["code"]) == (401, "session_ended")
    assert alice.check_password(PASSWORD)
