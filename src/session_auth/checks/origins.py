"""Rules for who may call: hosts, trusted origins, CORS, and where a token comes from."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from session_auth.checks.lookups import middleware_classes, views

CSRF_VIEW = "session_auth.views.csrf.CsrfView"
HEADER_IN_WSGI = re.compile("HTTP_[A-Z0-9_]+")
CORS_MIDDLEWARE = "corsheaders.middleware"
DEFAULT_PORTS = {"http": 80, "https": 443}
STRANGERS = ("https://stranger.invalid", "null")
ANCHORED = re.compile(r"(?<!\\)(\\\\)*(\$|\\Z)$")
"""A pattern that ends with ``$`` or ``\\Z``, and the backslash before it does not escape it."""


def trusted_origins_are_origins(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"'{origin}' in CSRF_TRUSTED_ORIGINS is not an origin as browsers send it, so it "
            "trusts nobody.",
            hint="Write scheme and host in small letters, a port if it is not the usual one, and "
            "nothing else, as in 'https://example.org'.",
            id="session_auth.E010",
        )
        for origin in settings.CSRF_TRUSTED_ORIGINS
        # Django's own check reports an origin without a scheme.
        if "://" in origin and not _is_origin(origin)
    ]


def header_of_the_token_is_named_as_in_wsgi(**kwargs: Any) -> list[CheckMessage]:
    name = settings.CSRF_HEADER_NAME
    if HEADER_IN_WSGI.fullmatch(name):
        return []
    meant = name.upper().replace("-", "_").removeprefix("HTTP_")
    return [
        Error(
            f"CSRF_HEADER_NAME is '{name}', which no header becomes in request.META: no token in "
            "a header is ever found.",
            hint=f"Write 'HTTP_{meant}': Django wants HTTP_, capitals, and _ for each -.",
            id="session_auth.E017",
        )
    ]


def browsers_send_a_referrer(**kwargs: Any) -> list[CheckMessage]:
    policy: Any = settings.SECURE_REFERRER_POLICY or ""
    names = policy.split(",") if isinstance(policy, str) else policy
    # Browsers take the last policy in the list that they know.
    if [name.strip() for name in names][-1:] != ["no-referrer"]:
        return []
    return [
        Warning(
            "SECURE_REFERRER_POLICY is 'no-referrer': browsers then send forms with "
            "'Origin: null', and where they send no Fetch metadata, as over plain HTTP, the CSRF "
            "check refuses them.",
            hint="Remove the setting: Django's default, 'same-origin', tells other sites nothing.",
            id="session_auth.W006",
        )
    ]


def scripts_can_get_a_csrf_token(**kwargs: Any) -> list[CheckMessage]:
    hidden = settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_HTTPONLY
    if not hidden or any(view.name == CSRF_VIEW for view in views()):
        return []
    return [
        Error(
            "Scripts cannot read the CSRF cookie (CSRF_COOKIE_HTTPONLY or CSRF_USE_SESSIONS), "
            "and no URL gives them a token.",
            hint="Include session_auth.urls, or let scripts read the cookie.",
            id="session_auth.E103",
        )
    ]


def trusted_origins_are_named(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"'{origin}' in CSRF_TRUSTED_ORIGINS trusts every host below that domain: whoever "
            "controls one of them can act for your users.",
            hint="List the origins one by one.",
            id="session_auth.E106",
        )
        for origin in settings.CSRF_TRUSTED_ORIGINS
        if "*" in origin and _is_origin(origin)
    ]


def trusted_origins_use_https(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"'{origin}' in CSRF_TRUSTED_ORIGINS is plain HTTP: whoever can change the traffic "
            "can put a page there that acts for your users.",
            hint="Serve it over HTTPS, or remove it.",
            id="session_auth.E107",
        )
        for origin in settings.CSRF_TRUSTED_ORIGINS
        if origin.startswith("http://")
    ]


def cors_lets_no_stranger_in(**kwargs: Any) -> list[CheckMessage]:
    if not _cors_sends_credentials():
        return []
    everybody = _cors("ALLOW_ALL_ORIGINS", "ORIGIN_ALLOW_ALL", False)
    causes = ["CORS_ALLOW_ALL_ORIGINS"] if everybody else []
    causes += [
        f"the pattern {pattern!r}" for pattern in _cors_patterns() if _lets_strangers_in(pattern)
    ]
    # Any page can have this origin: a sandboxed frame, a file.
    origins = _cors("ALLOWED_ORIGINS", "ORIGIN_WHITELIST", ())
    causes += [f"the origin '{origin}'" for origin in origins if origin in {"null", "file://"}]
    return [
        Error(
            f"CORS_ALLOW_CREDENTIALS with {cause} lets any site read what your users can see.",
            hint="List the origins of your own in CORS_ALLOWED_ORIGINS; without another origin of "
            "your own, remove CORS_ALLOW_CREDENTIALS.",
            id="session_auth.E108",
        )
        for cause in causes
    ]


def cors_patterns_end(**kwargs: Any) -> list[CheckMessage]:
    if not _cors_sends_credentials():
        return []
    return [
        Error(
            f"The pattern {pattern!r} for CORS has no end: it also matches the origin of a "
            "stranger whose host begins like yours.",
            hint="End it with $, and write a dot as \\.; or list the origins in "
            "CORS_ALLOWED_ORIGINS.",
            id="session_auth.E109",
        )
        for pattern in _cors_patterns()
        if not (ANCHORED.search(pattern) or _lets_strangers_in(pattern))  # E108 reports the latter
    ]


def hosts_are_named(**kwargs: Any) -> list[CheckMessage]:
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "ALLOWED_HOSTS contains '*': a request can name any host. Links that the site makes "
            "then lead there, and the CSRF check compares the Origin with that host.",
            hint="List the names that the site is served under.",
            id="session_auth.W104",
        )
    ]


def _is_origin(origin: str) -> bool:
    """Say whether a browser sends this as an Origin; a wildcard in front of the host is allowed."""
    try:
        parsed = urlsplit(origin)
        host, port = parsed.hostname or "", parsed.port
    except ValueError:
        return False
    if not host or "*" in host.removeprefix("*."):
        return False
    name = f"[{host}]" if ":" in host else host
    named_port = "" if port in (None, DEFAULT_PORTS.get(parsed.scheme)) else f":{port}"
    return origin == f"{parsed.scheme}://{name}{named_port}"


def _cors_sends_credentials() -> bool:
    installed = any(cls.__module__ == CORS_MIDDLEWARE for cls in middleware_classes())
    return installed and _cors("ALLOW_CREDENTIALS", "ALLOW_CREDENTIALS", False)


def _cors_patterns() -> Iterator[str]:
    for pattern in _cors("ALLOWED_ORIGIN_REGEXES", "ORIGIN_REGEX_WHITELIST", ()):
        yield pattern if isinstance(pattern, str) else pattern.pattern


def _lets_strangers_in(pattern: str) -> bool:
    return any(re.match(pattern, stranger) for stranger in STRANGERS)


def _cors(name: str, old_name: str, default: Any) -> Any:
    """Return a setting of django-cors-headers, which has two names for some."""
    old = getattr(settings, f"CORS_{old_name}", default)
    return getattr(settings, f"CORS_{name}", old)
