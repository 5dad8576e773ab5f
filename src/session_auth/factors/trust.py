"""Browsers that their user trusts: for 30 days at most, the password is enough there.

The cookie opens nothing without the password. It holds for one user, with the password and the
factors that they have now, on one known device (``guessing.devices``): so it ends with a new
password, with each change of a factor, and when the user throws all devices out.
"""

import base64
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from session_auth.conf import get_conf
from session_auth.factors.models import Factor
from session_auth.guessing import counts, devices
from session_auth.guessing.devices import Device

ENTRY = re.compile(r"([0-9]{1,12})\.([\w-]{43})", re.ASCII)


def cookie_name() -> str:
    """Return the name of the cookie, with the prefix of the session cookie, such as ``__Host-``."""
    return f"{settings.SESSION_COOKIE_NAME}_trust"


def is_trusted(request: HttpRequest, user: AbstractBaseUser, factors: Sequence[Factor]) -> bool:
    """Say whether the user, who has these factors, trusts this browser. Mostly asks nothing."""
    entries = _entries(request.COOKIES)
    device = devices.find(request.COOKIES, user.pk) if entries else None
    if device is None or device.generation != counts.generation_of(str(user.pk)):
        return False
    return any(_is_valid(entry, device, user, factors) for entry in entries)


def trust(
    request: HttpRequest, response: HttpResponse, user: AbstractBaseUser, factors: Sequence[Factor]
) -> None:
    """Send the cookie that makes the user trust this browser, if it is a known device of theirs."""
    sent = {name: morsel.value for name, morsel in response.cookies.items()}
    device = devices.find(request.COOKIES | sent, user.pk)
    if device is None:
        return
    lifetime = get_conf().TRUST_BROWSER
    expires_at = round(time.time() + lifetime.total_seconds())
    entry = f"{expires_at}.{_mac(expires_at, device, user, factors)}"
    others = _entries(request.COOKIES)[: devices.MAX_ACCOUNTS - 1]
    response.set_cookie(
        cookie_name(),
        ":".join([entry, *others]),
        max_age=lifetime,
        domain=settings.SESSION_COOKIE_DOMAIN,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def _entries(cookies: Mapping[str, str]) -> list[str]:
    entries = cookies.get(cookie_name(), "").split(":")[: devices.MAX_ACCOUNTS]
    return [entry for entry in entries if ENTRY.fullmatch(entry)]


def _is_valid(
    entry: str, device: Device, user: AbstractBaseUser, factors: Sequence[Factor]
) -> bool:
    until, _, mac = entry.partition(".")
    is_signed = constant_time_compare(mac, _mac(int(until), device, user, factors))
    return is_signed and time.time() < int(until)


def _mac(expires_at: int, device: Device, user: AbstractBaseUser, factors: Iterable[Factor]) -> str:
    parts: list[Any] = [expires_at, *device, user.pk, user.get_session_auth_hash()]
    parts += sorted(f"{factor.id} {factor.created_at.isoformat()}" for factor in factors)
    mac = salted_hmac("session_auth.factors.trust", "\n".join(map(str, parts)), algorithm="sha256")
    return base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()
