"""Decorators for API views: they refuse with JSON, not with a redirect to a login page."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from session_auth.answers import error_response, refuses_with_json
from session_auth.exceptions import SessionAuthError
from session_auth.sessions.base import session_of
from session_auth.sessions.users import require_login, require_recent_login

if TYPE_CHECKING:
    # By the plugin of django-stubs, _User is the user model of the project.
    from django.contrib.auth.models import _User
    from typing_extensions import TypeVar as TypeVarWithDefault

    User = TypeVarWithDefault("User", bound=AbstractBaseUser, default=_User)
else:
    User = TypeVar("User")

__all__ = [
    "AuthenticatedHttpRequest",
    "LoginRequiredMixin",
    "cross_site_login",
    "login_required",
    "passive",
    "past_stages",
    "recent_login_required",
]

View_ = TypeVar("View_", bound=Callable[..., Any])
Request = TypeVar("Request", bound=HttpRequest)
Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class AuthenticatedHttpRequest(HttpRequest, Generic[User]):
    """The type of a request behind ``login_required``: a user is logged in.

    It is for annotations only, since no request is an instance of it::

        @login_required
        def profile(request: AuthenticatedHttpRequest[User]) -> JsonResponse:
            return JsonResponse({"email": request.user.email})

    With mypy and the plugin of django-stubs, ``[User]`` may be left out: the plugin knows the user
    model of the project. In a view that takes a plain ``HttpRequest``, ``request.user`` may still
    be an ``AnonymousUser`` for type checkers, since a decorator cannot change an annotation.
    """

    user: User  # type: ignore[assignment]  # narrower than for other requests, which is the point
    auser: Callable[[], Awaitable[User]]  # type: ignore[assignment]  # likewise


def login_required(
    view: Callable[Concatenate[Request, Arguments], Answer],
) -> Callable[Concatenate[HttpRequest, Arguments], Answer]:
    """Let in users who are logged in; answer others with 401 in JSON, never with a redirect.

    The code is ``not_authenticated``, or ``session_ended`` if the cookie opens no session any more.
    The answer has the challenge ``WWW-Authenticate: Session``.

    For sync and async function views, which may take an ``AuthenticatedHttpRequest``. For a class
    view use ``LoginRequiredMixin``, or this with Django's ``method_decorator`` on a handler or, if
    the handlers are sync, on ``dispatch``. Django's ``LoginRequiredMiddleware`` leaves all of these
    to this, but for a class of which a handler alone is decorated.
    """
    return _behind(require_login, view)


@overload
def recent_login_required(
    view: Callable[Concatenate[Request, Arguments], Answer],
) -> Callable[Concatenate[HttpRequest, Arguments], Answer]: ...


@overload
def recent_login_required(
    view: None = None, *, max_age: timedelta | None = None, level: int | None = 1
) -> Callable[
    [Callable[Concatenate[Request, Arguments], Answer]],
    Callable[Concatenate[HttpRequest, Arguments], Answer],
]: ...


def recent_login_required(
    view: Callable[..., Any] | None = None,
    *,
    max_age: timedelta | None = None,
    level: int | None = 1,
) -> Callable[..., Any]:
    """Let in users who have proven who they are recently (ASVS 7.5.1).

    Their last login, or proof of who they are, must be at most ``max_age`` ago; if that is not
    given, it is ``SESSION_AUTH_RECENT_LOGIN``. With ``level=2``, they must have proven two factors
    within it; with ``level=None``, as many as they have. Other users get 403
    ``reauthentication_required``, with the methods that would do, or ``second_factor_missing``.
    Callers who are not logged in get the answer of ``login_required``. It decorates the same kinds
    of views, and may be written with or without parentheses.
    """
    door = partial(require_recent_login, max_age=max_age, level=level)
    return partial(_behind, door) if view is None else _behind(door, view)


class LoginRequiredMixin:
    """``login_required`` for class views, sync and async: put it first among the bases.

    For example ``class Articles(LoginRequiredMixin, ListView)``.
    """

    @refuses_with_json
    @login_not_required
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        dispatch: Callable[..., Any] = super().dispatch  # type: ignore[misc]  # of the view beside it
        if self.view_is_async:  # type: ignore[attr-defined]  # likewise

            async def dispatch_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return await dispatch(request, *args, **kwargs)

            return login_required(dispatch_async)(request, *args, **kwargs)
        return login_required(dispatch)(request, *args, **kwargs)


def cross_site_login(view: View_) -> View_:
    """Let ``view`` log people in though a page of another site has sent the request.

    For where an identity provider's page posts to: the view must check by itself that the login
    was begun in this very browser. For views of any kind, and in a URLconf, for those of others::

        path("saml2/acs/", cross_site_login(AssertionConsumerServiceView.as_view()))
    """

    @wraps(view)
    def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return view(request, *args, **kwargs)

    marked.takes_cross_site_logins = True  # type: ignore[attr-defined]  # as Django marks csrf_exempt
    return cast("View_", markcoroutinefunction(marked) if iscoroutinefunction(view) else marked)


def past_stages(view: View_) -> View_:
    """Let ``view`` log people in though a stage of ``SESSION_AUTH_STAGES`` is due.

    For a view that has asked for as much itself, and for one by which staff become another user::

        path("hijack/", past_stages(AcquireUserView.as_view()))

    It is for logins by Django's ``login()``; ``flows.log_in()`` asks the stages in any view.
    """

    @wraps(view)
    def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return view(request, *args, **kwargs)

    marked.is_past_stages = True  # type: ignore[attr-defined]  # as Django marks csrf_exempt
    return cast("View_", markcoroutinefunction(marked) if iscoroutinefunction(view) else marked)


def passive(view: View_) -> View_:
    """Let calls of ``view`` not count as activity: they do not prolong the session.

    It is for what a page asks for by itself, such as the number of unread messages. It decorates
    sync and async function views.
    """

    @wraps(view)
    def marked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        session_of(request).passive = True
        return view(request, *args, **kwargs)

    return cast("View_", markcoroutinefunction(marked) if iscoroutinefunction(view) else marked)


def _behind(door: Callable[[HttpRequest], object], view: Callable[..., Any]) -> Callable[..., Any]:
    """Return a view that calls ``view`` if ``door`` raises nothing, and else refuses with JSON."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            await request.auser()  # loads session and user, which the door then has without a query
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

    return refuses_with_json(login_not_required(guarded))  # not by LoginRequiredMiddleware, too
