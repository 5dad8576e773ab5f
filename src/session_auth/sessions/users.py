"""Who is calling: Django's answer, without its second query where that would say the same."""

from functools import lru_cache
from inspect import isclass
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.backends import ModelBackend
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.module_loading import import_string

from session_auth.sessions.base import BaseSessionStore
from session_auth.sessions.listing import end_if_user_is_gone
from session_auth.signals import EndReason


def look_up_user(request: HttpRequest) -> Any:
    """Return the user of ``request.session``, or an ``AnonymousUser``.

    The session of a user who was deactivated or deleted ends, with all their others.
    """
    session: Any = request.session
    user = joined_user(session)
    if user is not None:
        return user
    # All that Django flushes a session for while it looks the user up.
    session.flush_reason = EndReason.PASSWORD_CHANGED
    # All that it renews a key for is a new SECRET_KEY, from which ours do not come. Of requests at
    # the same time, but one could do so, and the others would find the session ended.
    session.keeps_key = True
    try:
        user = auth.get_user(request)
        if not user.is_authenticated and isinstance(session, BaseSessionStore):
            end_if_user_is_gone(session)
    finally:
        session.flush_reason = EndReason.LOGOUT
        session.keeps_key = False
    return user


async def alook_up_user(request: HttpRequest) -> Any:
    """Do what ``look_up_user`` does: in one thread hop, or in none where the session is loaded."""
    session: Any = request.session
    user = joined_user(session) if getattr(session, "joined_user", None) else None
    return await sync_to_async(look_up_user)(request) if user is None else user


def joined_user(session: Any) -> Any | None:
    """Return the user who came with the session if all is as Django wants it, else ``None``.

    Then Django decides, whatever the reason: it knows other backends and ``SECRET_KEY_FALLBACKS``,
    and ends a session whose hash is wrong.
    """
    data = session.keys().mapping  # loads the session
    make_user = getattr(session, "joined_user", None)
    backend = _plain_backend(data.get(auth.BACKEND_SESSION_KEY))
    session_hash = data.get(auth.HASH_SESSION_KEY)
    if make_user is None or backend is None or not session_hash:
        return None
    if data.get(auth.SESSION_KEY) != str(session.record.user_id):
        return None  # of another user since
    user = make_user()
    if backend().user_can_authenticate(user) and constant_time_compare(
        session_hash, user.get_session_auth_hash()
    ):
        return user
    return None


def user_reference(user_id: Any, *, secret: str | bytes | None = None) -> str:
    """Return what stands for a user towards clients: the same in all of their sessions.

    It tells nothing of the user, not even their id.
    """
    return salted_hmac(
        "session_auth.user_reference", str(user_id), secret=secret, algorithm="sha256"
    ).hexdigest()[:32]


def is_reference_to(reference: str, user_id: Any) -> bool:
    """Say whether ``user_reference()`` gave ``reference`` for this user.

    Under the secret key or one of its fallbacks: a new key refuses nobody.
    """
    return any(
        constant_time_compare(reference, user_reference(user_id, secret=secret))
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
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
