"""Browsers that their user trusts: for 30 days at most, the password is enough there.

The cookie opens nothing without the password. It holds for one user, with the password and the
factors that they have now, on one known device (``guessing.devices``): so it ends with a new
password, with each change of a factor, and when the user throws all devices out. Another hash of
the same password ends it no more than it ends a session, nor does a new secret key, as long as the
old one is among its fallbacks.
"""

import base64
import re
import time
from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from session_auth.conf import get_conf
from session_auth.factors.models import Factor
from session_auth.guessing import counts, devices
from session_auth.guessing.devices import Device
from session_auth.sessions import hash_upgrades

ENTRY = re.compile(r"[0-9]{1,12}\.[0-9]{1,12}\.[\w-]{43}\.[\w-]{43}", re.ASCII)
"""From when on the user trusts the browser, until when, the link of the password, and the HMAC."""


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
    now = int(time.time())
    said = f"{now}.{now + round(lifetime.total_seconds())}.{hash_upgrades.link_of(user)}"
    entry = f"{said}.{_mac(said, device, user, factors, settings.SECRET_KEY)}"
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
    said, _, mac = entry.rpartition(".")
    secret_keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    if not any(
        constant_time_compare(mac, _mac(said, device, user, factors, key)) for key in secret_keys
    ):
        return False
    since, until, link = said.split(".")
    # The setting may be shorter than it was.
    at_most = int(since) + get_conf().TRUST_BROWSER.total_seconds()
    return time.time() < min(int(until), at_most) and hash_upgrades.leads_to(link, user)


def _mac(
    said: str,
    device: Device,
    user: AbstractBaseUser,
    factors: Iterable[Factor],
    secret_key: str | bytes,
) -> str:
    parts = [said, *device, user.pk]
    parts += sorted(f"{factor.id} {factor.created_at.isoformat()}" for factor in factors)
    mac = salted_hmac(
        "session_auth.factors.trust",
        "\n".join(map(str, parts)),
        secret=secret_key,
        algorithm="sha256",
    )
    return base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()
