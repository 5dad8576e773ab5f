"""Django's three middleware of the same names, for the same places in ``MIDDLEWARE``."""

from functools import partial
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import auth
from django.contrib.auth import middleware as django_auth
from django.contrib.sessions import middleware as django_sessions
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.middleware import csrf as django_csrf
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject

from session_auth import csrf
from session_auth.engines.base import BaseSessionStore
from session_auth.engines.values import State
from session_auth.exceptions import SessionAuthError, SessionEnded, StoreUnavailable
from session_auth.http import error_response, unavailable_response, wants_json
from session_auth.sessions import end_if_user_is_gone
from session_auth.signals import EndReason

INTERRUPTED = (
    "The request's session was deleted before the request completed. The user may have logged out "
    "in a concurrent request, for example."
)


class SessionMiddleware(django_sessions.SessionMiddleware):
    """Django's, but for three things.

    A cookie that opens no session is left alone. Django deletes it, so that a late answer deletes
    a fresh cookie, and with ``SESSION_SAVE_EVERY_REQUEST`` it makes a row for each.

    To an API, a session that ended in mid-request is 401 ``session_ended``, not a page.

    A store that cannot be asked is 503: never "anonymous".
    """

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        session: Any = request.session
        session.meta = request.META
        session.passive = _is_passive(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session = getattr(request, "session", None)
        if session is None:
            return response
        try:
            return self._finish(request, response)
        except UpdateError as exc:
            if wants_json(request):
                return error_response(SessionEnded())
            raise SessionInterrupted(INTERRUPTED) from exc
        except StoreUnavailable as exc:
            return unavailable_response(request, exc)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer what a view was refused, so that plain views need not catch it."""
        if isinstance(exception, StoreUnavailable):
            return unavailable_response(request, exception)
        if isinstance(exception, SessionAuthError):
            return error_response(exception)
        if isinstance(exception, SessionInterrupted) and wants_json(request):
            return error_response(SessionEnded())
        return None

    def _finish(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session = request.session
        vary = session.accessed
        if isinstance(session, BaseSessionStore) and session.unconfirmed_ids:
            session.confirm_end()
        if settings.SESSION_SAVE_EVERY_REQUEST:
            session.keys()  # looks the key up: one that opens nothing leaves the session empty
        if session.is_empty():
            flushed = getattr(session, "state", None) is State.FLUSHED
            if flushed and settings.SESSION_COOKIE_NAME in request.COOKIES:
                self._delete_cookie(response)
                vary = True
        elif (
            session.modified or settings.SESSION_SAVE_EVERY_REQUEST
        ) and response.status_code < 500:
            session.save()
            self._set_cookie(session, response)
            vary = True
        elif vary:
            self._touch(session)
        if vary:
            patch_vary_headers(response, ("Cookie",))
        return response

    def _touch(self, session: Any) -> None:
        try:
            session.touch()
        except StoreUnavailable:  # which the engine has logged
            """The answer is good; that the session was in use can be noted the next time."""

    def _delete_cookie(self, response: HttpResponse) -> None:
        response.delete_cookie(
            settings.SESSION_COOKIE_NAME,
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )

    def _set_cookie(self, session: Any, response: HttpResponse) -> None:
        max_age = None if session.get_expire_at_browser_close() else session.get_cookie_age()
        response.set_cookie(
            settings.SESSION_COOKIE_NAME,
            session.session_key,
            max_age=max_age,  # from which Django derives Expires
            domain=settings.SESSION_COOKIE_DOMAIN,
            path=settings.SESSION_COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=settings.SESSION_COOKIE_HTTPONLY,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )


def _is_passive(request: HttpRequest) -> bool:
    """Say whether the client calls without its user: a poll that says so, or a prefetch."""
    headers = request.META
    return headers.get("HTTP_SESSION_ACTIVITY") == "passive" or headers.get(
        "HTTP_SEC_PURPOSE", ""
    ).startswith("prefetch")


class CsrfViewMiddleware(django_csrf.CsrfViewMiddleware):
    """Django's, with JSON refusals for an API."""

    # Private, but where Django makes the response: the public CSRF_FAILURE_VIEW is the project's.
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        if not wants_json(request):
            return super()._reject(request, reason)  # type: ignore[misc]  # not in the stubs
        csrf.log(request, reason)
        return error_response(csrf.failure(reason))


class AuthenticationMiddleware(django_auth.AuthenticationMiddleware):
    """Django's, but for two things.

    ``request.user`` and ``request.auser()`` share one lookup.

    The session of a user who was deactivated or deleted ends, with all their others.
    """

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = cast("Any", SimpleLazyObject(partial(_user, request)))
        request.auser = partial(_auser, request)


def _user(request: HttpRequest) -> Any:
    cached = vars(request)
    if "_cached_user" not in cached:  # where Django keeps it
        cached["_cached_user"] = _look_up_user(request)
    return cached["_cached_user"]


async def _auser(request: HttpRequest) -> Any:
    cached = vars(request)
    if "_cached_user" not in cached:
        cached["_cached_user"] = await sync_to_async(_look_up_user)(request)
    return cached["_cached_user"]


def _look_up_user(request: HttpRequest) -> Any:
    session: Any = request.session
    # All that Django flushes a session for while it looks the user up.
    session.flush_reason = EndReason.PASSWORD_CHANGED
    try:
        user = auth.get_user(request)
        if not user.is_authenticated and isinstance(session, BaseSessionStore):
            end_if_user_is_gone(session)
    finally:
        session.flush_reason = EndReason.LOGOUT
    return user
