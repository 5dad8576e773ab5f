"""Django Ninja: sessions with the whole CSRF check, and the one error contract.

For ``auth=`` of an API or of an operation: see docs/frameworks.md.
"""

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied as DjangosPermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import APIKeyCookie

from session_auth import csrf
from session_auth.exceptions import (
    InvalidRequest,
    MalformedJSON,
    NotAuthenticated,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    SessionAuthError,
    Throttled,
    Unauthorized,
    UnsupportedMediaType,
)
from session_auth.flows import require_login
from session_auth.http import error_response

__all__ = ["SessionAuth", "add_exception_handlers"]

CODES = {
    error.status: error.code
    for error in (
        *(InvalidRequest, NotAuthenticated, PermissionDenied, NotFound),
        *(PayloadTooLarge, UnsupportedMediaType, Throttled),
    )
}
"""The code of an ``HttpError``, by its status; a status that is not here has ``error``."""

NO_JSON = "Cannot parse request body"
"""How the message of Ninja's ``HttpError`` begins if the body is no JSON: nothing else tells it."""


class SessionAuth(APIKeyCookie):
    """Ninja's cookie authentication with two differences.

    Each unsafe request is checked by ``session_auth.csrf.verify()``. Raises ``CsrfFailed``.

    With ``required=False``, callers who are not logged in are let in, too, after the same check. A
    login of the project's own needs that: ``auth=None`` would leave it open to other sites.
    """

    def __init__(self, *, required: bool = True) -> None:
        self.param_name = settings.SESSION_COOKIE_NAME
        self.required = required
        super().__init__(csrf=False)  # that is Ninja's check; authenticate() makes ours

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        """Return the user, or ``None``: Ninja then asks the next in ``auth=``, or answers 401."""
        if not getattr(request, "_ninja_csrf_exempt", False):  # as Ninja marks it
            csrf.verify(request)
        return request.user if request.user.is_authenticated or not self.required else None


def add_exception_handlers(api: NinjaAPI) -> None:
    """Let ``api`` answer by the error contract, for our refusals, Ninja's and Django's."""
    api.add_exception_handler(SessionAuthError, _refused)
    api.add_exception_handler(AuthenticationError, _not_authenticated)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(ValidationError, _not_valid)
    api.add_exception_handler(Http404, _not_found)
    api.add_exception_handler(DjangosPermissionDenied, _forbidden)


def _refused(request: HttpRequest, exc: Any) -> HttpResponse:
    return error_response(exc)


def _not_authenticated(request: HttpRequest, exc: Any) -> HttpResponse:
    try:
        require_login(request)
    except Unauthorized as error:
        return error_response(error)
    return error_response(NotAuthenticated(str(exc)))


def _http_error(request: HttpRequest, exc: Any) -> HttpResponse:
    if str(exc).startswith(NO_JSON):
        return error_response(MalformedJSON())
    return error_response(_error(exc.status_code, str(exc)))


def _not_valid(request: HttpRequest, exc: Any) -> HttpResponse:
    fields: dict[str, list[str]] = {}
    for problem in exc.errors:
        source, *path = problem["loc"]
        if source == "body" and len(path) > 1:
            del path[0]  # the name of the view's argument
        fields.setdefault(".".join(map(str, path)), []).append(problem["msg"])
    return error_response(InvalidRequest(fields=fields))


def _not_found(request: HttpRequest, exc: Any) -> HttpResponse:
    return error_response(NotFound())


def _forbidden(request: HttpRequest, exc: Any) -> HttpResponse:
    return error_response(PermissionDenied(str(exc) or None))


def _error(status: int, message: str) -> SessionAuthError:
    error = Unauthorized(message) if status == 401 else SessionAuthError(message)
    error.status, error.code = status, CODES.get(status, "error")
    return error
