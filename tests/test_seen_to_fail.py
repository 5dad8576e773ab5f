"""What other tests let pass: each of these fails in a product that is broken in one known way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.hashers import MD5PasswordHasher, make_password
from django.contrib.auth.models import User
from django.core import mail
from django.db import OperationalError, connection
from django.test import Client, override_settings

from session_auth import later
from session_auth.models import PendingMail, Session
from session_auth.views import PasswordResetConfirmView, PasswordResetView
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.guessing import reauthenticate
from tests.password_calls import NEW, ask, can_log_in, change, confirm, link_for, with_links

pytestmark = pytest.mark.django_db

BACKENDS = ["session_auth.backends.ModelBackend", "django.contrib.auth.backends.ModelBackend"]
LONG = " Aa é" + "x" * 80 + "Z "
OTHERS = {
    "in lower case": LONG.lower(),
    "in upper case": LONG.upper(),
    "stripped": LONG.strip(),
    "left-stripped": LONG.lstrip(),
    "cut at 72": LONG[:72],
    "of 72 bytes": LONG.encode()[:72].decode(),
    "another end": LONG[:-3] + "y" + LONG[-2:],
    "without the accent": LONG.replace("é", "e"),
    "decomposed": LONG.replace("é", "e\u0301"),
}


@pytest.mark.parametrize("target", ["//evil.example", "/page/", "https://evil.example/"])
def test_a_good_login_is_redirected_nowhere(alice: User, target: str) -> None:
    """A89, ASVS 3.7.2"""
    body = {"username": "alice", "password": PASSWORD}

    response = ApiClient().call("POST", f"{AUTH}login/?next={target}", body)

    assert response.status_code == 200
    assert "Location" not in response.headers
    assert "evil" not in response.content.decode()


@pytest.mark.parametrize("how", ["change", "reset"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_other_password_is_right_however_near(alice: User, how: str, backend: str) -> None:
    """ASVS 6.2.8, NIST 3.1.1.2: where it is set and where it is checked alike."""
    limits = {"SESSION_AUTH_GUESSES_PER_ACCOUNT": 99, "SESSION_AUTH_GUESSES_PER_ADDRESS": 99}
    with override_settings(AUTHENTICATION_BACKENDS=[backend], **limits):
        here = signed_in()
        if how == "change":
            assert change(here, new_password=LONG).status_code == 200
        else:
            assert confirm(ApiClient(), link_for(), LONG).status_code == 200
            assert here.log_in(password=LONG).status_code == 200

        near = {
            name: (
                can_log_in(other),
                reauthenticate(here, other).status_code,
                change(here, old_password=other).status_code,
            )
            for name, other in OTHERS.items()
        }

        assert near == dict.fromkeys(OTHERS, (False, 401, 400))
        assert can_log_in(LONG)
        assert reauthenticate(here, LONG).status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(LONG)


@contextmanager
def sessions_cannot_be_deleted(but_times: int) -> Iterator[None]:
    """Let the database fail at a DELETE of sessions, after so many that succeed."""
    seen = 0

    def fail(execute: Any, sql: str, *args: Any) -> Any:
        nonlocal seen
        is_end = any(word in sql for word in ("DELETE", "FOR UPDATE", "NOT ("))
        if "session_auth_session" in sql and is_end:
            seen += 1
            if seen > but_times:
                raise OperationalError("The database is gone.")
        return execute(sql, *args)

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("but_times", range(3))
def test_a_password_is_not_changed_if_its_sessions_cannot_be_ended(
    alice: User, but_times: int
) -> None:
    """ASVS 2.3.3: at whichever statement the database fails."""
    here, there = signed_in(), signed_in()

    with sessions_cannot_be_deleted(but_times):
        response = change(here)

    is_changed = response.status_code == 200
    assert (can_log_in(NEW), can_log_in(PASSWORD)) == (is_changed, not is_changed)
    assert (there.user() is None) is is_changed
    assert len(mail.outbox) == is_changed


@with_links
@pytest.mark.parametrize("email", ["alice@example.org", "nobody@example.org"])
def test_no_reset_mail_is_made_before_the_answer(
    alice: User, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A51"""
    delivered: list[int] = []
    monkeypatch.setattr(
        PasswordResetView, "deliver", lambda view, mail_id: delivered.append(mail_id)
    )

    assert ask(ApiClient(), email).status_code == 202

    assert mail.outbox == []
    assert [row.pk for row in PendingMail.objects.all()] == delivered
    assert len(delivered) == 1
    later.send_mail(delivered[0])
    assert [each.to for each in mail.outbox] == [[email]] * (email == alice.email)


class Overtaken(MD5PasswordHasher):
    """Whoever makes a hash with it finds that the password was changed just before."""

    algorithm = "overtaken"
    theirs = ""

    def encode(self, password: str, salt: str) -> str:
        User.objects.update(password=self.theirs)
        return super().encode(password, salt)


@pytest.mark.parametrize("where", ["login", "reauthenticate", "admin", "change"])
def test_no_backend_puts_an_old_password_back(
    alice: User, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A66: wherever a hash is brought up to date."""
    User.objects.update(is_staff=True)
    here = signed_in()
    theirs = make_password("theirs")
    monkeypatch.setattr(Overtaken, "theirs", theirs)
    hashers = [f"{__name__}.Overtaken", "django.contrib.auth.hashers.MD5PasswordHasher"]

    with override_settings(PASSWORD_HASHERS=hashers, AUTHENTICATION_BACKENDS=BACKENDS[:1]):
        if where == "login":
            ApiClient().log_in()
        elif where == "reauthenticate":
            reauthenticate(here, PASSWORD)
        elif where == "admin":
            Client().post("/admin/login/", {"username": "alice", "password": PASSWORD})
        else:
            change(here, new_password="")

    alice.refresh_from_db()
    assert alice.password == theirs


def test_a_key_of_nobody_opens_nobodys_session(alice: User, bob: User) -> None:
    """A4, ASVS 7.2.1: while others are logged in."""
    mine, theirs = signed_in(), signed_in("bob")
    stranger = ApiClient()

    for key in ("x" * 43, theirs.session_key()[:-1] + "_", mine.session_key()[::-1], "", "*"):
        stranger.cookies["sessionid"] = key
        assert stranger.get("/api/private/").status_code == 401
        assert stranger.user() is None

    assert (mine.user()["username"], theirs.user()["username"]) == ("alice", "bob")
    assert Session.objects.count() == 2


def test_a_link_that_is_used_twice_at_once_sets_one_password(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A69: the other one comes between the look at the link and the write, each time."""
    link, answers = link_for(), list[int]()

    class Overtaken(SetPasswordForm):  # type: ignore[type-arg]  # not generic in Django 5.2
        def save(self, commit: bool = True) -> Any:
            if not answers:
                answers.append(0)
                answers[0] = confirm(ApiClient(), link, "the faster one").status_code
            return super().save(commit)

    monkeypatch.setattr(PasswordResetConfirmView, "form_class", Overtaken)
    answers += [confirm(ApiClient(), link, "the slower one").status_code]

    assert answers == [200, 400]
    assert can_log_in("the faster one")
    assert not can_log_in("the slower one")
