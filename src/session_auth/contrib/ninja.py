"""Django Ninja: sessions with the whole CSRF check, and the one error contract.

For ``auth=`` of an API or of an operation: see docs/frameworks.md.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied as DjangosPermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import APIKeyCookie

from session_auth import csrf
from session_auth.answers import error_response
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
from session_auth.http import WRONG_TYPE

__all__ = ["SessionAuth", "add_exception_handlers"]

REFUSALS: dict[int, type[SessionAuthError]] = {
    error.status: error
    for error in (
        *(InvalidRequest, NotAuthenticated, PermissionDenied, NotFound),
        *(PayloadTooLarge, UnsupportedMediaType, Throttled),
    )
}
"""What an ``HttpError`` is, by its status; a status that is not here has the code ``error``."""

SENTENCES = frozenset({"Forbidden", "Too many requests.", "Unauthorized"})
"""Ninja's own, which it does not translate: ours stand for them."""

MESSAGES: dict[str, str | Promise] = {
    "bool": WRONG_TYPE[bool],
    "date": _("Enter a valid date."),
    "datetime": _("Enter a valid date/time."),
    "decimal": _("Enter a number."),
    "dict": WRONG_TYPE[dict],
    "float": _("Enter a number."),
    "int": _("Enter a whole number."),
    "list": _("Must be a list."),
    "missing": _("This field is required."),
    "model": WRONG_TYPE[dict],
    "string": WRONG_TYPE[str],
    "time": _("Enter a valid time."),
}
"""What people are told for an error of pydantic's, by how its type begins, before ``_type`` say."""

OF_TYPES = re.compile(r"(\w+?)(?:_(?:attributes_)?(?:type|parsing|from_float|from_date\w*))?")

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
    return error_response(_error(401, str(exc)))


def _http_error(request: HttpRequest, exc: Any) -> HttpResponse:
    if str(exc).startswith(NO_JSON):
        return error_response(MalformedJSON())
    return error_response(_error(exc.status_code, str(exc)))


def _not_valid(request: HttpRequest, exc: Any) -> HttpResponse:
    fields: dict[str, list[str]] = {}
    hints = []
    for problem in exc.errors:
        source, *path = problem["loc"]
        if source == "body" and len(path) > 1:
            del path[0]  # the name of the view's argument
        fields.setdefault(".".join(map(str, path)), []).append(_message(problem))
        hints.append(f"{'.'.join(map(str, path))}: {problem['msg']}.")
    return error_response(InvalidRequest(fields=fields, hint=" ".join(hints)))


def _message(problem: Mapping[str, Any]) -> str:
    """Return what a person is told: pydantic's own sentences are for developers, in English."""
    found = OF_TYPES.fullmatch(problem["type"])
    if found and found[1] in MESSAGES:
        return str(MESSAGES[found[1]])
    if problem["type"] == "value_error":  # of a validator of the project's own
        return str(problem["msg"]).removeprefix("Value error, ")
    return str(_("Enter a valid value."))


def _not_found(request: HttpRequest, exc: Any) -> HttpResponse:
    return error_response(NotFound())


def _forbidden(request: HttpRequest, exc: Any) -> HttpResponse:
    return error_response(PermissionDenied(str(exc) or None))


def _error(status: int, message: str) -> SessionAuthError:
    known = REFUSALS.get(status)
    text = known.message if known and message in SENTENCES else message
    error = Unauthorized(text) if status == 401 else SessionAuthError(text)
    error.status, error.code = status, known.code if known else "error"
    return error
