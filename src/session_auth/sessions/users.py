"""Who is calling: Django's answer, without its second query where that would say the same."""

from datetime import timedelta
from functools import lru_cache, partial
from inspect import isclass
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject, empty
from django.utils.module_loading import import_string

from session_auth.conf import get_conf
from session_auth.exceptions import (
    NotAuthenticated,
    ReauthenticationRequired,
    SessionEnded,
)
from session_auth.sessions.base import BaseSessionStore, session_of, user_id_of
from session_auth.sessions.listing import end_sessions, end_sessions_of
from session_auth.sessions.values import State
from session_auth.signals import EndReason

if TYPE_CHECKING:
    # By the plugin of django-stubs, _User is the user model of the project.
    from django.contrib.auth.models import _User
else:
    _User = AbstractBaseUser


class LazyUser(SimpleLazyObject):  # type: ignore[type-arg]  # generic in the stubs alone
    """The user of a request, looked up when somebody asks.

    Django's, without the seven calls that its ``__init__`` takes to set two attributes.
    """

    _wrapped = empty

    def __init__(self, request: HttpRequest) -> None:
        object.__setattr__(self, "_setupfunc", partial(user_of, request))


def user_of(request: HttpRequest) -> Any:
    """Return the user of ``request.session``, or an ``AnonymousUser``; ask the store once.

    The session of a user who was deactivated or deleted ends, with all their others.
    """
    cached = vars(request)
    if "_cached_user" not in cached:  # where Django keeps it
        cached["_cached_user"] = look_up_user(request)
    return cached["_cached_user"]


async def auser_of(request: HttpRequest) -> Any:
    """Do what ``user_of`` does: in one thread hop, or in none where the session is loaded."""
    cached = vars(request)
    if "_cached_user" not in cached:
        session: Any = request.session
        is_loaded = isinstance(session, BaseSessionStore) and session.state is State.STORED
        user = _joined_user(session) if is_loaded else None
        if user is None:
            user = await sync_to_async(look_up_user)(request)
        cached["_cached_user"] = user
    return cached["_cached_user"]


def require_login(request: HttpRequest) -> _User:
    """Return the user who is logged in: the user model of the project, for type checkers too.

    Raises ``NotAuthenticated`` if nobody is logged in and ``SessionEnded`` if the session of the
    caller has ended, with a sentence that says what to do. ``Unauthorized`` catches both.
    """
    if request.user.is_authenticated:
        return request.user
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        raise NotAuthenticated(
            "Log in first. If you have, the request carried no session cookie: call fetch() with "
            "credentials: 'same-origin'."
        )
    raise SessionEnded if request.session.session_key is None else NotAuthenticated


def require_recent_login(request: HttpRequest, *, max_age: timedelta | None = None) -> _User:
    """Return the user who is logged in and has proven who they are within ``max_age``.

    ``max_age`` is ``SESSION_AUTH_RECENT_LOGIN`` unless it is given. Raises
    ``ReauthenticationRequired`` if the last login or proof of the password is older, and what
    ``require_login`` raises.
    """
    user = require_login(request)
    info = session_of(request).info
    if max_age is None:
        max_age = get_conf().RECENT_LOGIN
    if (
        info is None
        or info.authenticated_at is None
        or timezone.now() - info.authenticated_at > max_age
    ):
        raise ReauthenticationRequired
    return user


def look_up_user(request: HttpRequest) -> Any:
    """Return the user of ``request.session``, or an ``AnonymousUser``, whoever asked before."""
    session: Any = request.session
    if not isinstance(session, BaseSessionStore):
        return auth.get_user(request)
    return _joined_user(session) or _user_of_backend(session) or AnonymousUser()


def _joined_user(session: BaseSessionStore) -> Any | None:
    """Return the user who came with the session if all is as Django wants it, else ``None``."""
    data = session.keys().mapping  # loads the session
    backend = _plain_backend(data.get(auth.BACKEND_SESSION_KEY))
    session_hash = data.get(auth.HASH_SESSION_KEY)
    if session._make_user is None or backend is None or not session_hash:
        return None
    if session._record is None or data.get(auth.SESSION_KEY) != str(session._record.user_id):
        return None  # of another user since
    user = session._make_user()
    if backend().user_can_authenticate(user) and constant_time_compare(
        session_hash, user.get_session_auth_hash()
    ):
        return user
    return None


def _user_of_backend(session: BaseSessionStore) -> Any | None:
    """Return the user whom the backend of the session finds: the long way, for all that is left.

    As Django's ``get_user()``, but that a session never gets a new key for a new ``SECRET_KEY``,
    from which ours do not come: of several requests at once only one could have it, and to the
    others the session would have ended.
    """
    user_id = user_id_of(session.keys().mapping)
    if user_id is None:
        return None
    user = None
    if session.get(auth.BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS:
        user = auth.load_backend(session[auth.BACKEND_SESSION_KEY]).get_user(user_id)
    if user is None:
        if (reason := end_if_user_is_gone(user_id)) is not None:
            session.end(reason)
        return None
    if hasattr(user, "get_session_auth_hash") and not _has_hash_of(session, user):
        session.end(EndReason.PASSWORD_CHANGED)
        return None
    return user


def _has_hash_of(session: BaseSessionStore, user: Any) -> bool:
    """Say whether the session has the hash of the user's password, under any secret key in use."""
    session_hash = session.get(auth.HASH_SESSION_KEY)
    if not session_hash:
        return False
    current = user.get_session_auth_hash()
    if constant_time_compare(session_hash, current):
        return True
    if any(
        constant_time_compare(session_hash, each) for each in user.get_session_auth_fallback_hash()
    ):
        session[auth.HASH_SESSION_KEY] = current
        return True
    return False


def end_if_user_is_gone(user_id: Any) -> EndReason | None:
    """End all sessions of a user who was deactivated or deleted, and return which of the two.

    For changes that no signal told of: those of ``QuerySet.update()`` and of plain SQL.
    """
    user = auth.get_user_model()._base_manager.filter(pk=user_id).first()
    if user is not None and user.is_active:
        return None
    reason = EndReason.DELETED if user is None else EndReason.DEACTIVATED
    end_sessions_of(user_id, reason=reason)
    return reason


def end_sessions_of_inactive_user(*, instance: AbstractBaseUser, **kwargs: Any) -> None:
    """Receive ``post_save`` of the user model: who was deactivated loses all sessions for good."""
    if not instance.is_active:
        end_sessions(instance, reason=EndReason.DEACTIVATED)


def end_sessions_of_deleted_user(*, instance: AbstractBaseUser, **kwargs: Any) -> None:
    """Receive ``pre_delete`` of the user model."""
    end_sessions(instance, reason=EndReason.DELETED)


@lru_cache
def _plain_backend(path: Any) -> type[ModelBackend] | None:
    """Return the backend if it may be used and finds users as ``ModelBackend`` does."""
    if path not in settings.AUTHENTICATION_BACKENDS:
        return None
    backend = import_string(path)
    is_plain = (
        isclass(backend)
        and issubclass(backend, ModelBackend)
        and backend.get_user is ModelBackend.get_user
        and backend.aget_user is ModelBackend.aget_user
    )
    return backend if is_plain else None


@receiver(setting_changed, dispatch_uid="session_auth.sessions.users")
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in {"AUTHENTICATION_BACKENDS", "AUTH_USER_MODEL"}:
        _plain_backend.cache_clear()
