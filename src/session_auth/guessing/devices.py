"""Browsers in which a user has logged in before: each has a count of wrong passwords of its own.

So guesses from elsewhere cannot lock the user out (OWASP calls this a device cookie). The cookie
opens nothing: without the password, all it gives is a count that starts at zero.

The cookie has an entry for each of the last ``MAX_ACCOUNTS`` accounts that logged in there: a
random device id, the generation of the account's devices, and an HMAC of both with the account's
primary key. An account gets a new generation when its user throws all devices out: then all entries
from before are unknown. A browser gets a new entry only after its user has proven the password.
"""

import base64
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

from session_auth.client_info import scope_of
from session_auth.exceptions import StoreUnavailable
from session_auth.guessing import counts
from session_auth.models import DeviceGeneration

DEVICE_BYTES = 16
MAC_BYTES = 16
GENERATION_BYTES = 6
MAX_ACCOUNTS = 5
COOKIE_AGE = timedelta(days=365)
ENTRY = re.compile(r"([\w-]{22})\.((?:[\w-]{8})?)\.([\w-]{22})", re.ASCII)


class Device(NamedTuple):
    """An entry of the cookie: the device is known if ``generation`` is still the account's."""

    id: str
    generation: str


def cookie_name() -> str:
    """Return the name of the cookie, with the prefix of the session cookie, such as ``__Host-``."""
    return f"{settings.SESSION_COOKIE_NAME}_device"


def find(cookies: Mapping[str, str], user_id: Any) -> Device | None:
    """Return the device of the user whose entry is among ``cookies``; ``None`` without one.

    The entry must be signed with the secret key or one of its fallbacks.
    """
    for entry in _entries(cookies):
        if (device := _device(entry, user_id)) is not None:
            return device
    return None


def of_request(request: object | None, user: AbstractBaseUser | None) -> Device | None:
    """Return the device of ``user`` that has sent ``request``, if it is one."""
    return find(cookies_of(request), user.pk) if request and user else None


def cookies_of(request: object) -> Mapping[str, str]:
    """Return the cookies of ``request``, of a make like those that ``meta_of()`` knows."""
    cookies: Mapping[str, str] | None = getattr(request, "COOKIES", None)
    return scope_of(request).get("cookies", {}) if cookies is None else cookies


def remember(
    request: HttpRequest,
    response: HttpResponse,
    user_id: Any,
    generation: str,
    *,
    anew: bool = False,
) -> None:
    """Send the cookie that makes this browser a known device of the user; ``anew``: with a new id.

    A new id has a count that starts at zero.
    """
    entries = _entries(request.COOKIES)
    others = [entry for entry in entries if _device(entry, user_id) is None]
    before = None if anew else find(request.COOKIES, user_id)
    device_id = before.id if before else secrets.token_urlsafe(DEVICE_BYTES)
    device = Device(device_id, generation)
    mac = _mac(device, user_id, settings.SECRET_KEY)
    response.set_cookie(
        cookie_name(),
        ":".join([".".join([*device, mac]), *others][:MAX_ACCOUNTS]),
        max_age=COOKIE_AGE,
        domain=settings.SESSION_COOKIE_DOMAIN,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def welcome(request: HttpRequest, response: HttpResponse, user: AbstractBaseUser) -> None:
    """Make the browser a new known device of ``user``, who has reset the password.

    If the store cannot say more, it stays a stranger's: the password is new all the same.
    """
    with suppress(StoreUnavailable):  # which is logged
        remember(request, response, user.pk, counts.generation_of(str(user.pk)), anew=True)


def is_known_device(request: HttpRequest, user: AbstractBaseUser) -> bool:
    """Say whether ``user`` has logged in with this browser before: for stages that see each login.

    False once the user has thrown it out. It stays what it was until the login is complete.
    """
    device = of_request(request, user)
    return device is not None and device.generation == counts.generation_of(str(user.pk))


def throw_out_devices(
    user: AbstractBaseUser, *, but: tuple[HttpRequest, HttpResponse] | None = None
) -> None:
    """Make all devices of ``user`` unknown, but the one that has sent the request in ``but``.

    The answer in ``but`` gets its new cookie. Another browser becomes known again only by a proof
    of the password.
    """
    generation = secrets.token_urlsafe(GENERATION_BYTES)
    counts.set_generation(DeviceGeneration(user_id=str(user.pk), generation=generation))
    if but is not None and of_request(but[0], user):
        remember(*but, user.pk, generation)


def _entries(cookies: Mapping[str, str]) -> list[str]:
    entries = cookies.get(cookie_name(), "").split(":")[:MAX_ACCOUNTS]
    return [entry for entry in entries if ENTRY.fullmatch(entry)]


def _device(entry: str, user_id: Any) -> Device | None:
    *said, mac = entry.split(".")
    device = Device(*said)
    secret_keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    is_signed = any(constant_time_compare(mac, _mac(device, user_id, key)) for key in secret_keys)
    return device if is_signed else None


def _mac(device: Device, user_id: Any, secret_key: str | bytes) -> str:
    mac = salted_hmac(
        "session_auth.guessing.devices",
        f"{device.id}.{device.generation}.{user_id}",
        secret=secret_key,
        algorithm="sha256",
    )
    return base64.urlsafe_b64encode(mac.digest()[:MAC_BYTES]).rstrip(b"=").decode()
