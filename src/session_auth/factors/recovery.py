"""Recovery codes: ten, shown once, stored as digests, each good once and for one user."""

import base64
import json
import secrets
from functools import partial
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from session_auth import attempts
from session_auth.factors import changes, mail, proofs, rows
from session_auth.factors.changes import Change
from session_auth.factors.models import Factor, Kind
from session_auth.keys import digest

CODES = 10
CODE_BYTES = 15
"""120 bits, so that a fast hash is enough (NIST SP 800-63B-4, 3.1.2.2, asks for 112)."""

GROUP = 4


def new_codes() -> list[str]:
    """Return ten new codes of 24 letters and digits, in groups of four: "k2vt-…"."""
    return [_grouped(secrets.token_bytes(CODE_BYTES)) for _ in range(CODES)]


def rows_for(user_id: Any, codes: list[str]) -> list[Factor]:
    """Return the rows for the codes of a user, which hold no code."""
    now = timezone.now()
    return [
        Factor(id=id_of(user_id, code), user_id=user_id, kind=Kind.RECOVERY, created_at=now)
        for code in codes
    ]


def id_of(user_id: Any, code: str) -> str:
    """Return the id of the row for a code; case, spaces and hyphens do not matter."""
    return digest(f"recovery {user_id} {plain(code)}")


def plain(code: str) -> str:
    """Return a code as it is compared."""
    return "".join(code.split()).replace("-", "").lower()


@sensitive_variables("code")
def use_up(request: HttpRequest, user: AbstractBaseUser, code: str) -> Factor | None:
    """Delete the code, and tell the user by mail how many are left."""
    return spent(request, user, id_of(user.pk, code))


def spent(request: HttpRequest, user: AbstractBaseUser, factor_id: str) -> Factor | None:
    """Delete the code in this row, if it is there, and tell the user."""
    spend = partial(_spend_and_tell, request, user, factor_id)
    left = attempts.lasting(request, spend, alias=rows.STORE.alias())
    if left is None:
        return None
    return Factor(
        id=factor_id,
        user_id=user.pk,
        kind=Kind.RECOVERY,
        details=json.dumps({changes.CODES_LEFT: sorted(left)}),
        created_at=timezone.now(),
    )


def _spend_and_tell(
    request: HttpRequest, user: AbstractBaseUser, factor_id: str
) -> set[str] | None:
    """Return the ids of the codes that are left; ``None`` if the code was not there."""
    change, kind = Change.RECOVERY_USED, Kind.RECOVERY

    @rows.STORE.changes
    def spend() -> tuple[set[str] | None, int | None]:
        # Both or neither: no code is gone of whose use its user does not hear.
        with transaction.atomic(using=rows.STORE.alias()):
            if not rows.spend_code(user.pk, factor_id):
                return None, None
            left = rows.ids_of_codes(user.pk)
            return left, mail.post_notice(request, user, change=change, kind=kind, left=len(left))

    left, mail_id = spend()
    if left is not None:
        changes.tell(request, user, change, kind=kind, mail_id=mail_id)
    return left


proofs.checkers[Kind.RECOVERY] = ("code", use_up)


def _grouped(random: bytes) -> str:
    text = base64.b32encode(random).decode().lower()
    return "-".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))
