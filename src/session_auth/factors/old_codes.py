"""Recovery codes that were taken over from another package.

They are shorter than ours, so that their digests would tell them: they are encrypted, with the keys
of the authenticator apps.
"""

from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from session_auth.factors import encryption, proofs, recovery, rows
from session_auth.factors.models import Factor, Kind


@sensitive_variables()
def use_up(request: HttpRequest, user: AbstractBaseUser, code: str) -> Factor | None:
    """Use up a code of ours, or one that was taken over."""
    factor = recovery.use_up(request, user, code)
    if factor is not None:
        return factor
    given = recovery.plain(code)
    for each in rows.of_user(user.pk):
        if each.kind == Kind.RECOVERY and each.material:
            known = encryption.decrypt(each.material, user_id=user.pk)
            if constant_time_compare(known, given.encode()):
                return recovery.spent(request, user, each.id)
    return None


proofs.checkers[Kind.RECOVERY] = ("code", use_up)
