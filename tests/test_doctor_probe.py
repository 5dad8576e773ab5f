"""The doctor at a real server: a sound one, and one broken in a single way each."""

import re
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIEnvironment

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from session_auth.models import GuessCount, Session
from tests.doctor_site import (
    SETTINGS,
    Change,
    HeaderList,
    doctor,
    front,
    make_certificate,
    not_passed,
    served,
)

pytestmark = pytest.mark.django_db(transaction=True)


def defects(certificate: Path, **options: Any) -> list[tuple[str, str]]:
    """Return level and id of what does not pass at the project behind this front."""
    with served(certificate, **options) as url:
        return not_passed(doctor(url, certificate))


@pytest.fixture(autouse=True)
def production() -> Iterator[None]:
    with override_settings(**SETTINGS):
        yield


def everywhere(change: Callable[[HeaderList], HeaderList]) -> Change:
    return lambda environ, status, headers: (status, change(headers))


def cookies(pattern: str, replacement: str) -> Change:
    """Return a proxy that rewrites cookies."""
    return everywhere(
        lambda headers: [
            (name, re.sub(pattern, replacement, value) if name == "Set-Cookie" else value)
            for name, value in headers
        ]
    )


def without(dropped: str) -> Change:
    return everywhere(lambda headers: [pair for pair in headers if pair[0] != dropped])


def replaced(name: str, value: str) -> Change:
    return everywhere(
        lambda headers: [*(pair for pair in headers if pair[0] != name), (name, value)]
    )


def at(method: str, path: str, status: str, *more: tuple[str, str]) -> Change:
    """Return a proxy that puts a page of its own in place of one answer."""

    def change(
        environ: WSGIEnvironment, old_status: str, headers: HeaderList
    ) -> tuple[str, HeaderList]:
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != (method, path):
            return old_status, headers
        kept = [pair for pair in headers if pair[0] not in {"Content-Type", "WWW-Authenticate"}]
        return status, [*kept, ("Content-Type", "text/html"), *more]

    return change


def reflecting(allowed: Callable[[str], str], *, credentials: bool) -> Change:
    """Return a proxy that answers to other origins."""

    def change(
        environ: WSGIEnvironment, status: str, headers: HeaderList
    ) -> tuple[str, HeaderList]:
        origin = allowed(environ.get("HTTP_ORIGIN", ""))
        cors = [("Access-Control-Allow-Origin", origin)] if origin else []
        if origin and credentials:
            cors.append(("Access-Control-Allow-Credentials", "true"))
        return status, headers + cors

    return change


def test_a_sound_site_passes_and_nothing_is_changed_there(certificate: Path) -> None:
    with served(certificate) as url:
        findings = doctor(url, certificate)

    assert not_passed(findings) == []
    assert [finding["id"] for finding in findings if finding["level"] == "skip"] == [
        "http",
        "http.login",
    ]
    assert [finding["id"] for finding in findings if finding["hint"]] == ["http", "http.login"]
    assert Session.objects.count() == GuessCount.objects.count() == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            cookies("; Secure", ""),
            [("fail", "csrf-cookie.secure"), ("fail", "csrf-cookie.prefix")],
        ),
        (cookies("; SameSite=Lax", ""), [("fail", "csrf-cookie.samesite")]),
        (cookies("SameSite=Lax", "SameSite=None"), [("fail", "csrf-cookie.samesite")]),
        (
            cookies("; Path=/", "; Path=/; Domain=example.org"),
            [("fail", "csrf-cookie.prefix"), ("fail", "csrf-cookie.domain")],
        ),
        (cookies("; Path=/", "; Path=/api/"), [("fail", "csrf-cookie.prefix")]),
        (cookies("$", "; HttpOnly"), [("warn", "csrf-cookie.httponly")]),
        (replaced("Cache-Control", "public, max-age=60"), [("fail", "no-store")]),
        (without("Vary"), [("fail", "vary")]),
        (replaced("Vary", "Accept-Encoding"), [("fail", "vary")]),
        (without("X-Content-Type-Options"), [("fail", "nosniff")]),
        (replaced("Cross-Origin-Resource-Policy", "cross-origin"), [("fail", "corp")]),
        (without("Strict-Transport-Security"), [("fail", "hsts")]),
        (replaced("Strict-Transport-Security", "max-age=0"), [("fail", "hsts")]),
        (replaced("Strict-Transport-Security", "max-age=" + "9" * 50), [("fail", "hsts")]),
        (replaced("Strict-Transport-Security", "max-age=3600"), [("warn", "hsts")]),
        (
            at("GET", "/api/auth/user/", "200 OK"),
            [("fail", "anonymous"), ("fail", "cookie-twice"), ("fail", "embedded")],
        ),
        (at("GET", "/api/auth/logout/", "404 Not Found"), [("fail", "method")]),
        (at("GET", "/api/auth/sessions/", "401 Unauthorized"), [("fail", "errors")]),
        (
            at("POST", "/api/auth/logout/", "403 Forbidden"),
            [
                ("fail", "csrf.no-token"),
                ("fail", "csrf.wrong-token"),
                ("fail", "csrf.foreign-origin"),
                ("fail", "csrf.null-origin"),
                ("fail", "csrf.cross-site"),
                ("fail", "csrf.accepted"),
                ("fail", "form"),
            ],
        ),
        (
            reflecting(lambda origin: origin, credentials=True),
            [
                ("fail", "cors.stranger"),
                ("fail", "cors.null"),
                ("fail", "cors.look-alike"),
                ("fail", "cors.preflight"),
            ],
        ),
        (
            reflecting(lambda origin: origin, credentials=False),
            [
                ("warn", "cors.stranger"),
                ("warn", "cors.null"),
                ("warn", "cors.look-alike"),
                ("warn", "cors.preflight"),
            ],
        ),
        (
            reflecting(lambda origin: "*" if origin else "", credentials=False),
            [
                ("warn", "cors.stranger"),
                ("warn", "cors.null"),
                ("warn", "cors.look-alike"),
                ("warn", "cors.preflight"),
            ],
        ),
        (
            reflecting(
                lambda origin: origin if origin.startswith("https://localhost.") else "",
                credentials=True,
            ),
            [("fail", "cors.look-alike")],
        ),
        (
            reflecting(lambda origin: origin if origin == "null" else "", credentials=True),
            [("fail", "cors.null")],
        ),
        (reflecting(lambda origin: "https://app.example.org", credentials=False), []),
    ],
)
def test_what_a_proxy_breaks_is_found_and_nothing_else(
    certificate: Path, change: Change, expected: list[tuple[str, str]]
) -> None:
    assert defects(certificate, change=change) == expected


@pytest.mark.parametrize(
    ("drops", "expected"),
    [
        (["Origin"], [("fail", "csrf.foreign-origin"), ("fail", "csrf.null-origin")]),
        (["Sec-Fetch-Site"], [("fail", "csrf.cross-site")]),
        (["Sec-Fetch-Dest", "Sec-Fetch-Site"], [("fail", "csrf.cross-site"), ("fail", "embedded")]),
        (["Cookie"], [("fail", "csrf.accepted"), ("fail", "cookie-twice")]),
        (["X-CSRFToken"], [("fail", "csrf.accepted")]),
    ],
)
def test_what_a_proxy_keeps_from_the_project_is_found(
    certificate: Path, drops: list[str], expected: list[tuple[str, str]]
) -> None:
    assert defects(certificate, drops=drops) == expected


def shifted(seconds: float) -> Change:
    """Return a server whose clock is ahead by so much."""
    return lambda environ, status, headers: (
        status,
        [*headers, ("Date", formatdate(time.time() + seconds, usegmt=True))],
    )


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(0, "pass"), (60, "warn"), (-60, "warn"), (3600, "fail"), (-3600, "fail")],
)
def test_a_clock_that_is_wrong_is_found(certificate: Path, seconds: int, level: str) -> None:
    with served(certificate, change=shifted(seconds)) as url:
        findings = doctor(url, certificate)
    [clock] = [finding for finding in findings if finding["id"] == "clock"]

    assert clock["level"] == level
    assert not_passed(findings) == ([(level, "clock")] if seconds else [])
    if seconds:
        number, _, direction = clock["seen"].split()
        assert direction == ("ahead" if seconds > 0 else "behind")
        assert abs(int(number) - abs(seconds)) <= 3


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT"])
def test_a_date_that_nobody_can_read_is_found(certificate: Path, date: str) -> None:
    assert defects(certificate, change=replaced("Date", date)) == [("warn", "clock")]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"SECURE_PROXY_SSL_HEADER": None}, [("fail", "hsts"), ("fail", "csrf.accepted")]),
        ({"SECURE_HSTS_SECONDS": 0}, [("fail", "hsts")]),
        ({"DEBUG": True}, [("fail", "debug")]),
        ({"ALLOWED_HOSTS": ["*"]}, [("warn", "host")]),
        ({"CSRF_COOKIE_HTTPONLY": True}, []),
        ({"CSRF_TRUSTED_ORIGINS": ["https://*.invalid"]}, [("fail", "csrf.foreign-origin")]),
        ({"CSRF_HEADER_NAME": "HTTP_X_XSRF_TOKEN"}, []),
        ({"SESSION_AUTH_CSRF": "headers"}, []),
        ({"CSRF_COOKIE_NAME": "csrftoken"}, [("warn", "csrf-cookie.prefix")]),
    ],
)
def test_what_the_settings_break_is_found(
    certificate: Path, settings: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    with override_settings(**settings):
        assert defects(certificate) == expected


def test_a_token_in_the_session_needs_no_other_cookie(certificate: Path) -> None:
    with override_settings(CSRF_USE_SESSIONS=True), served(certificate) as url:
        findings = doctor(url, certificate)

    assert not_passed(findings) == []
    assert "The cookie __Host-sessionid is HttpOnly" in [f["subject"] for f in findings]


def test_the_settings_of_another_deployment_are_noticed(certificate: Path) -> None:
    renamed = cookies(r"^\s*__Host-csrftoken=", "other=")

    with served(certificate, change=renamed) as url:
        findings = doctor(url, certificate)

    [cookie] = [finding for finding in findings if finding["id"] == "csrf-cookie"]
    assert (cookie["level"], cookie["seen"]) == ("fail", "other")


def test_a_cookie_that_is_set_twice_is_found(certificate: Path) -> None:
    def twice(environ: WSGIEnvironment, status: str, headers: HeaderList) -> Any:
        return status, headers + [pair for pair in headers if pair[0] == "Set-Cookie"]

    assert defects(certificate, change=twice) == [("fail", "csrf-cookie")]


def test_a_cookie_that_does_not_arrive_is_found(certificate: Path) -> None:
    found = defects(certificate, change=without("Set-Cookie"))

    assert found == [("fail", "csrf-cookie"), ("fail", "csrf.accepted")]


def test_development_over_plain_http_is_told_apart() -> None:
    with (
        override_settings(
            SESSION_COOKIE_NAME="sessionid",
            SESSION_COOKIE_SECURE=False,
            CSRF_COOKIE_NAME="csrftoken",
            CSRF_COOKIE_SECURE=False,
        ),
        served() as url,
    ):
        findings = doctor(url)

    assert not_passed(findings) == [("info", "tls")]
    assert [finding["id"] for finding in findings if finding["level"] == "skip"] == [
        "csrf-cookie.secure",
        "hsts",
        "http",
        "http.login",
    ]


def page(status: str, *headers: tuple[str, str]) -> Any:
    """Return what answers every request in the same way."""

    def application(environ: WSGIEnvironment, start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return [b"plain"]

    return application


@pytest.mark.parametrize(
    ("application", "level", "seen"),
    [
        (page("301 Moved", ("Location", "https://localhost/")), "pass", "Location https://"),
        (page("403 Forbidden"), "pass", "403 text/plain"),
        (page("200 OK"), "fail", "200 text/plain"),
        (page("301 Moved", ("Location", "http://localhost/")), "fail", "301 text/plain"),
        (
            page("301 Moved", ("Location", "https://localhost/"), ("Set-Cookie", "a=b")),
            "fail",
            "a cookie",
        ),
    ],
)
def test_plain_http_leads_to_https_or_nowhere(
    certificate: Path, application: Any, level: str, seen: str
) -> None:
    with served(certificate) as url, served(application=application) as http_url:
        findings = doctor(url, certificate, http_url=http_url)

    [http] = [finding for finding in findings if finding["id"] == "http"]
    assert http["level"] == level
    assert seen in http["seen"]


@pytest.mark.parametrize(
    ("application", "level"),
    [
        (page("301 Moved", ("Location", "https://localhost/")), "warn"),
        (page("308 Moved", ("Location", "https://localhost/")), "warn"),
        (page("403 Forbidden"), "pass"),
        (front(WSGIHandler(), is_https=False), "pass"),
    ],
)
@override_settings(SECURE_SSL_REDIRECT=True)
def test_a_login_that_plain_http_redirects_is_found(
    certificate: Path, application: Any, level: str
) -> None:
    with served(certificate) as url, served(application=application) as http_url:
        findings = doctor(url, certificate, http_url=http_url)

    [login] = [finding for finding in findings if finding["id"] == "http.login"]
    assert login["level"] == level


def test_a_closed_port_for_plain_http_is_fine(certificate: Path) -> None:
    with served() as http_url:
        pass  # and is gone
    with served(certificate) as url:
        findings = doctor(url, certificate, http_url=http_url)

    assert [(each["id"], each["level"]) for each in findings[-2:]] == [
        ("http", "pass"),
        ("http.login", "pass"),
    ]
    assert "no connection" in findings[-1]["seen"]


def test_the_end_of_a_certificate_is_told_in_time(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, days=13)

    assert defects(certificate) == [("warn", "tls")]


@pytest.mark.parametrize("trusted", [False, True])
def test_a_certificate_that_cannot_be_verified_stops_everything(
    tmp_path: Path, certificate: Path, trusted: bool
) -> None:
    """Nothing is sent to whoever it is; there is no option to go on."""
    other = make_certificate(tmp_path, days=30, name="other.example")

    with served(other if trusted else certificate) as url:
        findings = doctor(url, other if trusted else None)

    assert [(f["level"], f["id"]) for f in findings] == [("fail", "reach"), ("skip", "probe")]
    assert ("Hostname mismatch" in findings[0]["seen"]) is trusted
    assert ("self-signed" in findings[0]["seen"]) is not trusted
    assert "--ca" in findings[0]["hint"]
