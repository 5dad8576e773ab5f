"""Rules for who may call."""

import re
from typing import Any

import pytest
from django.core.checks import run_checks
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path

from tests.checking import deployed, ids

pytestmark = pytest.mark.django_db

urlpatterns = [path("own/", include([path("login/", HttpResponse)]))]
MIDDLEWARE = [
    "session_auth.middleware.SessionMiddleware",
    "session_auth.middleware.CsrfViewMiddleware",
    "session_auth.middleware.AuthenticationMiddleware",
]


class CorsMiddleware:
    """That of django-cors-headers, as far as the checks look."""

    __module__ = "corsheaders.middleware"
    async_capable = True


@pytest.mark.parametrize("name", ["X-XSRF-TOKEN", "http_x_xsrf_token", "HTTP_X-XSRF-TOKEN"])
def test_the_header_of_the_token_has_djangos_name(name: str) -> None:
    with override_settings(CSRF_HEADER_NAME=name):
        [message] = [each for each in run_checks() if each.id == "session_auth.E017"]

    assert message.hint is not None
    assert message.hint.startswith("Write 'HTTP_X_XSRF_TOKEN':")
    assert ids(CSRF_HEADER_NAME="HTTP_X_XSRF_TOKEN") == []


CORS: dict[str, Any] = {
    "MIDDLEWARE": [f"{__name__}.CorsMiddleware", *MIDDLEWARE],
    "CORS_ALLOW_CREDENTIALS": True,
}


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.org",
        "https://example.org:8443",
        "https://*.example.org",
        "http://localhost:5173",
        "https://[::1]:8000",
        "app://example",
    ],
)
def test_an_origin_can_be_trusted(origin: str) -> None:
    assert ids(CSRF_TRUSTED_ORIGINS=[origin]) == []


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.org/",
        "https://example.org/app",
        "https://Example.org",
        "https://example.org:443",
        "https://user@example.org",
        "https://www.*.example.org",
        "https://*",
        "https://*example.org",
        "https://",
        "https://[::1",
        "https://example.org:port",
    ],
)
def test_what_no_browser_sends_as_an_origin_is_found(origin: str) -> None:
    assert ids(CSRF_TRUSTED_ORIGINS=[origin]) == ["session_auth.E010"]
    assert deployed(CSRF_TRUSTED_ORIGINS=[origin]) == ["session_auth.E010"]


def test_an_origin_without_a_scheme_is_left_to_django() -> None:
    assert ids(CSRF_TRUSTED_ORIGINS=["example.org"]) == []


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://app.example.org", []),
        ("https://*.example.org", ["session_auth.E106"]),
        ("http://app.example.org", ["session_auth.E107"]),
        ("http://*.example.org", ["session_auth.E106", "session_auth.E107"]),
    ],
)
def test_production_trusts_named_origins_over_https(origin: str, expected: list[str]) -> None:
    assert deployed(CSRF_TRUSTED_ORIGINS=[origin]) == expected


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("same-origin", []),
        (None, []),
        ("no-referrer", ["session_auth.W006"]),
        ("no-referrer, strict-origin-when-cross-origin", []),
        (["same-origin", "no-referrer"], ["session_auth.W006"]),
    ],
)
def test_a_policy_by_which_browsers_hide_their_origin_is_found(
    policy: object, expected: list[str]
) -> None:
    assert ids(SECURE_REFERRER_POLICY=policy) == expected


@pytest.mark.parametrize("hidden", ["CSRF_COOKIE_HTTPONLY", "CSRF_USE_SESSIONS"])
def test_a_token_that_scripts_cannot_get_is_found(hidden: str) -> None:
    assert deployed(**{hidden: True}) == []
    assert deployed(**{hidden: True}, ROOT_URLCONF=__name__) == ["session_auth.E103"]


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [(["example.org", ".example.org"], []), (["example.org", "*"], ["session_auth.W104"])],
)
def test_the_names_of_the_site_are_listed(hosts: list[str], expected: list[str]) -> None:
    assert deployed(ALLOWED_HOSTS=hosts) == expected


@pytest.mark.parametrize(
    "settings",
    [
        {"CORS_ALLOW_ALL_ORIGINS": True},
        {"CORS_ORIGIN_ALLOW_ALL": True},
        {"CORS_ALLOWED_ORIGINS": ["https://app.example.org", "null"]},
        {"CORS_ORIGIN_WHITELIST": ["file://"]},
        {"CORS_ALLOWED_ORIGIN_REGEXES": [r".*$"]},
        {"CORS_ALLOWED_ORIGIN_REGEXES": [r"https://.*"]},
        {"CORS_ORIGIN_REGEX_WHITELIST": [re.compile(r"^https://.+$")]},
    ],
)
def test_cors_that_lets_every_site_read_is_found(settings: dict[str, Any]) -> None:
    assert deployed(**CORS | settings) == ["session_auth.E108"]
    assert deployed(**CORS | settings | {"CORS_ALLOW_CREDENTIALS": False}) == []
    assert deployed(**CORS | settings | {"MIDDLEWARE": MIDDLEWARE}) == []


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"^https://\w+\.example\.org$", []),
        (r"^https://\w+\.example\.org\Z", []),
        (r"^https://(app|api)\.example\.org$", []),
        (r"^https://\w+\.example\.org", ["session_auth.E109"]),
        (r"^https://\w+\.example\.org\$", ["session_auth.E109"]),
        (re.compile(r"https://app\.example\.org\\Z"), ["session_auth.E109"]),
        (r"https://app\.example\.org\\\\$", []),
    ],
)
def test_a_pattern_for_cors_that_has_no_end_is_found(pattern: Any, expected: list[str]) -> None:
    assert deployed(**CORS | {"CORS_ALLOWED_ORIGIN_REGEXES": [pattern]}) == expected


def test_cors_for_an_origin_of_ones_own_passes() -> None:
    assert deployed(**CORS | {"CORS_ALLOWED_ORIGINS": ["https://app.example.org"]}) == []
