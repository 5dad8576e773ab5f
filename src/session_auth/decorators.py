"""Doors for API views: JSON instead of a redirect to a login page."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial, wraps
from typing import Any, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.views import View

from session_auth.exceptions import SessionAuthError
from session_auth.http import error_response, refuses_with_json
from session_auth.sessions.base import session_of
from session_auth.sessions.users import require_login, require_recent_login

View_ = TypeVar("View_", bound=Callable[..., Any])


def login_required(view: View_) -> View_:
    """Answer 401 in JSON, with ``WWW-Authenticate: Session``, unless a user is logged in.

    For sync and async function views. For a class view use ``LoginRequiredMixin``, or this with
    Django's ``method_decorator`` on a handler or, if the handlers are sync, on ``dispatch``.
    """
    return _behind(require_login, view)


@overload
def recent_login_required(view: View_) -> View_: ...


@overload
def recent_login_required(
    view: None = None, *, max_age: timedelta | None = None
) -> Callable[[View_], View_]: ...


def recent_login_required(
    view: View_ | None = None, *, max_age: timedelta | None = None
) -> View_ | Callable[[View_], View_]:
    """Answer 403 ``reauthentication_required`` unless the password was proven within ``max_age``.

    ``max_age`` is ``SESSION_AUTH_RECENT_LOGIN`` unless it is given. Includes ``login_required``,
    and is for the same kinds of views.
    """
    door = partial(require_recent_login, max_age=max_age)
    return partial(_behind, door) if view is None else _behind(door, view)


class LoginRequiredMixin(View):
    """``login_required`` for class views, sync and async: put it first among the bases."""

    @refuses_with_json
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        dispatch: Callable[..., Any] = super().dispatch
        if self.view_is_async:

            async def dispatch_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return await dispatch(request, *args, **kwargs)

            return login_required(dispatch_async)(request, *args, **kwargs)
        return login_required(dispatch)(request, *args, **kwargs)


def passive(view: View_) -> View_:
    """Let calls of ``view`` not count as activity: they make the session last no longer.

    For what a page asks for by itself, such as the number of unread messages. Sync and async.
    """

    @wraps(view)
    def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        session_of(request).passive = True
        return view(request, *args, **kwargs)

    return cast("View_", markcoroutinefunction(marked) if iscoroutinefunction(view) else marked)


def _behind(door: Callable[[HttpRequest], object], view: View_) -> View_:
    """Let ``view`` be called if ``door`` raises nothing."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            await request.auser()  # looks session and user up, for the door to find
            try:
                door(request)
            except SessionAuthError as error:
                return error_response(error)
            return await view(request, *args, **kwargs)

    else:

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                door(request)
            except SessionAuthError as error:
                return error_response(error)
            return view(request, *args, **kwargs)

    return cast("View_", refuses_with_json(guarded))
