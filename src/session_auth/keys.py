"""Session keys and session ids.

The *key* is the secret in the cookie; the *id* is its digest.
Only ids are stored, listed and logged, so a stolen database or log opens no session.

A key may begin with a *tag*, which stands before the secret and at the beginning of the id: by it,
an engine finds the server on which the sessions of a user are.
"""

import hashlib
import re
import secrets
from binascii import b2a_base64
from typing import Any, TypeGuard

KEY_BYTES = 32
TAG_CHARACTERS = 3
URL_SAFE = bytes.maketrans(b"+/", b"-_")
ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
TAGGED = re.compile(r"[A-Za-z0-9_-]{3}\.[A-Za-z0-9_-]{43}", re.ASCII)
KEY_PATTERN = re.compile(
    r"(?:[A-Za-z0-9_-]{3}\.)?[A-Za-z0-9_-]{43}|[a-z0-9]{32}|\.?[A-Za-z0-9_-]{1,3990}:[A-Za-z0-9]{1,20}:[A-Za-z0-9_-]{43}",
    re.ASCII,
)
"""Our keys, with a tag or without; Django's (165 bits), and its signed cookies.

A session that is taken over keeps the key that it has.
"""


def new_session_key(tag: str = "") -> str:
    """Return a new secret: 256 random bits as 43 characters of base64url (ASVS 7.2.3).

    After the ``tag`` and a full stop, if there is one.
    """
    secret = secrets.token_urlsafe(KEY_BYTES)
    return f"{tag}.{secret}" if tag else secret


def new_tag() -> str:
    """Return a tag that says nothing."""
    return secrets.token_urlsafe(KEY_BYTES)[:TAG_CHARACTERS]


def tag_for(value: object) -> str:
    """Return the tag of a user, from their primary key: 18 bits of its SHA-256.

    Without a secret: who knows a session id is shown its user, too, and a new ``SECRET_KEY`` must
    not move anything.
    """
    return _base64url(hashlib.sha256(f"session_auth.tag {value}".encode()))[:TAG_CHARACTERS]


def tag_of(session_id: str) -> str:
    """Return the first characters of an id: its tag, if its key has one."""
    return session_id[:TAG_CHARACTERS]


def is_session_key(value: str | None) -> TypeGuard[str]:
    """Say whether ``value`` has the form of a key; only a store knows what it opens."""
    return value is not None and KEY_PATTERN.fullmatch(value) is not None


def is_session_id(value: str) -> bool:
    """Say whether ``value`` has the form of a session id; nothing else can be one."""
    return ID_PATTERN.fullmatch(value) is not None


def digest(session_key: str) -> str:
    """Return the session id of a key: base64url SHA-256, 43 characters.

    The tag of a key stands in the place of the first characters. A fast hash without salt is
    enough, since nobody can guess 256 random bits.
    """
    session_id = _base64url(hashlib.sha256(session_key.encode()))
    if TAGGED.fullmatch(session_key):
        return session_key[:TAG_CHARACTERS] + session_id[TAG_CHARACTERS:]
    return session_id


def _base64url(hashed: Any) -> str:
    return b2a_base64(hashed.digest(), newline=False)[:-1].translate(URL_SAFE).decode()
