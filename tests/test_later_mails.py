"""What is in the mails that are sent later, and what becomes of those that cannot be made."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.utils import translation

from session_auth import later, passwords
from session_auth.exceptions import StoreUnavailable
from session_auth.models import PendingMail
from session_auth.passwords.forms import PasswordResetForm
from session_auth.passwords.mail import NOTICE, post_notice
from tests.api_client import signed_in
from tests.clock import NOON
from tests.mailing import addressees
from tests.password_calls import can_log_in, change, with_links


def test_a_mail_speaks_the_language_of_who_asked(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken: list[str | None] = []

    def speak(posted_at: Any) -> None:
        spoken.append(translation.get_language())

    monkeypatch.setitem(later.senders, "test", speak)
    with translation.override("de"):
        mail_id = later.post("test")
    later.send_mail(mail_id)

    assert spoken == ["de"]


def test_a_user_who_is_gone_is_told_nothing(left: PendingMail) -> None:
    User.objects.all().delete()

    assert later.send_left() == (1, 0)
    assert mail.outbox == []


def test_the_notice_goes_to_the_address_at_the_time_of_the_change(left: PendingMail) -> None:
    """Who has changed the password may change the address next."""
    User.objects.update(email="thief@evil.example")

    later.send_left()

    assert addressees() == ["alice@example.org"]


def test_a_notice_that_no_transaction_can_hold_waits_for_the_change(
    alice: User, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users in one database, this package's tables in another."""
    databases = {PendingMail: "default", User: "replica"}
    monkeypatch.setattr("session_auth.passwords.mail.router.db_for_write", databases.get)

    post_notice(None, alice)

    assert PendingMail.objects.get().due_at == NOON + timedelta(minutes=1)


class CaptchaForm(PasswordResetForm):
    """A project's, with a field that a second look would refuse, and one that JSON cannot hold."""

    def clean(self) -> dict[str, Any]:
        return {**self.cleaned_data, "team": "blue", "solved": object()}

    def get_users(self, email: str) -> Any:
        return (user for user in super().get_users(email) if self.cleaned_data["team"] == "blue")


@with_links
def test_a_projects_own_form_finds_the_users(alice: User) -> None:
    form = CaptchaForm({"email": "alice@example.org"})
    assert form.is_valid()

    passwords.post_links(form)

    assert addressees() == ["alice@example.org"]


class TwoPartForm(PasswordResetForm):
    def save(self, **options: Any) -> None:  # type: ignore[override]  # by name, all of them
        super().save(**options, html_email_template_name="session_auth/email.html")


@with_links
def test_a_mail_can_have_a_second_part(alice: User) -> None:
    form = TwoPartForm({"email": "alice@example.org"})
    assert form.is_valid()

    passwords.post_links(form)

    kinds = [part.get_content_type() for part in mail.outbox[0].message().walk()]
    assert kinds == ["multipart/alternative", "text/plain", "text/html"]


def test_a_form_that_no_other_process_finds_is_refused(alice: User) -> None:
    class LocalForm(PasswordResetForm):
        pass

    form = LocalForm({"email": "alice@example.org"})
    assert form.is_valid()

    with pytest.raises(ImproperlyConfigured, match="top level"):
        passwords.post_links(form)


def test_a_form_that_is_gone_is_an_error(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    for path in ("no.such.Form", "django.conf.settings", "os.abort"):
        later.post("password_reset", form=path, fields={})

    assert later.send_left() == (0, 3)


def test_what_cannot_be_written_down_is_503(alice: User, outage: None) -> None:
    with pytest.raises(StoreUnavailable):
        later.post(NOTICE)


def test_a_change_whose_mail_cannot_be_written_down_is_none(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = signed_in()
    monkeypatch.setattr(PendingMail._meta, "db_table", "no_such_table")

    response = change(here)

    monkeypatch.undo()
    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
    assert can_log_in("correct horse battery staple")


def test_rows_are_told_apart(left: PendingMail) -> None:
    assert str(left) == f"password_changed {left.pk}"
