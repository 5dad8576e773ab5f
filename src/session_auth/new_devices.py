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


def tell(request: HttpRequest, user: AbstractBaseUser) -> None:
    """Let the user be told, if ``SESSION_AUTH_SESSIONS_URL`` is set and they have an address."""
    address = getattr(user, user.get_email_field_name(), "")
    if get_conf().SESSIONS_URL is None or not address:
        return
    client = client_info(request.META)
    mail_id = later.post(
        NOTICE, user_id=str(user.pk), to=address, ip=client.ip, user_agent=client.user_agent
    )
    later.hand_over(mail_id, later.wake, using=later.alias())


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
