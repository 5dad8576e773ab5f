"""Password hashes are not undone, and passwords not shown."""

from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils.html import escape
from django.views.debug import ExceptionReporter

from session_auth.passwords.hashes import check_password
from tests.api_client import AUTH, PASSWORD, signed_in
from tests.password_calls import NEW, OLD_AND_NEW

pytestmark = pytest.mark.django_db


@override_settings(
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
)
def test_a_check_brings_an_old_hash_up_to_date(alice: User) -> None:
    User.objects.update(password=make_password(PASSWORD, hasher="md5"))
    user = User.objects.get()

    assert check_password(user, PASSWORD)
    assert not check_password(user, "wrong")

    stored = User.objects.get().password
    assert stored.startswith("pbkdf2_sha256$")
    assert user.password == stored


@override_settings(
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
)
def test_bringing_a_hash_up_to_date_never_puts_an_old_password_back(alice: User) -> None:
    """A66: the password is changed between the look at the row and the write."""
    User.objects.update(password=make_password(PASSWORD, hasher="md5"))
    stale = User.objects.get()
    changed = make_password(NEW)
    User.objects.update(password=changed)

    assert check_password(stale, PASSWORD)

    assert User.objects.get().password == changed
    assert stale.password.startswith("md5$")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("login/", {"username": "alice", "password": PASSWORD}),
        ("reauthenticate/", {"password": PASSWORD}),
        ("password/change/", OLD_AND_NEW),
    ],
)
def test_an_error_report_shows_no_password(
    alice: User, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, str], rf: Any
) -> None:
    """Django's reports to ADMINS, as HTML, hold the local variables of each frame."""

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("The database fails.")

    here = signed_in()
    here.raise_request_exception = True
    for signal in (
        "session_auth.flows.auth.login",
        "session_auth.csrf.follow_session",
    ):
        monkeypatch.setattr(signal, fail)

    with pytest.raises(RuntimeError) as caught:
        here.call("POST", AUTH + path, body)

    trace: Any = caught.tb
    while not trace.tb_frame.f_globals["__name__"].startswith("session_auth.views."):
        trace = trace.tb_next  # past the frames of this test
    report = ExceptionReporter(rf.get("/"), caught.type, caught.value, trace)
    shown = report.get_traceback_html()
    assert "The database fails." in shown
    assert escape(PASSWORD) not in shown
    assert escape(NEW) not in shown
