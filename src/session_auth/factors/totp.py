"""Codes of authenticator apps (RFC 6238): SHA-1, 6 digits, steps of 30 seconds, as all apps do."""

import base64
import hmac
import re
import secrets
import time
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
DRIFT_STEPS = 1
"""How many steps the clock of a phone may be behind or ahead."""

SECRET_BYTES = 20
CODE = re.compile(rf"\d{{{DIGITS}}}", re.ASCII)


def new_secret() -> bytes:
    """Return a new secret of 160 bits, as RFC 4226 recommends."""
    return secrets.token_bytes(SECRET_BYTES)


def code_at(secret: bytes, step: int, *, digits: int = DIGITS) -> str:
    """Return the code of a step (RFC 4226, 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def current_step() -> int:
    """Return the number of steps since the epoch."""
    return int(time.time()) // STEP_SECONDS


def step_of(secret: bytes, code: str) -> int | None:
    """Return the step whose code this is, of those that a clock may be at; else ``None``.

    Spaces in the code do not count, since apps show some.
    """
    digits = "".join(code.split())
    if not CODE.fullmatch(digits):
        return None
    now = current_step()
    steps = range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1)
    # All are computed and compared: the time tells nothing.
    found = [step for step in steps if hmac.compare_digest(code_at(secret, step), digits)]
    return max(found, default=None)


def in_base32(secret: bytes) -> str:
    """Return the secret as people type it into an app."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri_of(secret: bytes, *, issuer: str, account: str) -> str:
    """Return the ``otpauth://`` URI that apps read, from a QR code say."""
    label = quote(f"{issuer}:{account}", safe="@")
    parameters = {
        "secret": in_base32(secret),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP_SECONDS,
    }
    return f"otpauth://totp/{label}?{urlencode(parameters, quote_via=quote)}"
