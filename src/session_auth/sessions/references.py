"""A pseudonym for a user, by which a browser tab can tell the server which user it shows."""

from typing import Any

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac


def user_reference(user_id: Any, *, secret: str | bytes | None = None) -> str:
    """Return the pseudonym by which clients know a user: the same in all sessions of the user.

    Nobody can find out from it who the user is, not even their id.
    """
    return salted_hmac(
        "session_auth.user_reference", str(user_id), secret=secret, algorithm="sha256"
    ).hexdigest()[:32]


NOBODY = "none"
"""What a client that shows nobody says in place of a reference."""


def reference_to(user_id: Any) -> str:
    """Return the ``user_reference()`` of this user, or what stands for nobody."""
    return NOBODY if user_id is None else user_reference(user_id)


def is_reference_to(reference: str, user_id: Any) -> bool:
    """Say whether ``reference`` is the one of this user.

    The secret key may have changed since it was made: ``SECRET_KEY_FALLBACKS`` count, too.
    """
    return any(
        constant_time_compare(reference, user_reference(user_id, secret=secret))
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )
