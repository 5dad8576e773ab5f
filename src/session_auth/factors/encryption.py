"""Secrets of authenticator apps at rest: encrypted, with keys that can be replaced one by one.

``SESSION_AUTH_TOTP_KEYS`` has the keys, as ``Fernet.generate_key()`` makes them. The first one
encrypts; each of them decrypts. A secret is encrypted together with its user: whoever can write to
the table, but has no key, cannot give one user's secret to another.
"""

from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables

from session_auth.conf import get_conf


@sensitive_variables()
def encrypt(secret: bytes, *, user_id: Any) -> str:
    """Return ``secret`` encrypted with the first key, for a column of text."""
    return _keys().encrypt(_label(user_id) + secret).decode()


@sensitive_variables()
def decrypt(text: str, *, user_id: Any) -> bytes:
    """Return the secret that ``encrypt()`` was given.

    Raises ``ImproperlyConfigured`` if no key decrypts it, or if it is the secret of another user.
    """
    try:
        plain = _keys().decrypt(text)
    except InvalidToken as exc:
        raise ImproperlyConfigured(
            "A secret of an authenticator app was encrypted with a key that is not in "
            "SESSION_AUTH_TOTP_KEYS. Put that key back at the end of the list."
        ) from exc
    label = _label(user_id)
    if not plain.startswith(label):
        raise ImproperlyConfigured("A secret of an authenticator app belongs to another user.")
    return plain.removeprefix(label)


def renew(text: str) -> str:
    """Return the same secret, encrypted with the first key."""
    return _keys().rotate(text).decode()


def _label(user_id: Any) -> bytes:
    return f"{user_id}\n".encode()


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in get_conf().TOTP_KEYS])
