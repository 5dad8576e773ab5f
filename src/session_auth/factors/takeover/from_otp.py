"""The devices of django-otp, and the security keys of django-two-factor-auth."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables
from django_otp import device_classes
from webauthn.helpers import base64url_to_bytes

from session_auth.factors import totp
from session_auth.factors.takeover import Found, app, passkey, recovery_code


def found() -> Iterator[list[Found]]:
    """Yield what each user has, of one kind of device after the other: confirmed ones."""
    for model in device_classes():
        devices = model.objects.filter(confirmed=True).order_by("user_id", "pk")
        rows = devices.iterator(chunk_size=500)
        for _, mine in groupby(rows, key=attrgetter("user_id")):
            # Of several apps, the one that was used last.
            latest = sorted(mine, key=_used_at, reverse=True)
            yield [each for device in latest for each in _read(device)]


def _used_at(device: Any) -> float:
    used_at: datetime | None = getattr(device, "last_used_at", None) or _made_at(device)
    return used_at.timestamp() if used_at else 0.0


def _made_at(device: Any) -> datetime | None:
    return getattr(device, "created_at", None)


def _read(device: Any) -> list[Found]:
    kind = device.model_label()
    if kind not in READERS:
        return _left(device, "it is no app, no static token and no security key")
    try:
        return READERS[kind](device)
    except ImproperlyConfigured:  # ours: nothing would be taken over
        raise
    # Its columns take more than can be decoded.
    except Exception as exc:
        return _left(device, f"it cannot be read: {type(exc).__name__}")


@sensitive_variables()
def _app(device: Any) -> list[Found]:
    if (device.digits, device.step, device.t0) != (totp.DIGITS, totp.STEP_SECONDS, 0):
        return _left(device, "its codes are not of six digits, one each 30 seconds")
    if abs(device.drift) > totp.DRIFT_STEPS:
        return _left(device, "the clock of the phone is more than 30 seconds off")
    return [
        app(
            device.persistent_id,
            user_id=device.user_id,
            secret=device.bin_key,
            last_step=max(device.last_t, 0),
            created_at=_made_at(device),
        )
    ]


@sensitive_variables()
def _codes(device: Any) -> list[Found]:
    return [
        recovery_code(
            f"{device.persistent_id} {token.pk}", user_id=device.user_id, code=token.token
        )
        for token in device.token_set.order_by("pk")
    ]


def _key(device: Any) -> list[Found]:
    return [
        passkey(
            device.persistent_id,
            user_id=device.user_id,
            credential_id=base64url_to_bytes(device.key_handle),
            public_key=base64url_to_bytes(device.public_key),
            sign_count=device.sign_count,
            name=device.name,
            created_at=_made_at(device),
        )
    ]


def _left(device: Any, why: str) -> list[Found]:
    kind = device.model_label()
    return [Found(origin=device.persistent_id, user_id=device.user_id, kind=kind, why=why)]


READERS = {
    "otp_totp.totpdevice": _app,
    "otp_static.staticdevice": _codes,
    "two_factor_webauthn.webauthndevice": _key,
}
