"""``AuthenticationMiddleware``: who is calling, and whether the client shows somebody else."""

from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.contrib.auth import SESSION_KEY as USER_ID_KEY
from django.contrib.auth import middleware as django_auth
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject, empty

from session_auth.answers import error_response
from session_auth.exceptions import SessionAuthError, UserChanged
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
