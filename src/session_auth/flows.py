"""What logging in and logging out do, without JSON and without status codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from session_auth.conf import get_conf
from session_auth.engines.base import session_of


def log_in(request: HttpRequest, user: AbstractBaseUser, *, remember: bool | None = None) -> None:
    """Give ``user``, whose credentials have been checked, a new session.

    Nothing of the visitor's session lives on: neither its key (session fixation) nor its data (but
    for ``SESSION_AUTH_KEEP_AT_LOGIN``) nor its CSRF token, also when the same user logs in again.
    It ends in the step that stores the new one, which is after the view; if anything fails before
    that, the visitor still has it and nobody is logged in.

    ``remember`` says whether the cookie outlives the browser; ``None`` leaves that to
    ``SESSION_EXPIRE_AT_BROWSER_CLOSE``.
    """
    with _put_back_on_failure(request):
        session = session_of(request).successor(keep=get_conf().KEEP_AT_LOGIN)
        if remember is not None:
            session.set_expiry(settings.SESSION_COOKIE_AGE if remember else 0)
        request.session = session
        auth.login(request, cast("Any", user))  # the stubs know Django's own user model only


def log_out(request: HttpRequest) -> None:
    """End the session of ``request``, even if a receiver of ``user_logged_out`` raises."""
    try:
        auth.logout(request)
    finally:
        request.session.flush()


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
