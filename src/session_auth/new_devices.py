"""The mail that tells a user of a login in a browser that their account did not know."""

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from session_auth import later, mails
from session_auth.client_info import client_info
from session_auth.conf import get_conf
from session_auth.user_agents import known_name

NOTICE = "new_device"


def address_of(user: AbstractBaseUser) -> str:
    """Return where to tell the user; "" if they have no address, or nobody is told here."""
    is_told = get_conf().SESSIONS_URL is not None
    return getattr(user, user.get_email_field_name(), "") if is_told else ""


def post(request: HttpRequest, user: AbstractBaseUser) -> int:
    """Post the mail, in the transaction of the caller; return its number."""
    client = client_info(request.META)
    return later.post(
        NOTICE,
        user_id=str(user.pk),
        to=address_of(user),
        ip=client.ip,
        user_agent=client.user_agent,
    )


def _send(posted_at: datetime, *, user_id: str, to: str, ip: str, user_agent: str) -> None:
    """Make and send the mail; its link only leads to a page, where users can end the session."""
    user = get_user_model()._base_manager.filter(pk=user_id).first()
    url = get_conf().SESSIONS_URL
    if user is None or url is None:
        return
    context: dict[str, Any] = {
        "changed_at": posted_at,
        "ip": ip,
        "browser": known_name(user_agent),
        "url": url,
    }
    mails.compose(NOTICE, user, context, to=to).send()


later.senders[NOTICE] = _send
mails.samples[NOTICE] = {"": {**mails.SAMPLE, "url": "https://example.org/sessions/"}}
