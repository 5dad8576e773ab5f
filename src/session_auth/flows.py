"""What logging in and logging out do, without JSON and without status codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib import auth
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from session_auth import csrf, events, throttling
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import (
    InvalidCredentials,
)
from session_auth.sessions import hash_upgrades
from session_auth.sessions.base import session_of
from session_auth.sessions.users import require_login, require_recent_login

__all__ = [
    "alog_in",
    "alog_out",
    "areauthenticate",
    "log_in",
    "log_out",
    "reauthenticate",
    "require_login",
    "require_recent_login",
]

PASSWORD = "password"  # noqa: S105 # the name of a method


def log_in(
    request: HttpRequest,
    user: AbstractBaseUser,
    *,
    remember: bool | None = None,
    method: str = PASSWORD,
    backend: str | None = None,
) -> None:
    """Give ``user``, whose credentials have been checked, a new session.

    Nothing of the visitor's session lives on, even when the same user logs in again: not its key
    (session fixation), not its CSRF token, and of its data only ``SESSION_AUTH_KEEP_AT_LOGIN``. It
    ends in the same step in which the new session is stored, after the view. If anything fails
    before that, the visitor keeps the old session and nobody is logged in.

    ``remember`` says whether the cookie outlives the browser; ``None`` leaves that to
    ``SESSION_EXPIRE_AT_BROWSER_CLOSE``. ``method`` names how the user has proven who they are; the
    list of their sessions shows it.

    ``backend`` is the path of the authentication backend that is to know the user from now on. A
    project with several has to give one, unless the user comes from ``authenticate()``: else Django
    raises ``ValueError``.
    """
    with _put_back_on_failure(request):
        session = session_of(request).successor(keep=get_conf().KEEP_AT_LOGIN, method=method)
        if remember is not None and remember == session.get_expire_at_browser_close():
            session.set_expiry(session.get_session_cookie_age() if remember else 0)
        request.session = session
        auth.login(
            request, cast("Any", user), backend
        )  # the stubs know Django's own user model only
        _let_auser_be(request, user)


async def alog_in(
    request: HttpRequest,
    user: AbstractBaseUser,
    *,
    remember: bool | None = None,
    method: str = PASSWORD,
    backend: str | None = None,
) -> None:
    """Do what ``log_in`` does, for async views: in one thread hop."""
    await sync_to_async(log_in)(request, user, remember=remember, method=method, backend=backend)


@sensitive_variables("password")
def reauthenticate(request: HttpRequest, *, password: str) -> None:
    """Let the user who is logged in prove their password again.

    The session goes on under a new key, with a new CSRF token; its absolute timeout starts anew.
    Raises ``InvalidCredentials``, ``NotAuthenticated`` if nobody is logged in, ``Throttled``, and
    ``SessionInterrupted`` if the session has ended meanwhile.
    """
    guess = throttling.reserve(request, request.user, password)
    user = auth.authenticate(request, username=request.user.get_username(), password=password)
    if not guess.accept(user is not None and user.pk == request.user.pk) or user is None:
        raise InvalidCredentials("This is not your password.")
    hash_upgrades.follow(guess.user, user, password=password)
    session_of(request).prove(PASSWORD)
    events.record(Event.REAUTHENTICATED, request, user_id=request.user.pk)
    csrf.follow_session(request)


@sensitive_variables("password")
async def areauthenticate(request: HttpRequest, *, password: str) -> None:
    """Do what ``reauthenticate`` does, for async views; the hash does not block the event loop."""

    # A closure, since the frames of asgiref show arguments in error reports.
    @sensitive_variables()
    def call() -> None:
        reauthenticate(request, password=password)

    await sync_to_async(call)()


def log_out(request: HttpRequest) -> None:
    """End the session of ``request``, even if a receiver of ``user_logged_out`` raises."""
    try:
        auth.logout(request)
    finally:
        request.session.flush()
        _let_auser_be(request, AnonymousUser())


async def alog_out(request: HttpRequest) -> None:
    """Do what ``log_out`` does, for async views: in one thread hop."""
    await sync_to_async(log_out)(request)


def _let_auser_be(request: HttpRequest, user: Any) -> None:
    """Let ``request.auser()`` return ``user``, as Django's ``alogin()`` does."""

    async def auser() -> Any:
        return user

    cast("Any", request).auser = auser


@contextmanager
def _put_back_on_failure(request: HttpRequest) -> Iterator[None]:
    attributes, meta = dict(vars(request)), dict(request.META)
    try:
        yield
    except BaseException:
        vars(request).update(attributes)
        request.META.clear()
        request.META.update(meta)
        raise
