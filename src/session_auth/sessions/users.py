"""Who is calling: the same answer as Django's, mostly without its second query."""

from collections.abc import Collection
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
from django.db import router
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from session_auth import csrf
from session_auth.exceptions import (
    NotAuthenticated,
    SessionEnded,
    Unauthorized,
)
from session_auth.sessions import hash_upgrades, proofs
from session_auth.sessions.base import AUTH_KEYS, BaseSessionStore, session_of, user_id_of
from session_auth.sessions.listing import end_sessions_of
from session_auth.sessions.values import Record, State
from session_auth.signals import EndReason
from session_auth.stores import USERS

if TYPE_CHECKING:
    # By the plugin of django-stubs, _User is the user model of the project.
    from django.contrib.auth.models import _User
else:
    _User = AbstractBaseUser


def user_of(request: HttpRequest) -> Any:
    """Return the user of ``request.session``, or an ``AnonymousUser``; ask the store once.

    If the user was deactivated or deleted, all their sessions end.
    """
    cached = request.__dict__
    if "_cached_user" not in cached:  # where Django keeps it
        cached["_cached_user"] = look_up_user(request)
    return cached["_cached_user"]


async def auser_of(request: HttpRequest) -> Any:
    """Do what ``user_of`` does: in one thread hop, or in none where there is nothing to ask."""
    cached = vars(request)
    if "_cached_user" not in cached:
        session: Any = request.session
        is_ours = isinstance(session, BaseSessionStore)
        user = _joined_user(session) if is_ours and session.state is State.STORED else None
        if user is None:
            asks = not is_ours or await session.prepare()
            user = await sync_to_async(look_up_user)(request) if asks else look_up_user(request)
        cached["_cached_user"] = user
    return cached["_cached_user"]


def require_login(request: HttpRequest) -> _User:
    """Return the user who is logged in. For type checkers, it is the project's user model.

    Raises ``NotAuthenticated`` if nobody is logged in and ``SessionEnded`` if the session of the
    caller has ended. ``Unauthorized`` catches both.
    """
    if request.user.is_authenticated:
        return request.user
    raise why_not_logged_in(request)


def why_not_logged_in(request: HttpRequest) -> Unauthorized:
    """Return what to tell a caller who is not logged in, whose session has been looked up."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return NotAuthenticated(
            hint="If you have logged in, the request carried no session cookie: call fetch() with "
            "credentials: 'same-origin'."
        )
    is_over = getattr(request.session, "session_key", None) is None
    return SessionEnded() if is_over else NotAuthenticated()


def require_recent_login(
    request: HttpRequest, *, max_age: timedelta | None = None, level: int | None = 1
) -> _User:
    """Return the user who is logged in and has proven who they are within ``max_age``.

    ``max_age`` is ``SESSION_AUTH_RECENT_LOGIN`` unless it is given. With ``level=2``, what they
    have proven within it must be two factors: a passkey, or the password and a code, say. With
    ``level=None`` it is the highest that the user can reach, for changes of the factors themselves.

    Raises ``ReauthenticationRequired``, which names the methods that would do, if the last login or
    proof is older; ``SecondFactorMissing`` if the user has no second factor; and what
    ``require_login`` raises.
    """
    user = require_login(request)
    proofs.require_proof(request, user, max_age=max_age, level=level)
    return user


def look_up_user(request: HttpRequest) -> Any:
    """Return the user of ``request.session``, or an ``AnonymousUser``; keep no copy."""
    session: Any = request.session
    if not isinstance(session, BaseSessionStore):
        return auth.get_user(request)
    return _joined_user(session) or _user_of_backend(session) or AnonymousUser()


def _joined_user(session: BaseSessionStore) -> Any | None:
    """Return the user who was read with the session, if Django would accept them."""
    data = session.keys().mapping  # loads the session
    backend = _plain_backend(data.get(auth.BACKEND_SESSION_KEY))
    session_hash = data.get(auth.HASH_SESSION_KEY)
    if session._make_user is None or backend is None or not session_hash:
        return None
    if session._record is None or data.get(auth.SESSION_KEY) != str(session._record.user_id):
        return None  # this request has logged in somebody else
    user = session._make_user()
    if backend().user_can_authenticate(user) and constant_time_compare(
        session_hash, user.get_session_auth_hash()
    ):
        return user
    return None


def _user_of_backend(session: BaseSessionStore) -> Any | None:
    """Return the user whom the backend of the session finds, where ``_joined_user()`` finds none.

    This is Django's ``get_user()`` with two differences. A new ``SECRET_KEY`` does not renew the
    session key, which does not depend on it: of several requests at once, only one could get the
    new key, and for the others the session would have ended. And no session ends because of what a
    replica says, which may be behind.
    """
    user_id = user_id_of(session.keys().mapping)
    if user_id is None:
        return None
    path: Any = session.get(auth.BACKEND_SESSION_KEY)
    is_allowed = path in settings.AUTHENTICATION_BACKENDS
    user = _user_in_backend(path, user_id) if is_allowed else None
    if user is not None and has_hash_of(session, user):
        return user
    stored = _stored_user(user_id, auth.get_user_model()._base_manager)
    if stored is None or may_not_log_in(stored):
        reason = EndReason.DELETED if stored is None else EndReason.DEACTIVATED
        end_sessions_of(user_id, reason=reason)
        session.end(reason)
    elif not has_hash_of(session, stored):
        session.end(EndReason.PASSWORD_CHANGED)
    elif (backend := _plain_backend(path)) and backend().user_can_authenticate(stored):
        return _stored_user(user_id, auth.get_user_model()._default_manager)
    return None


@USERS.asks
def _user_in_backend(path: str, user_id: Any) -> Any | None:
    return auth.load_backend(path).get_user(user_id)


def has_hash_of(session: BaseSessionStore, user: Any) -> bool:
    """Say whether the session has a hash of the user's password, under any secret key in use.

    It may be the latest hash, or an older one of the same password that was upgraded.
    """
    if not hasattr(user, "get_session_auth_hash"):
        return True
    session_hash = session.get(auth.HASH_SESSION_KEY)
    if not session_hash or not _is_hash_of(session_hash, user):
        return False
    current = user.get_session_auth_hash()
    if session_hash != current:
        session[auth.HASH_SESSION_KEY] = current
    return True


def _is_hash_of(session_hash: str, user: Any) -> bool:
    return constant_time_compare(
        session_hash, user.get_session_auth_hash()
    ) or hash_upgrades.is_upgraded(session_hash, user)


@USERS.asks
def user_who_may_log_in(user_id: Any, *, backend: str, session_hash: str) -> Any | None:
    """Return the user as stored now, if their password is the one that ``session_hash`` is of.

    ``None`` if it is not, if ``backend`` does not let them in, or if there is no such user.
    """
    user = _stored_user(user_id, auth.get_user_model()._default_manager)
    is_allowed = backend in settings.AUTHENTICATION_BACKENDS
    if user is None or not is_allowed or may_not_log_in(user):
        return None
    if not _is_hash_of(session_hash, user):
        return None
    if (plain := _plain_backend(backend)) is not None:
        return user if plain().user_can_authenticate(user) else None
    return _user_in_backend(backend, user_id)


@USERS.asks
def end_sessions_of_changed_users(records: Collection[Record]) -> None:
    """End those whose users were deactivated or deleted without a signal.

    ``QuerySet.update()`` and plain SQL send none. Passwords are not compared: while users change
    their own, their session has the old hash for a moment.
    """
    manager = auth.get_user_model()._base_manager
    users = manager.using(router.db_for_write(manager.model)).in_bulk(
        {record.user_id for record in records}
    )
    for user_id in {record.user_id for record in records}:
        user = users.get(user_id)
        if user is None or may_not_log_in(user):
            reason = EndReason.DELETED if user is None else EndReason.DEACTIVATED
            end_sessions_of(user_id, reason=reason)


def take_back_login(request: HttpRequest) -> None:
    """Let nobody be logged in by the call of Django's ``login()`` that is under way."""
    session = session_of(request)
    # Of who is logged in, the data say again what they said when the session was looked up.
    before = {} if session._record is None else session.decode(session._record.data)
    for key in AUTH_KEYS:
        session.pop(key, None)
    session.update({key: before[key] for key in AUTH_KEYS & before.keys()})
    if session._record is None and not session.keys():
        session._session_key = None  # of nothing there is nothing to store
    vars(request).pop("_cached_user", None)
    request.user = SimpleLazyObject(partial(user_of, request))  # type: ignore[assignment]  # a user, once used
    request.auser = partial(auser_of, request)
    request.META.pop(csrf.TOKEN_USED, None)  # nor need open pages get another token


@USERS.asks
def _stored_user(user_id: Any, manager: Any) -> Any | None:
    """Return the user from the database that is written to: a replica may be behind.

    This also sees changes that send no signal: by ``QuerySet.update()`` or in plain SQL.
    """
    return manager.using(router.db_for_write(manager.model)).filter(pk=user_id).first()


def may_not_log_in(user: Any) -> bool:
    """Say whether a user is inactive, and no backend lets inactive users in."""
    return not user.is_active and not any(
        backend.user_can_authenticate(user)
        for backend in auth.get_backends()
        if hasattr(backend, "user_can_authenticate")
    )


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
