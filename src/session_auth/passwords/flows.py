"""Changing and resetting passwords, without JSON and without status codes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.contrib.auth import HASH_SESSION_KEY, get_user_model, hashers
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.http import HttpRequest
from django.utils.http import urlsafe_base64_decode
from django.utils.translation import gettext as _

from session_auth import csrf, events, later
from session_auth.events import Event
from session_auth.exceptions import InvalidRequest
from session_auth.passwords import elsewhere, required
from session_auth.passwords.hashes import replace_hash
from session_auth.passwords.mail import post_notice
from session_auth.sessions.base import session_of
from session_auth.sessions.ending import REQUEST
from session_auth.sessions.listing import end_sessions_of
from session_auth.sessions.proofs import PASSWORD
from session_auth.signals import EndReason
from session_auth.stores import USERS

if TYPE_CHECKING:
    NewPasswordForm = SetPasswordForm[Any]
else:
    NewPasswordForm = SetPasswordForm  # which in Django 5.2 is not generic at run time


def change_password(
    request: HttpRequest, form: NewPasswordForm, *, deliver: Callable[[int], None] = later.wake
) -> None:
    """Give the user who is logged in the password of the valid ``form``, and tell them by mail.

    Their other sessions end in the same transaction; this one goes on under a new key, with a new
    CSRF token. Raises ``InvalidRequest`` if the password was changed since the form looked at it,
    and ``SessionInterrupted`` if the session has ended since; then nothing has changed.
    ``deliver`` is called with the number of the mail, after the commit.
    """
    session = session_of(request)
    REQUEST.set(request)  # the receiver of the new password keeps the session of this request
    with _replaced_password(request, form, stale_field="old_password", deliver=deliver) as user:
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.prove(PASSWORD)
        session.save()  # with the password: or this session would end by its old hash
        current = session.info.id if session.info else None
        end_sessions_of(user.pk, but=current, reason=EndReason.PASSWORD_CHANGED)
    csrf.follow_session(request)
    events.record(Event.PASSWORD_CHANGED, request, user_id=user.pk, by=user.pk)


def reset_password(
    form: NewPasswordForm,
    *,
    request: HttpRequest | None = None,
    deliver: Callable[[int], None] = later.wake,
) -> None:
    """Give the user of a link the password of the valid ``form``, and tell them by mail.

    Nobody is logged in by it. All sessions of the user end in the same transaction. Raises
    ``InvalidRequest`` if the password was changed since the form looked at it, perhaps by this very
    link; then nothing has changed. The mail names the address from which ``request`` came, if it is
    given. ``deliver`` is called with the number of the mail, after the commit.
    """
    with _replaced_password(request, form, stale_field="token", deliver=deliver) as user:
        end_sessions_of(user.pk, reason=EndReason.PASSWORD_CHANGED)


@contextmanager
def set_password_at_login(request: HttpRequest, form: NewPasswordForm) -> Iterator[None]:
    """Give the user of a login on its way the password of the valid ``form``; tell them by mail.

    All their sessions end, in one transaction with the block. Raises what ``reset_password`` does.
    """
    stale = "new_password"
    with _replaced_password(request, form, stale_field=stale, deliver=later.wake) as user:
        end_sessions_of(user.pk, reason=EndReason.PASSWORD_CHANGED)
        yield
    events.record(Event.PASSWORD_CHANGED, request, user_id=user.pk, by=user.pk)


@USERS.asks
def user_of_link(
    uid: str, token: str, *, token_generator: PasswordResetTokenGenerator
) -> AbstractBaseUser | None:
    """Return the active user for whom a link was made; ``None`` if it is not valid any more."""
    users = get_user_model()
    try:
        user = users._default_manager.get(pk=urlsafe_base64_decode(uid).decode())
    except (ValueError, OverflowError, ValidationError, users.DoesNotExist):
        return None
    return user if user.is_active and token_generator.check_token(user, token) else None


@contextmanager
def _replaced_password(
    request: HttpRequest | None,
    form: NewPasswordForm,
    *,
    stale_field: str,
    deliver: Callable[[int], None],
) -> Iterator[AbstractBaseUser]:
    """Store the new password, and a mail that tells of it, in one transaction with the block.

    Users who must have a new one cannot take the old one again.
    """
    before = form.user.password
    user = form.save(commit=False)
    is_required = required.is_required(user.pk)
    if is_required and hashers.check_password(user._password, before):
        raise InvalidRequest(fields={"new_password": [_("Choose another password than before.")]})
    alias = router.db_for_write(get_user_model())
    with USERS.guards(), transaction.atomic(using=alias):
        if not replace_hash(user, before=before):
            raise InvalidRequest(fields={stale_field: [_("The password was changed meanwhile.")]})
        with elsewhere.told_by_us(user):
            user.save(update_fields=["password"])  # for receivers, and validators with a history
        if is_required:
            required.lift(user.pk)
        yield user
        mail_id = post_notice(request, user)
    if mail_id is not None:
        later.hand_over(mail_id, deliver, using=alias)
