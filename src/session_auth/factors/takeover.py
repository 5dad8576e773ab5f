"""Take over authenticator apps from another package, so that nobody has to enrol again."""

from django.contrib.auth.models import AbstractBaseUser
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from session_auth.factors import encryption, rows
from session_auth.factors.models import Factor, Kind

__all__ = ["take_over_app"]


@sensitive_variables("secret")
def take_over_app(user: AbstractBaseUser, secret: bytes) -> bool:
    """Store the secret of an app that ``user`` has set up elsewhere; nobody is told by mail.

    For apps with 6 digits, steps of 30 seconds and SHA-1, as nearly all are. ``secret`` is the
    secret itself, decoded from base32. Return ``False`` if the user has an app here already, which
    stays; so it may be called again after a failure. Needs ``SESSION_AUTH_TOTP_KEYS``.
    """
    if rows.find(Kind.TOTP, rows.totp_id(user.pk)) is not None:
        return False
    rows.add(
        [
            Factor(
                id=rows.totp_id(user.pk),
                user_id=user.pk,
                kind=Kind.TOTP,
                material=encryption.encrypt(secret, user_id=user.pk),
                created_at=timezone.now(),
            )
        ]
    )
    return True
