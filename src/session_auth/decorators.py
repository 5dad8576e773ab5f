"""Doors for API views: JSON instead of a redirect to a login page."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from django.conf import settings
from django.http import HttpRequest
from django.views import View

from session_auth.engines.base import session_of
from session_auth.exceptions import NotAuthenticated, SessionEnded, Unauthorized
from session_auth.http import error_response, refuses_with_json

View_ = TypeVar("View_", bound=Callable[..., Any])


def login_required(view: View_) -> View_:
    """Answer 401 in JSON, with ``WWW-Authenticate: Session``, unless a user is logged in.

    For sync and async function views. For a class view use ``LoginRequiredMixin``, or this with
    Django's ``method_decorator`` on a handler or, if the handlers are sync, on ``dispatch``.
    """
    if iscoroutinefunction(view):

        @wraps(view)
        async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not (await request.auser()).is_authenticated:
                return error_response(_refusal(request))
            return await view(request, *args, **kwargs)

    else:

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not request.user.is_authenticated:
                return error_response(_refusal(request))
            return view(request, *args, **kwargs)

    return cast("View_", refuses_with_json(guarded))


def passive(view: View_) -> View_:
    """Let calls of ``view`` not count as activity: they make the session last no longer.

    For what a page asks for by itself, such as the number of unread messages. Sync and async.
    """
    if iscoroutinefunction(view):

        @wraps(view)
        async def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            session_of(request).passive = True
            return await view(request, *args, **kwargs)

    else:

        @wraps(view)
        def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            session_of(request).passive = True
            return view(request, *args, **kwargs)

    return cast("View_", marked)


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


def _refusal(request: HttpRequest) -> Unauthorized:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return NotAuthenticated(
            "Log in first. If you have, the request carried no session cookie: call fetch() with "
            "credentials: 'same-origin'."
        )
    if request.session.session_key is None:
        return SessionEnded()
    return NotAuthenticated()
