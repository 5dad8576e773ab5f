"""The mail that tells a user of a change of their factors."""

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from session_auth import later, mails
from session_auth.client_info import client_info
from session_auth.user_agents import known_name

NOTICE = "factor_changed"


def post_notice(
    request: HttpRequest | None,
    user: AbstractBaseUser,
    *,
    change: str,
    kind: str,
    by_staff: bool = False,
    **more: Any,
) -> int | None:
    """Write the mail down, in the transaction of the change; ``None`` without an address."""
    address = getattr(user, user.get_email_field_name(), "")
    if not address:
        return None
    client = client_info({} if request is None else request.META)
    return later.post(
        NOTICE,
        is_foreign=by_staff,
        user_id=str(user.pk),
        to=address,  # as it is now: a thief may change the address next
        change=change,
        factor=kind,
        ip=client.ip,
        user_agent=client.user_agent,
        **more,
    )


def send_notice(
    changed_at: datetime, *, user_id: Any, to: str, user_agent: str, **details: Any
) -> None:
    """Make and send the mail. It quotes nothing that a stranger wrote: no name of a passkey."""
    user = get_user_model()._base_manager.filter(pk=user_id).first()
    if user is None:
        return
    context = {
        "changed_at": changed_at,
        "browser": known_name(user_agent),
        **details,
    }
    mails.compose(NOTICE, user, context, to=to).send()


later.senders[NOTICE] = send_notice

mails.samples[NOTICE] = {
    "passkey_added": {**mails.SAMPLE, "change": "added", "factor": "passkey"},
    "totp_removed": {**mails.SAMPLE, "change": "removed", "factor": "totp"},
    "recovery_used": {**mails.SAMPLE, "change": "recovery_used", "left": 9},
    "removed_by_admin": {"changed_at": mails.SAMPLE["changed_at"], "change": "removed_by_admin"},
}
