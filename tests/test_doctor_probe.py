"""The doctor at a real server: a sound one, and one broken in a single way each."""

import json
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIEnvironment

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings

from session_auth.models import EndedSession, GuessCount, Session
from tests.api_client import PASSWORD
from tests.doctor_site import SETTINGS, Change, HeaderList, served

pytestmark = pytest.mark.django_db(transaction=True)


def doctor(url: str, certificate: Path | None = None, **options: Any) -> list[dict[str, str]]:
    """Return what the doctor finds at ``url``."""
    out = StringIO()
    options |= {"ca": str(certificate) if certificate else None}
    try:
        call_command("session_doctor", url=url, json=True, stdout=out, **options)
    except CommandError as exc:
        assert exc.returncode == 1
    findings = json.loads(out.getvalue())["findings"]
    seen_from_outside = [finding["id"] for finding in findings].index("reach")
    return list(findings[seen_from_outside:])


def defects(certificate: Path, **options: Any) -> list[tuple[str, str]]:
    """Return level and id of what does not pass at the project behind this front."""
    with served(certificate, **options) as url:
        return not_passed(doctor(url, certificate))


def not_passed(findings: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [
        (finding["level"], finding["id"])
        for finding in findings
        if finding["level"] not in {"pass", "skip"}
    ]


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
    return everywhere(lambda headers: [*(pair for pair in headers if pair[0] != name), (name, value)])


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
    assert [finding["id"] for finding in findings if finding["level"] == "skip"] == ["http"]
    assert [finding["id"] for finding in findings if finding["hint"]] == ["http"]
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
        (at("GET", "/api/auth/user/", "200 OK"), [("fail", "anonymous")]),
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
        (["X-CSRFToken"], [("fail", "csrf.accepted")]),
    ],
)
def test_what_a_proxy_keeps_from_the_project_is_found(
    certificate: Path, drops: list[str], expected: list[tuple[str, str]]
) -> None:
    assert defects(certificate, drops=drops) == expected
