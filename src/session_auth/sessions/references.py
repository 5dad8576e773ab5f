"""What stands for a user towards clients, so that a tab can say whom it shows."""

from typing import Any

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac


def user_reference(user_id: Any, *, secret: str | bytes | None = None) -> str:
    """Return what stands for a user towards clients: the same in all of their sessions.

    It tells nothing of the user, not even their id.
    """
    return salted_hmac(
        "session_auth.user_reference", str(user_id), secret=secret, algorithm="sha256"
    ).hexdigest()[:32]


def is_reference_to(reference: str, user_id: Any) -> bool:
    """Say whether ``user_reference()`` gave ``reference`` for this user.

    Under the secret key or one of its fallbacks: a new key refuses nobody.
    """
    return any(
        constant_time_compare(reference, user_reference(user_id, secret=secret))
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )
