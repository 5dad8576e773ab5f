"""Changing and resetting passwords, without JSON and without status codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.contrib.auth import HASH_SESSION_KEY, get_user_model
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import router, transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.http import urlsafe_base64_decode

from session_auth import csrf, events
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import InvalidRequest
from session_auth.flows import PASSWORD
from session_auth.passwords.hashes import replace_hash
from session_auth.sessions.base import session_of
from session_auth.sessions.ending import REQUEST
from session_auth.sessions.listing import end_sessions_of
from session_auth.sessions.users import USERS
from session_auth.signals import EndReason
from session_auth.user_agents import user_agent_name

if TYPE_CHECKING:
    NewPasswordForm = SetPasswordForm[Any]
else:
    NewPasswordForm = SetPasswordForm  # which in Django 5.2 is not generic at run time


def change_password(request: HttpRequest, form: NewPasswordForm) -> None:
    """Give the user who is logged in the password of the valid ``form``.

    Their other sessions end in the same transaction; this one goes on under a new key, with a new
    CSRF token. Raises ``InvalidRequest`` if the password was changed since the form looked at it,
    and ``SessionInterrupted`` if the session has ended since; then nothing has changed.
    """
    session = session_of(request)
    REQUEST.set(request)  # whose session the receiver of the new password spares
    with _replaced_password(form, stale_field="old_password") as user:
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.prove(PASSWORD)
        current = session.info.id if session.info else None
        end_sessions_of(user.pk, but=current, reason=EndReason.PASSWORD_CHANGED)
    csrf.follow_session(request)
    events.record(Event.PASSWORD_CHANGED, request, user_id=user.pk)


def reset_password(form: NewPasswordForm) -> None:
    """Give the user of a link the password of the valid ``form``; log nobody in.

    All their sessions end in the same transaction. Raises ``InvalidRequest`` if the password was
    changed since the form looked at it, by this very link perhaps: then nothing has changed.
    """
    with _replaced_password(form, stale_field="token") as user:
        end_sessions_of(user.pk, reason=EndReason.PASSWORD_CHANGED)


@USERS.asks
def user_of_link(
    uid: str, token: str, *, token_generator: PasswordResetTokenGenerator
) -> AbstractBaseUser | None:
    """Return the active user for whom a link was made; ``None`` if it is not valid, or no more."""
    users = get_user_model()
    try:
        user = users._default_manager.get(pk=urlsafe_base64_decode(uid).decode())
    except (ValueError, OverflowError, ValidationError, users.DoesNotExist):
        return None
    return user if user.is_active and token_generator.check_token(user, token) else None


def send_links(form: PasswordResetForm) -> None:
    """Send a link to each user whom the form finds; nothing to nobody if it is not valid.

    Which takes its time: call it after the answer. A mail that cannot be sent is logged.
    """
    if form.is_valid():
        form.save(
            domain_override=urlsplit(get_conf().PASSWORD_RESET_URL or "").netloc,
            subject_template_name="session_auth/password_reset_subject.txt",
            email_template_name="session_auth/password_reset_email.txt",
        )


def send_notice(user_id: Any, *, ip: str, user_agent: str) -> None:
    """Tell a user by mail that their password was changed, and from where, if they have mail."""
    user = get_user_model()._base_manager.get(pk=user_id)
    address = getattr(user, user.get_email_field_name(), "")
    if not address:
        return
    context = {
        "user": user,
        "changed_at": timezone.now(),
        "ip": ip,
        "device": user_agent_name(user_agent),
    }
    subject = render_to_string("session_auth/password_changed_subject.txt", context)
    text = render_to_string("session_auth/password_changed_email.txt", context)
    send_mail(subject.strip(), text, None, [address])


@contextmanager
def _replaced_password(form: NewPasswordForm, *, stale_field: str) -> Iterator[AbstractBaseUser]:
    """Store the new password, in one transaction with what is done inside."""
    before = form.user.password
    user = form.save(commit=False)
    with USERS.guards(), transaction.atomic(using=router.db_for_write(get_user_model())):
        if not replace_hash(user, before=before):
            raise InvalidRequest(fields={stale_field: ["The password was changed meanwhile."]})
        user.save(update_fields=["password"])  # for receivers, and validators that keep a history
        yield user
