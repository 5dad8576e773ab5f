"""Session keys and session ids.

The *key* is the secret in the cookie; the *id* is its digest.
Only ids are stored, listed and logged, so a stolen database or log opens no session.
"""

import hashlib
import re
import secrets
from binascii import b2a_base64
from typing import TypeGuard

KEY_BYTES = 32
URL_SAFE = bytes.maketrans(b"+/", b"-_")
ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
KEY_PATTERN = re.compile(
    r"[A-Za-z0-9_-]{43}|[a-z0-9]{32}|\.?[A-Za-z0-9_-]{1,3990}:[A-Za-z0-9]{1,20}:[A-Za-z0-9_-]{43}",
    re.ASCII,
)
"""Our keys; Django's (165 bits), and its signed cookies: a session keeps them when taken over."""


def new_session_key() -> str:
    """Return a new secret: 256 random bits as 43 characters of base64url (ASVS 7.2.3)."""
    return secrets.token_urlsafe(KEY_BYTES)


def is_session_key(value: str | None) -> TypeGuard[str]:
    """Say whether ``value`` has the form of a key; only a store knows what it opens."""
    return value is not None and KEY_PATTERN.fullmatch(value) is not None


def is_session_id(value: str) -> bool:
    """Say whether ``value`` has the form of a session id; nothing else can be one."""
    return ID_PATTERN.fullmatch(value) is not None


def digest(session_key: str) -> str:
    """Return the session id of a key: base64url SHA-256, 43 characters.

    A fast hash without salt is enough, since nobody can guess 256 random bits.
    """
    return (
        b2a_base64(hashlib.sha256(session_key.encode()).digest(), newline=False)[:-1]
        .translate(URL_SAFE)
        .decode()
    )
