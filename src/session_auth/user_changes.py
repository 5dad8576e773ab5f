"""What follows when a user logs in, is changed or is deleted, whichever code does it.

``SessionAuthConfig.ready()`` connects these receivers, for each model of ``models_of_users()``.
"""

from functools import partial
from typing import Any, cast

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth import models as django_models
from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError, Error, router
from django.db.models import Model
from django.http import HttpRequest

from session_auth import events, later
from session_auth.events import Event
from session_auth.exceptions import InvalidCredentials
from session_auth.guessing import accounts
from session_auth.passwords.elsewhere import TOLD_BY_US
from session_auth.passwords.mail import post_notice
from session_auth.sessions.base import BaseSessionStore
from session_auth.sessions.ending import REQUEST
from session_auth.sessions.listing import end_kept_sessions
from session_auth.sessions.users import may_not_log_in, take_back_login
from session_auth.signals import EndReason
from session_auth.stores import USERS, is_gone


def models_of_users() -> list[type[Model]]:
    """Return the models through which a user can be saved and deleted.

    These are the user model, its proxies, and its children and parents (multi-table inheritance).
    """
    users = get_user_model()
    parents = users._meta.get_parent_list()
    return [model for model in apps.get_models() if issubclass(model, users) or model in parents]


def update_last_login(*, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Receive ``user_logged_in`` instead of Django's receiver: if the database fails, it is 503.

    Who was deleted since their password was right is as unknown as they are from now on: this
    raises ``InvalidCredentials``, and nobody is logged in.
    """
    call = partial(django_models.update_last_login, user=user, **kwargs)
    try:
        try:
            call()
        except Error as error:
            USERS.asks_again(error, call)
    except DatabaseError as error:
        if not is_gone(error):
            raise
        if isinstance(getattr(request, "session", None), BaseSessionStore):
            take_back_login(cast("HttpRequest", request))
        events.record(Event.LOGIN_FAILED, request, user_id=user.pk)
        raise InvalidCredentials from error


def follow_change(*, instance: AbstractBaseUser, created: bool, **kwargs: Any) -> None:
    """Receive ``post_save`` of users: a deactivation or a new password ends sessions for good.

    If users set a new password themselves, the session of that request goes on.
    """
    has_new_password = getattr(instance, "_password", None) is not None  # as set_password() does
    if created or (instance.is_active and not has_new_password):
        return
    if may_not_log_in(instance):
        end_kept_sessions(instance, reason=EndReason.DEACTIVATED)
    elif has_new_password:
        own = _own_session_id(instance.pk)
        end_kept_sessions(instance, but=own, reason=EndReason.PASSWORD_CHANGED)
    if has_new_password:
        accounts.pardon(instance)
        if not hasattr(instance, TOLD_BY_US):
            _tell_of_new_password(instance)


def end_sessions_of_deleted_user(*, instance: AbstractBaseUser, **kwargs: Any) -> None:
    """Receive ``pre_delete`` of users: all their sessions end."""
    end_kept_sessions(instance, reason=EndReason.DELETED)


def _own_session_id(user_id: Any) -> str | None:
    """Return the id of the current request's session, if that is the user's."""
    session = getattr(REQUEST.get(), "session", None)
    if not isinstance(session, BaseSessionStore):
        return None
    session.keys()  # loads it
    return session.info.id if session.info and session.info.user_id == user_id else None


def _tell_of_new_password(user: AbstractBaseUser) -> None:
    """Log a new password that other code than ours has set.

    In a request, its user is told by mail, too, unless they have never logged in.
    """
    request = REQUEST.get()
    by = events.caller_id(request) if request else None
    events.record(Event.PASSWORD_CHANGED, request, user_id=user.pk, by=by)
    if request is None or getattr(user, "last_login", True) is None:
        return
    mail_id = post_notice(request, user, by_staff=by not in {None, user.pk})
    if mail_id is not None:
        later.hand_over(mail_id, later.wake, using=router.db_for_write(get_user_model()))
