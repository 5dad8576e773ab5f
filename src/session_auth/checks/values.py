"""Rules for values that are valid, but with which a setting does nothing for a site in use."""

from datetime import timedelta
from typing import Any

from django.core.checks import CheckMessage, Warning

from session_auth.checks.lookups import listed, setting
from session_auth.conf import Conf

LONGEST_RECENT = timedelta(hours=1)
"""For how long NIST SP 800-63B-4, 2.2.3, lets a session be idle before it asks for a new proof."""

LONGEST_SESSION = timedelta(days=30)
"""NIST SP 800-63B-4, 2.1.3"""

MOST_GUESSES = {"GUESSES_PER_ACCOUNT": 20, "GUESSES_PER_ADDRESS": 1000}
"""Values above these are reported: 20 guesses are a fifth of ``throttling.CEILING`` in one day."""


def a_recent_login_is_recent(**kwargs: Any) -> list[CheckMessage]:
    recent: timedelta = setting("RECENT_LOGIN", Conf().RECENT_LOGIN)
    if recent <= LONGEST_RECENT:
        return []
    return [
        Warning(
            f"SESSION_AUTH_RECENT_LOGIN is {recent}: whoever finds a browser open can change, for "
            "that long, what asks for a recent login.",
            hint="Set it to an hour or less; the default is 15 minutes.",
            id="session_auth.W116",
        )
    ]


def sessions_come_to_an_end(**kwargs: Any) -> list[CheckMessage]:
    longest: timedelta = setting("ABSOLUTE_TIMEOUT", Conf().ABSOLUTE_TIMEOUT)
    if longest <= LONGEST_SESSION:
        return []
    return [
        Warning(
            f"SESSION_AUTH_ABSOLUTE_TIMEOUT is {longest}: whoever has stolen a cookie has that "
            "long to use it.",
            hint="NIST SP 800-63B-4 asks for a proof every 30 days at least; silence this check if "
            "your users have to stay logged in for longer.",
            id="session_auth.W117",
        )
    ]


def guesses_are_few(**kwargs: Any) -> list[CheckMessage]:
    return [
        Warning(
            f"SESSION_AUTH_{name} is {guesses}: so many wrong passwords cost whoever tries them "
            "nothing.",
            hint=f"Set it to {most} or less; the default is {getattr(Conf(), name)}.",
            id="session_auth.W118",
        )
        for name, most in MOST_GUESSES.items()
        if (guesses := setting(name, getattr(Conf(), name))) > most
    ]


def passkeys_are_of_the_site(**kwargs: Any) -> list[CheckMessage]:
    local = [each for each in setting("PASSKEY_ORIGINS", ()) if each.startswith("http:")]
    if not local:
        return []
    return [
        Warning(
            f"SESSION_AUTH_PASSKEY_ORIGINS names {listed(local)}, which is a server on the machine "
            "of whoever looks: a passkey of that origin opens no page of your site.",
            hint="Name the origins that people see: ['https://example.org'].",
            id="session_auth.W119",
        )
    ]
