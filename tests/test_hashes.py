"""Password hashes are not undone, and passwords not shown."""

from pathlib import Path
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, hashers
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils.html import escape
from django.views.debug import ExceptionReporter
from django.views.decorators.debug import sensitive_variables

from session_auth.backends import ThrottleMixin
from session_auth.flows import areauthenticate
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

    shown = report_of(caught, "session_auth.views.", rf.get("/"))
    assert "The database fails." in shown
    assert escape(PASSWORD) not in shown
    assert escape(NEW) not in shown


def report_of(caught: Any, first: str, request: Any) -> str:
    """Return Django's report as HTML, past the frames of the test, that know the password."""
    trace = caught.tb
    while not trace.tb_frame.f_globals["__name__"].startswith(first):
        trace = trace.tb_next
    return ExceptionReporter(request, caught.type, caught.value, trace).get_traceback_html()


def shown_variables(caught: Any, request: Any) -> str:
    """Return the variables that a report shows of all frames but Django's and the test's own."""
    frames = ExceptionReporter(request, caught.type, caught.value, caught.tb).get_traceback_frames()
    djangos = str(Path(django.__file__).parent)
    others = [
        frame["vars"] for frame in frames if not frame["filename"].startswith((djangos, __file__))
    ]
    assert any("session_auth" in frame["filename"] for frame in frames)
    return str(others)


@sensitive_variables()
def fail(*args: object, **kwargs: object) -> None:
    raise RuntimeError("The hasher fails.")


class Synchronous(BaseBackend):
    """One of a site's own, that has no async twin."""

    @sensitive_variables("password")
    def authenticate(self, request: Any, username: str = "", password: str = "") -> Any:  # type: ignore[override]  # its own credentials
        return hashers.check_password(password, User.objects.get(username="alice").password)


class Counted(ThrottleMixin, Synchronous):
    pass


@pytest.mark.parametrize("backend", ["session_auth.backends.ModelBackend", f"{__name__}.Counted"])
@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_an_error_report_of_async_code_shows_no_password(
    alice: User, monkeypatch: pytest.MonkeyPatch, name: str, backend: str, rf: Any
) -> None:
    """What runs in a thread gets no argument: asgiref's frames would show it."""

    monkeypatch.setattr(hashers, "check_password", fail)
    monkeypatch.setattr("django.contrib.auth.base_user.make_password", fail)

    with (
        override_settings(AUTHENTICATION_BACKENDS=[backend]),
        pytest.raises(RuntimeError) as caught,
    ):
        async_to_sync(aauthenticate)(rf.post("/"), username=name, password=PASSWORD)

    assert PASSWORD not in shown_variables(caught, rf.get("/"))


def test_an_error_report_of_areauthenticate_shows_no_password(
    alice: User, monkeypatch: pytest.MonkeyPatch, rf: Any
) -> None:
    monkeypatch.setattr(hashers, "check_password", fail)
    request = rf.post("/")
    request.user = alice

    with pytest.raises(RuntimeError) as caught:
        async_to_sync(areauthenticate)(request, password=PASSWORD)

    assert PASSWORD not in shown_variables(caught, rf.get("/"))
