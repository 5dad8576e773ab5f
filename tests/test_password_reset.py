"""Resetting a password by a link."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from session_auth.models import PendingMail, Session
from session_auth.views import PasswordResetView
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.clock import NOON
from tests.guessing import caller
from tests.password_calls import (
    NEW,
    VALIDATORS,
    ask,
    can_log_in,
    change,
    check,
    confirm,
    link_for,
    with_links,
)

pytestmark = pytest.mark.django_db


def test_without_a_page_for_the_link_there_are_no_resets(browser: ApiClient, alice: User) -> None:
    response = ask(browser)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response.json()["error"] == "Passwords cannot be reset here."
    assert "SESSION_AUTH_PASSWORD_RESET_URL" in response.json()["hint"]
    assert mail.outbox == []


@with_links
def test_a_link_comes_by_mail_and_sets_a_password(browser: ApiClient, alice: User) -> None:
    response = ask(browser)

    assert response.status_code == 202
    [message] = mail.outbox
    assert message.to == ["alice@example.org"]
    assert message.subject == "Your new password for www.example.org"
    [url] = [line for line in message.body.splitlines() if line.startswith("http")]
    assert url.startswith("https://www.example.org/#/new-password/")
    uid, token = url.split("/")[-2:]
    response = confirm(browser, {"uid": uid, "token": token})
    assert (response.status_code, response.json()) == (200, {"message": "Password changed"})
    assert (can_log_in(PASSWORD), can_log_in(NEW)) == (False, True)


@with_links
@override_settings(ALLOWED_HOSTS=["*"])
def test_the_link_never_leads_to_the_host_of_the_request(browser: ApiClient, alice: User) -> None:
    """A81: reset poisoning."""
    browser.call("GET", AUTH + "csrf/", headers={"Host": "evil.example"})
    ask(browser, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})

    assert "evil" not in mail.outbox[0].message().as_string()


@with_links
def test_the_answer_is_the_same_for_those_who_have_no_account(alice: User, bob: User) -> None:
    """A51: reset enumeration."""
    User.objects.create_user("carol", "carol@example.org", PASSWORD, is_active=False)
    User.objects.create_user("dave", "dave@example.org")  # single sign-on: no usable password
    browser = ApiClient()

    known, *others = [
        ask(browser, f"{name}@example.org") for name in ("alice", "nobody", "carol", "dave")
    ]

    assert known.status_code == 202
    assert {(r.status_code, r.content, str(sorted(r.headers.items()))) for r in others} == {
        (202, known.content, str(sorted(known.headers.items())))
    }
    assert [message.to for message in mail.outbox] == [["alice@example.org"]]


@with_links
def test_the_request_does_the_same_for_those_who_have_no_account(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A51: by its time, too: who has an account is looked up later, by another thread."""
    handed_over: list[int] = []
    monkeypatch.setattr(PasswordResetView, "deliver", lambda view, id_: handed_over.append(id_))
    browser = ApiClient()
    browser.get(AUTH + "csrf/")
    ask(browser, "warm@example.org")  # settings and URLs are read at the first call

    seen = []
    for email in ("alice@example.org", "nobody@example.org"):
        with CaptureQueriesContext(connection) as queries:
            response = ask(browser, email)
        seen.append([query["sql"].split()[0] for query in queries])
        assert response.status_code == 202
        assert not [query for query in queries if "auth_user" in query["sql"]]

    assert seen[0] == seen[1]
    assert sorted(handed_over) == sorted(row.pk for row in PendingMail.objects.all())
    assert mail.outbox == []


@with_links
def test_what_waits_holds_no_secret(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is read over somebody's shoulder resets no password."""
    monkeypatch.setattr(PasswordResetView, "deliver", lambda view, id_: None)

    ask(ApiClient())

    fields = {"email": "alice@example.org"}
    form = "session_auth.passwords.forms.PasswordResetForm"
    assert json.loads(PendingMail.objects.get().details) == {
        "form": form,
        "fields": fields,
        "language": "en-us",
    }


@with_links
def test_a_link_that_cannot_be_sent_is_logged_and_tells_nothing(
    browser: ApiClient, alice: User, no_mail: None, caplog: pytest.LogCaptureFixture
) -> None:
    response = ask(browser)

    assert response.status_code == 202
    assert caplog.messages[-1:] == ["A mail of the kind password_reset could not be sent."]
    assert PendingMail.objects.get().kind == "password_reset"


@with_links
@pytest.mark.parametrize("email", ["", "alice", "a@example.org\nBcc: b@example.org"])
def test_what_is_no_address_is_refused(browser: ApiClient, alice: User, email: str) -> None:
    response = ask(browser, email)

    assert (response.status_code, list(response.json()["fields"])) == (400, ["email"])
    assert mail.outbox == []


def test_a_reset_ends_all_sessions_and_logs_nobody_in(
    browser: ApiClient, alice: User, ends: list[Any]
) -> None:
    """A83: reset while an attacker has a session."""
    attackers = signed_in()
    link = link_for()

    response = confirm(browser, link)

    assert "sessionid" not in response.cookies
    assert ends == [(id_of(attackers), alice.pk, "password_changed")]
    assert Session.objects.count() == 0
    assert browser.user() is None
    assert attackers.user() is None
    assert [(m.subject, m.to) for m in mail.outbox] == [
        ("Your password was changed", ["alice@example.org"])
    ]


def refused(response: Any) -> bool:
    return (response.status_code, response.json().get("fields")) == (
        400,
        {"token": ["This link is invalid or has expired."]},
    )


def test_a_link_works_once_and_its_siblings_die_with_it(browser: ApiClient, alice: User) -> None:
    """A82"""
    first, second = link_for(), link_for()

    assert confirm(browser, first).status_code == 200
    for link in (first, second):
        assert refused(check(browser, link))
        assert refused(confirm(browser, link, "another"))
    assert can_log_in(NEW)


def test_to_check_a_link_changes_nothing(
    browser: ApiClient, alice: User, ends: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    signed_in()
    link = link_for()

    for _ in range(3):
        answer = check(browser, link)

        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["Cache-Control"] == "no-store"
        assert not {"sessionid", "sessionid_device"} & set(answer.cookies)
    alice.refresh_from_db()
    assert (ends, mail.outbox, alice.check_password(PASSWORD)) == ([], [], True)
    assert link["token"] not in caplog.text
    assert confirm(browser, link).status_code == 200


def test_a_link_is_checked_by_its_body_alone(browser: ApiClient, alice: User) -> None:
    link = link_for()
    path = f"{AUTH}password/reset/check/"

    in_url = browser.get(path, link)
    with_more = check(browser, link | {"new_password": NEW})
    from_elsewhere = browser.call("POST", path, link, headers={"Sec-Fetch-Site": "cross-site"})

    assert in_url.status_code == 405
    assert (with_more.status_code, list(with_more.json()["fields"])) == (400, ["new_password"])
    assert from_elsewhere.status_code == 403


@override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=2)
def test_whoever_tries_links_has_one_count_for_both_calls(alice: User) -> None:
    link = link_for()
    stranger = caller()

    assert refused(check(stranger, link | {"token": "x"}))
    assert refused(confirm(stranger, link | {"token": "y"}))
    assert [call(stranger, link).status_code for call in (check, confirm)] == [429, 429]


def test_a_link_grows_too_old(clock: Any, browser: ApiClient, alice: User) -> None:
    link = link_for()
    clock.move_to(NOON + timedelta(days=3, seconds=1))

    assert refused(check(browser, link))
    assert refused(confirm(browser, link))
    assert can_log_in(PASSWORD)


def test_a_link_dies_with_a_change_of_the_password(browser: ApiClient, alice: User) -> None:
    link = link_for()
    change(signed_in())

    assert refused(check(browser, link))
    assert refused(confirm(browser, link, "another"))
    assert can_log_in(NEW)


def test_a_link_of_a_user_who_was_deactivated_is_refused(browser: ApiClient, alice: User) -> None:
    link = link_for()
    User.objects.update(is_active=False)

    assert refused(check(browser, link))
    assert refused(confirm(browser, link))
    User.objects.update(is_active=True)
    assert can_log_in(PASSWORD)


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "x"},
        {"token": ""},
        {"uid": ""},
        {"uid": "!"},
        {"uid": "_w"},  # no UTF-8
        {"uid": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"},  # a number that no column holds
        {"uid": "YWxpY2U"},  # no number
    ],
)
def test_what_is_no_link_is_refused(browser: ApiClient, alice: User, wrong: dict[str, str]) -> None:
    link = link_for() | wrong

    assert refused(check(browser, link))
    assert refused(confirm(browser, link))
    assert can_log_in(PASSWORD)


def test_the_link_of_one_user_is_not_that_of_another(
    browser: ApiClient, alice: User, bob: User
) -> None:
    User.objects.filter(pk=bob.pk).update(email="bob@example.org")

    assert refused(confirm(browser, link_for() | {"uid": link_for("bob@example.org")["uid"]}))


@override_settings(AUTH_PASSWORD_VALIDATORS=VALIDATORS)
def test_a_new_password_that_is_refused_does_not_use_up_the_link(
    browser: ApiClient, alice: User
) -> None:
    link = link_for()

    response = confirm(browser, link, "short")

    assert (response.status_code, list(response.json()["fields"])) == (400, ["new_password"])
    assert confirm(browser, link).status_code == 200
