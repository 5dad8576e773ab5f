"""Django REST framework: sessions with the whole CSRF check, and the one error contract.

For ``REST_FRAMEWORK`` in the settings, or for single views: see docs/frameworks.md.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.http import Http404
from django.utils.module_loading import import_string
from rest_framework import authentication, exceptions, permissions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from session_auth import csrf
from session_auth.answers import CODE, error_body
from session_auth.exceptions import (
    InvalidRequest,
    MalformedJSON,
    MethodNotAllowed,
    NotAuthenticated,
    NotFound,
    ReauthenticationRequired,
    SecondFactorMissing,
    SessionAuthError,
    Unauthorized,
    UnsupportedMediaType,
)
from session_auth.flows import require_login, require_recent_login

__all__ = ["HasRecentLogin", "SessionAuthentication", "exception_handler"]

CHALLENGE = Unauthorized.headers["WWW-Authenticate"]
TOKEN_VIEW = "rest_framework.authtoken.views.ObtainAuthToken"  # noqa: S105 # a name
FOR_DEVELOPERS: dict[str, type[SessionAuthError]] = {
    exceptions.MethodNotAllowed.default_code: MethodNotAllowed,
    exceptions.NotAuthenticated.default_code: NotAuthenticated,
    exceptions.ParseError.default_code: MalformedJSON,
    exceptions.UnsupportedMediaType.default_code: UnsupportedMediaType,
}
"""Refusals of REST framework whose sentence is a hint, by their codes, and ours for them."""

REFUSAL = "_session_auth_refusal"
"""The attribute of a request with what ``HasRecentLogin`` has refused it for."""


class SessionAuthentication(authentication.SessionAuthentication):
    """REST framework's class with two differences.

    Each unsafe request is checked by ``session_auth.csrf.verify()``, also if nobody is logged in,
    as at a login of the project's own. Raises ``CsrfFailed``.

    A caller who is not logged in gets 401 with ``WWW-Authenticate: Session``, not 403.

    REST framework's own view that gives tokens to machines asks neither: it looks at no session.
    """

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        if _gives_tokens(request):
            return None
        csrf.verify(request._request)
        found: tuple[Any, None] | None = super().authenticate(request)
        return found

    def enforce_csrf(self, request: Request) -> None:
        """Do nothing: ``authenticate()`` has made the check."""

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class HasRecentLogin(permissions.BasePermission):
    """Let in users who have proven who they are recently (ASVS 7.5.1).

    Others get 403 ``reauthentication_required``, with the methods that would do. "Recently" is
    within ``max_age``, which a subclass may set; ``None`` is ``SESSION_AUTH_RECENT_LOGIN``. With
    ``level = 2``, two factors must have been proven within it; with ``None``, as many as the user
    has: see ``flows.require_recent_login()``.
    """

    message = ReauthenticationRequired.message
    code = ReauthenticationRequired.code
    max_age: timedelta | None = None
    level: int | None = 1

    def has_permission(self, request: Request, view: Any) -> bool:
        try:
            require_recent_login(request._request, max_age=self.max_age, level=self.level)
        except Unauthorized:
            return False
        except (ReauthenticationRequired, SecondFactorMissing) as refusal:
            self.message, self.code = refusal.message, refusal.code
            vars(request._request)[REFUSAL] = refusal
            return False
        return True


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer ``exc`` by the error contract, REST framework's own exceptions included.

    For ``EXCEPTION_HANDLER`` in ``REST_FRAMEWORK``. Returns ``None`` for an exception that is no
    refusal, which REST framework then raises.
    """
    first = getattr(exc, "auth_header", None)
    if isinstance(exc, exceptions.NotAuthenticated):
        exc = _reason(exc, context["request"])
    elif isinstance(exc, Http404):
        exc = NotFound()  # what Django says of it is for developers, in English
    elif isinstance(exc, exceptions.PermissionDenied):
        exc = _told(exc, context["request"])
    # Imported late: REST framework's views ask for the classes of this module while they are made.
    default_handler = import_string(api_settings.defaults["EXCEPTION_HANDLER"])
    refusal = _refusal(exc) if isinstance(exc, SessionAuthError) else exc
    response: Response | None = default_handler(refusal, context)
    if response is None:
        return None
    if isinstance(exc, SessionAuthError):
        response.data = error_body(exc)
        for name, value in exc.headers.items():
            response.headers[name] = value
        if first and first != CHALLENGE:  # of another authentication, which comes before
            response.headers["WWW-Authenticate"] = f"{first}, {CHALLENGE}"
    else:
        response.data = _body(exc, response.data)
    if isinstance(response.data, dict):
        vars(response)[CODE] = response.data.get("code")
    response.headers["Cache-Control"] = "no-store"
    return response


def _refusal(error: SessionAuthError) -> exceptions.APIException:
    """Return ``error`` as REST framework has it, which also rolls its transaction back."""
    refusal = exceptions.APIException(error.message, error.code)
    refusal.status_code = error.status
    return refusal


def _gives_tokens(request: Request) -> bool:
    """Say whether the view is ``ObtainAuthToken``, which only its app may import."""
    view = (request.parser_context or {}).get("view")
    return any(f"{cls.__module__}.{cls.__name__}" == TOKEN_VIEW for cls in type(view).__mro__)


def _reason(exc: Exception, request: Request) -> Exception:
    """Return why the session says that nobody is logged in; ``exc`` if no session was asked.

    Another authentication may stand before it, whose challenge REST framework sends.
    """
    if any(isinstance(each, SessionAuthentication) for each in request.authenticators):
        try:
            require_login(request._request)
        except Unauthorized as reason:
            return reason
    return exc


def _told(exc: exceptions.PermissionDenied, request: Request) -> Exception:
    """Return the refusal of ``HasRecentLogin`` that REST framework has made ``exc`` of."""
    refusal: SessionAuthError | None = vars(request._request).get(REFUSAL)
    return refusal if refusal is not None and exc.get_codes() == refusal.code else exc


def _body(exc: Exception, data: Any) -> Any:
    """Return the body for what REST framework answers to ``exc`` with ``data``."""
    if isinstance(exc, exceptions.ValidationError):
        return error_body(InvalidRequest(fields=dict(_messages(exc.detail))))
    detail = data.get("detail") if isinstance(data, dict) else None
    if not isinstance(detail, exceptions.ErrorDetail):
        return data  # from another package's exception, which has a form of its own
    ours = FOR_DEVELOPERS.get(detail.code)
    if ours is None:
        return {"error": str(detail), "code": detail.code}
    return {"error": ours.message, "code": ours.code, "hint": str(detail)}


def _messages(detail: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield the messages for each field; one in a list or in an object by its path: ``0.title``."""
    if isinstance(detail, str):
        yield path or "__all__", [detail]
    elif isinstance(detail, dict):
        for name, inner in detail.items():
            is_whole = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _messages(inner, path if is_whole else _join(path, name))
    elif any(isinstance(inner, dict | list) for inner in detail):
        for position, inner in enumerate(detail):
            yield from _messages(inner, _join(path, position))
    elif detail:
        yield path or "__all__", list(detail)


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
