"""The mail that tells a user of a change of their factors."""

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.mail import send_mail
from django.http import HttpRequest
from django.template.loader import render_to_string

from session_auth import later
from session_auth.client_info import client_info
from session_auth.user_agents import known_name

NOTICE = "factor_changed"


def post_notice(
    request: HttpRequest | None, user: AbstractBaseUser, *, change: str, kind: str, **more: Any
) -> int | None:
    """Write the mail down, in the transaction of the change; ``None`` without an address."""
    address = getattr(user, user.get_email_field_name(), "")
    if not address:
        return None
    client = client_info({} if request is None else request.META)
    return later.post(
        NOTICE,
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
        "user": user,
        "changed_at": changed_at,
        "browser": known_name(user_agent),
        **details,
    }
    subject = render_to_string("session_auth/factor_changed_subject.txt", context)
    text = render_to_string("session_auth/factor_changed_email.txt", context)
    send_mail(subject.strip(), text, None, [to])


later.senders[NOTICE] = send_notice
