"""The mails about passwords: a link to reset one, and the notice that one was changed."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.http import HttpRequest
from django.utils import timezone
from django.utils.module_loading import import_string

from session_auth import later, mails, throttling
from session_auth.client_info import client_info
from session_auth.conf import get_conf
from session_auth.models import PendingMail
from session_auth.passwords.forms import PasswordResetForm
from session_auth.user_agents import known_name

NOTICE = "password_changed"
LINKS = "password_reset"

LONGEST_PAUSE_SECONDS = 0.5
"""A mail with a link is made and sent after a random pause of at most so many seconds."""

OTHER_DATABASE_PAUSE = timedelta(minutes=1)
"""How long a notice waits if its row cannot be written in the transaction of the change."""


def post_notice(
    request: HttpRequest | None, user: AbstractBaseUser, *, by_staff: bool = False
) -> int | None:
    """Write down a mail that tells the user that their password was changed, and from where.

    Where staff have changed it, it tells that instead.

    Call it in the transaction of the change, and ``later.hand_over()`` with the number that it
    returns. For a user without an e-mail address, that is ``None``.
    """
    address = getattr(user, user.get_email_field_name(), "")
    if not address:
        return None
    client = client_info({} if request is None or by_staff else request.META)
    is_apart = router.db_for_write(PendingMail) != router.db_for_write(get_user_model())
    return later.post(
        NOTICE,
        earliest=OTHER_DATABASE_PAUSE if is_apart else timedelta(0),
        user_id=str(user.pk),
        to=address,  # as it is now: a thief who changed the password may change the address next
        ip=client.ip,
        user_agent=client.user_agent,
        by_staff=by_staff,
        is_foreign=by_staff or request is None,
    )


def post_links(
    form: Any, deliver: Callable[[int], None] = later.wake, *, is_foreign: bool = False
) -> None:
    """Let a link be sent to each user whom the valid ``form`` finds.

    This writes one row, whether there is such a user or not. Another thread does the rest a little
    later, so that neither the time of the answer nor that of the next request to the same worker
    tells. For that, the form is made again by the name of its class; its ``cleaned_data`` has the
    text, numbers and booleans that it has now, and nothing else. ``deliver`` is called with the
    number of the mail, after the commit. The mails are in the language of the user where the
    project knows it; else in the active one or, with ``is_foreign``, in that of the site, as where
    staff send the link.
    """
    form_class = type(form)
    path = f"{form_class.__module__}.{form_class.__qualname__}"
    if _find_form(path) is not form_class:
        raise ImproperlyConfigured(
            f"Define {path} at the top level of a module: its mails are sent by its name."
        )
    plain = {name: v for name, v in form.cleaned_data.items() if _is_plain(v)}
    pause = timedelta(seconds=random.uniform(0, LONGEST_PAUSE_SECONDS))  # noqa: S311 # no secret
    mail_id = later.post(LINKS, earliest=pause, is_foreign=is_foreign, form=path, fields=plain)
    later.hand_over(mail_id, deliver, using=router.db_for_write(PendingMail))


def send_links(form: Any) -> None:
    """Send a link to each user whom ``form`` finds; send nothing if the form is not valid.

    The time that this takes tells whether there is such a user: ``post_links()`` does it later.
    Raises what sending raises.
    """
    if form.is_valid():
        _save(form)


def send_notice(
    user_id: Any,
    *,
    ip: str,
    user_agent: str,
    to: str | None = None,
    changed_at: datetime | None = None,
    by_staff: bool = False,
) -> None:
    """Tell a user by mail that their password was changed, and from where, if they have mail.

    The mail goes to the address ``to``, or else to the user's own; a deleted user gets none. It
    quotes nothing that a stranger wrote: it names the user agent only if that is a known one.
    Raises what sending raises.
    """
    user = get_user_model()._base_manager.filter(pk=user_id).first()
    address = to or getattr(user, get_user_model().get_email_field_name(), "")
    if user is None or not address:
        return
    context = {
        "changed_at": changed_at or timezone.now(),
        "ip": ip,
        "browser": known_name(user_agent),
        "by_staff": by_staff,
    }
    mails.compose(NOTICE, user, context, to=address).send()


def _send_notice(posted_at: datetime, *, user_id: str, **details: Any) -> None:
    send_notice(user_id, changed_at=posted_at, **details)


def _send_links(posted_at: datetime, *, form: str, fields: dict[str, Any]) -> None:
    form_class = _find_form(form)
    if form_class is None:
        raise ImproperlyConfigured(f"There is no form {form} any more.")
    valid: Any = form_class()
    valid.cleaned_data = fields
    _save(valid)


def _save(form: Any) -> None:
    form.save(
        domain_override=urlsplit(get_conf().PASSWORD_RESET_URL or "").netloc,
        subject_template_name="session_auth/password_reset_subject.txt",
        email_template_name="session_auth/password_reset_email.txt",
    )


def _send_ceiling(posted_at: datetime, *, user_id: str, is_second_step: bool = False) -> None:
    """Tell a user that their password, or a second factor, is right no more.

    Nobody is told if there is no such user.
    """
    user = get_user_model()._base_manager.filter(pk=user_id).first() if user_id else None
    address = getattr(user, get_user_model().get_email_field_name(), "")
    if user is None or not address or not user.is_active:
        return
    context = {
        "changed_at": posted_at,
        "failures": throttling.CEILING,
        "is_second_step": is_second_step,
    }
    mails.compose(throttling.CEILING_MAIL, user, context, to=address).send()


later.senders[throttling.CEILING_MAIL] = _send_ceiling
later.senders[NOTICE] = _send_notice
later.senders[LINKS] = _send_links

WHEN = {"changed_at": mails.SAMPLE["changed_at"]}
mails.samples[LINKS] = {
    "": {
        **PasswordResetForm.BUTTON,
        "site_name": "example.org",
        "url": "https://example.org/reset/MQ/c2kxx1-4f9a/",
    }
}
mails.samples[NOTICE] = {"": mails.SAMPLE, "by_staff": {**WHEN, "by_staff": True}}
mails.samples[throttling.CEILING_MAIL] = {
    "": {**WHEN, "failures": throttling.CEILING},
    "is_second_step": {**WHEN, "failures": throttling.CEILING, "is_second_step": True},
}


def _find_form(path: str) -> type[forms.Form] | None:
    try:
        found = import_string(path)
    except ImportError:
        return None
    return found if isinstance(found, type) and issubclass(found, forms.Form) else None


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
