"""Who is calling, and from whose pages: ``AuthenticationMiddleware`` and ``CsrfViewMiddleware``."""

from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY as USER_ID_KEY
from django.contrib.auth import middleware as django_auth
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject, empty

from session_auth import csrf, csrf_failures
from session_auth.answers import error_response, refusal_response, wants_json
from session_auth.exceptions import SessionAuthError, StoreUnavailable, UserChanged
from session_auth.sessions.users import auser_of, user_of
from session_auth.sessions.values import NOBODY, is_reference_to, reference_to

EXPECTED_USER = "HTTP_SESSION_USER"
"""The header in which a client says which user it shows, as ``reference_to()`` has it."""


def overrides(middleware: object, ours: type, *hooks: str) -> bool:
    """Say whether a project's subclass has hooks of its own.

    Each of those runs in a thread, as in Django: it may ask a database.
    """
    return any(
        getattr(type(middleware), hook, None) is not getattr(ours, hook, None) for hook in hooks
    )


class LazyUser(SimpleLazyObject):  # type: ignore[type-arg]  # generic in the stubs alone
    """The user of a request, looked up when it is first used.

    Django's ``__init__`` takes seven calls to set two attributes; this one takes one.
    """

    _wrapped = empty

    def __init__(self, request: HttpRequest) -> None:
        object.__setattr__(self, "_setupfunc", partial(user_of, request))


class AuthenticationMiddleware(django_auth.AuthenticationMiddleware):
    """Django's middleware with three differences.

    ``request.user`` and ``request.auser()`` share one lookup.

    If a user was deactivated or deleted, all their sessions end.

    A request whose header ``Session-User`` names another user than the session is refused with 409
    ``user_changed``: it comes from a tab that still shows the user who was logged in before. If
    nobody is logged in by now, or the view has logged somebody in or out, ``Session-User`` of the
    answer says who is logged in.
    """

    get_response: Any

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self.get_response = _unless_user_changed(get_response)

    def process_request(self, request: HttpRequest) -> None:
        if not hasattr(request, "session"):
            super().process_request(request)  # raises an error that says what to do
        request.user = LazyUser(request)  # type: ignore[assignment]  # a user, once used
        request.auser = partial(auser_of, request)

    async def __acall__(self, request: HttpRequest) -> Any:
        if overrides(self, AuthenticationMiddleware, "process_request", "process_response"):
            return await super().__acall__(request)
        self.process_request(request)
        return await self.get_response(request)


def _unless_user_changed(get_response: Any) -> Any:
    """Return ``get_response`` behind a check that the client shows the user who is logged in.

    The check is not in ``process_request``, since a project may override that without calling it.
    """
    if iscoroutinefunction(get_response):

        async def checked_async(request: HttpRequest) -> Any:
            if EXPECTED_USER not in request.META:
                return await get_response(request)
            try:
                before = _check_user(request, await auser_of(request))
            except SessionAuthError as error:
                return error_response(error, request)
            return _tell_user(request, await get_response(request), before=before)

        return checked_async

    def checked(request: HttpRequest) -> Any:
        if EXPECTED_USER not in request.META:
            return get_response(request)
        try:
            before = _check_user(request, user_of(request))
        except SessionAuthError as error:
            return error_response(error, request)
        return _tell_user(request, get_response(request), before=before)

    return checked


def _check_user(request: HttpRequest, user: Any) -> Any:
    """Return the id of the user in the session.

    Raise ``UserChanged`` if the client shows another user than ``user``.

    If nobody is logged in, the view decides what that means.
    """
    if user.is_authenticated and not is_reference_to(request.META[EXPECTED_USER], user.pk):
        raise UserChanged
    return request.session.get(USER_ID_KEY)


def _tell_user(request: HttpRequest, response: HttpResponse, *, before: Any) -> HttpResponse:
    """Let ``response`` say who is logged in by now, if that is not whom the client shows."""
    after = request.session.get(USER_ID_KEY)
    if after != before:
        response.headers["Session-User"] = reference_to(after)
    elif request.META[EXPECTED_USER] != NOBODY and not user_of(request).is_authenticated:
        response.headers["Session-User"] = NOBODY
    return response


class CsrfViewMiddleware(csrf.CsrfChecks):
    """Django's middleware with three differences; docs/csrf.md explains them.

    An unsafe request that another site has made a browser send is refused by its Fetch metadata
    (``Sec-Fetch-Site``), before Django's checks of origin and token.

    The token of a user is bound to their session: a token from another session, from before the
    login, or planted by a subdomain does not pass.

    An API refuses with JSON, 403 ``csrf_failed``, whatever ``CSRF_FAILURE_VIEW`` is.
    """

    get_response: Any

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if self.async_mode:
            self._sync_process_view = self.process_view
            # Django would call a method that is no coroutine function in a thread.
            self.process_view = self.aprocess_view  # type: ignore[method-assign]  # as the handler takes it

    async def __acall__(self, request: HttpRequest) -> Any:
        if settings.CSRF_USE_SESSIONS or overrides(
            self, CsrfViewMiddleware, "process_request", "process_response"
        ):
            return await super().__acall__(request)
        self.process_request(request)
        return self.process_response(request, await self.get_response(request))

    async def aprocess_view(self, request: HttpRequest, callback: Any, *view: Any) -> Any:
        """Do what ``process_view`` does, in a thread only if it may block.

        It may block if it makes the check: it looks the session up, may read a form, and may call
        the project's view for refusals.
        """
        if _is_checked(request, callback) or overrides(self, CsrfViewMiddleware, "process_view"):
            return await sync_to_async(self._sync_process_view)(request, callback, *view)
        return self._sync_process_view(request, callback, *view)

    def process_view(self, request: HttpRequest, callback: Any, *view: Any) -> Any:
        if not _is_checked(request, callback):
            return None
        try:
            return super().process_view(request, callback, *view)
        except StoreUnavailable as error:  # process_exception() sees exceptions of views only
            return refusal_response(request, error)

    def _unavailable(self, request: HttpRequest, error: StoreUnavailable) -> HttpResponse:
        return refusal_response(request, error)

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        if not wants_json(request):
            csrf_failures.record(request, reason)
            return super()._reject(request, reason)
        csrf_failures.log(request, reason)
        return error_response(csrf_failures.failure(request, reason), request)


def _is_checked(request: HttpRequest, callback: Any) -> bool:
    """Say whether the check is made of this request to this view."""
    return request.method not in csrf.SAFE_METHODS and not getattr(callback, "csrf_exempt", False)
