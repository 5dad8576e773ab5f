"""The doctor logs in and out, when told to."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from session_auth.models import GuessCount, Session
from tests.api_client import PASSWORD
from tests.doctor_site import SETTINGS, doctor, front, not_passed, served
from tests.test_doctor_probe import at, cookies, without

pytestmark = pytest.mark.django_db(transaction=True)

PASSED = [
    "login",
    *(f"session-cookie.{what}" for what in ("secure", "prefix", "samesite", "domain", "httponly")),
    "login.holds",
    "login.new-token",
    "logout",
    "logout.ends",
]


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch, alice: User) -> str:
    monkeypatch.setenv("SESSION_DOCTOR_PASSWORD", PASSWORD)
    return PASSWORD


def log_in(certificate: Path, username: str = "alice", **front: Any) -> list[dict[str, str]]:
    with override_settings(**SETTINGS), served(certificate, **front) as url:
        findings = doctor(url, certificate, username=username)
    first = [finding["id"] for finding in findings].index("login")
    return findings[first:]


@pytest.mark.usefixtures("password")
def test_a_login_is_looked_at_and_leaves_nothing_open(certificate: Path) -> None:
    findings = log_in(certificate)

    assert [finding["id"] for finding in findings] == PASSED
    assert not_passed(findings) == []
    assert Session.objects.count() == 0


@pytest.mark.usefixtures("password")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            cookies("; Secure", ""),
            [("fail", "session-cookie.secure"), ("fail", "session-cookie.prefix")],
        ),
        (cookies("(?i); HttpOnly", ""), [("fail", "session-cookie.httponly")]),
        (cookies("SameSite=Lax", "SameSite=None"), [("fail", "session-cookie.samesite")]),
        (
            cookies("; Path=/", "; Path=/; Domain=localhost"),
            [("fail", "session-cookie.prefix"), ("fail", "session-cookie.domain")],
        ),
        (
            at("POST", "/api/auth/logout/", "502 Bad Gateway"),
            [("fail", "login.new-token"), ("fail", "logout")],
        ),
        (without("Set-Cookie"), [("fail", "login")]),
        (cookies(r"^\s*__Host-sessionid=", "renamed="), [("fail", "login")]),
    ],
)
def test_what_a_proxy_breaks_of_a_session_is_found(
    certificate: Path, change: Any, expected: list[tuple[str, str]]
) -> None:
    assert not_passed(log_in(certificate, change=change)) == expected


@pytest.mark.usefixtures("password")
def test_a_proxy_that_keeps_cookies_from_some_requests_is_found(certificate: Path) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        drops = ["Cookie"] if environ["REQUEST_METHOD"] == "GET" else []
        sound = front(WSGIHandler(), is_https=True, drops=drops)
        return sound(environ, start_response)

    assert not_passed(log_in(certificate, application=application)) == [("fail", "login.holds")]


@pytest.mark.usefixtures("password")
def test_a_session_that_outlives_the_logout_is_found(certificate: Path) -> None:
    """A cache in front answers with what the user saw."""

    def keep(environ: Any, start_response: Any) -> Any:
        if "kept" in cache and environ["PATH_INFO"].endswith("/user/"):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [cache["kept"]]
        answer = front(WSGIHandler(), is_https=True)(environ, start_response)
        body = b"".join(answer)
        getattr(answer, "close", int)()
        if b'"username": "alice"' in body and environ["REQUEST_METHOD"] == "GET":
            cache["kept"] = body
        return [body]

    cache: dict[str, bytes] = {}
    findings = log_in(certificate, application=keep)

    assert not_passed(findings) == [("fail", "logout.ends")]


def test_a_wrong_password_is_a_finding_and_one_guess(
    certificate: Path, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSION_DOCTOR_PASSWORD", "wrong")

    [login] = log_in(certificate)

    assert (login["level"], login["seen"]) == ("fail", "401 invalid_credentials, no session cookie")
    assert GuessCount.objects.count() > 0


@pytest.mark.usefixtures("password")
def test_a_server_that_falls_silent_after_the_login_is_a_finding(certificate: Path) -> None:
    def fall_silent(environ: Any, status: str, headers: Any) -> Any:
        if "__Host-sessionid" in environ.get("HTTP_COOKIE", ""):
            raise ConnectionResetError
        return status, headers

    *_, last = log_in(certificate, change=fall_silent)

    assert (last["level"], last["id"]) == ("fail", "login")
    assert last["hint"] == "The session may still be open: end it in the list of sessions."


@pytest.mark.usefixtures("password")
def test_a_password_goes_over_plain_http_to_this_machine_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = {
        "ALLOWED_HOSTS": ["*"],
        "SESSION_COOKIE_SECURE": False,
        "SESSION_COOKIE_NAME": "sessionid",
        "CSRF_COOKIE_SECURE": False,
        "CSRF_COOKIE_NAME": "csrftoken",
    }
    with override_settings(**SETTINGS | plain), served() as url:
        here = doctor(url, username="alice")
        monkeypatch.setattr("session_auth.doctor.wire.LOOPBACK", frozenset())
        elsewhere = doctor(url, username="alice")

    assert [finding["level"] for finding in here if finding["id"] == "login"] == ["pass"]
    assert elsewhere[-1]["id"] == "login"
    assert elsewhere[-1]["level"] == "skip"
    assert "not sent over plain HTTP" in elsewhere[-1]["seen"]
