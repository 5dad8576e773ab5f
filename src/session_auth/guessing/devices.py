"""Browsers in which a user has logged in before: each has a count of wrong passwords of its own.

So whoever guesses from elsewhere cannot lock the user out (OWASP calls it a device cookie).
The cookie opens nothing: without the password, all it gives is a count that starts at zero.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

DEVICE_BYTES = 16
COOKIE_AGE = timedelta(days=365)


def cookie_name() -> str:
    """Return the name of the cookie, with the prefix, ``__Host-`` say, of the session's."""
    return f"{settings.SESSION_COOKIE_NAME}_device"


def device_of(cookies: Mapping[str, str], user: AbstractBaseUser | None) -> str | None:
    """Return the device whose cookie is among ``cookies``; ``None`` unless it is one of ``user``.

    A new password makes all devices unknown: who knew the old one may have collected cookies.
    """
    device, _, signature = cookies.get(cookie_name(), "").partition(":")
    # The same work for an unknown user: no enumeration by time.
    owner = get_user_model()() if user is None else user
    if not constant_time_compare(signature, _signature(device, owner)):
        return None
    return device


def remember(request: HttpRequest, response: HttpResponse, user: AbstractBaseUser) -> None:
    """Send the cookie that makes this browser a known device of ``user``."""
    device = device_of(request.COOKIES, user) or secrets.token_urlsafe(DEVICE_BYTES)
    response.set_cookie(
        cookie_name(),
        f"{device}:{_signature(device, user)}",
        max_age=COOKIE_AGE,
        domain=settings.SESSION_COOKIE_DOMAIN,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def _signature(device: str, user: AbstractBaseUser) -> str:
    value = f"{device}:{user.pk}:{user.get_session_auth_hash()}"
    return salted_hmac("session_auth.guessing.devices", value, algorithm="sha256").hexdigest()
