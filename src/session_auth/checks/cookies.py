"""Rules for the session cookie and the CSRF cookie."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from session_auth.checks.lookups import cookie, cookies


def session_cookie_is_hidden_from_scripts(**kwargs: Any) -> list[CheckMessage]:
    if settings.SESSION_COOKIE_HTTPONLY:
        return []
    return [
        Error(
            "SESSION_COOKIE_HTTPONLY is off: any script on a page can take the session away.",
            hint="Remove the setting. Scripts read the CSRF cookie, never the session cookie.",
            id="session_auth.E005",
        )
    ]


def host_prefix_is_valid(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"Browsers refuse the {which} cookie: its name starts with __Host-, so it must be "
            "Secure, with the path / and without a domain.",
            hint=f"Set {which}_COOKIE_SECURE = True, and remove {which}_COOKIE_PATH and "
            f"{which}_COOKIE_DOMAIN.",
            id="session_auth.E009",
        )
        for which in cookies()
        if cookie(which, "NAME").startswith("__Host-")
        and not (
            cookie(which, "SECURE")
            and cookie(which, "PATH") == "/"
            and cookie(which, "DOMAIN") is None
        )
    ]


def cookies_are_secure(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{which}_COOKIE_SECURE is off: the cookie goes out over plain HTTP too, where others "
            "can read it.",
            hint=f"Set {which}_COOKIE_SECURE = True in production.",
            id="session_auth.E101",
        )
        for which in cookies()
        # With the prefix, browsers refuse the cookie: E009 reports that.
        if not (cookie(which, "SECURE") or cookie(which, "NAME").startswith("__Host-"))
    ]


def cookies_are_same_site(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{which}_COOKIE_SAMESITE is {cookie(which, 'SAMESITE')!r}: requests that other "
            "sites cause carry the cookie.",
            hint=f"Remove {which}_COOKIE_SAMESITE, or set it to 'Lax' or 'Strict'.",
            id="session_auth.E102",
        )
        for which in cookies()
        if cookie(which, "SAMESITE") not in {"Lax", "Strict"}
    ]


def cookies_stay_on_their_host(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{which}_COOKIE_DOMAIN is '{cookie(which, 'DOMAIN')}': the cookie goes out to every "
            "host below it, and each of them can replace it.",
            hint=f"Remove {which}_COOKIE_DOMAIN, and serve the front end from the API's own host.",
            id="session_auth.E105",
        )
        for which in cookies()
        # With the prefix, browsers refuse the cookie: E009 reports that.
        if cookie(which, "DOMAIN") and not cookie(which, "NAME").startswith("__Host-")
    ]


def cookies_have_host_prefix(**kwargs: Any) -> list[CheckMessage]:
    return [
        Warning(
            f"The {which} cookie is named '{cookie(which, 'NAME')}', so a subdomain or a plain "
            "HTTP page can plant one in its place.",
            hint=f"Set {which}_COOKIE_NAME = '__Host-{cookie(which, 'NAME')}' in production.",
            id="session_auth.W101",
        )
        for which in cookies()
        if not cookie(which, "NAME").startswith("__Host-")
    ]
