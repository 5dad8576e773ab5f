"""Strict JSON in, JSON out, and the one place where errors become responses."""

import json
import logging
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, NoReturn, TypeVar, cast

from django.core.exceptions import RequestDataTooBig
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from session_auth import csrf, events
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import (
    CsrfFailed,
    InvalidCredentials,
    InvalidRequest,
    MalformedJSON,
    MethodNotAllowed,
    PayloadTooLarge,
    SessionAuthError,
    StoreUnavailable,
    Throttled,
    UnsupportedMediaType,
)

__all__ = [
    "JSONView",
    "error_response",
    "json_response",
    "no_content",
    "read_json",
    "refuses_with_json",
]

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
MAX_BODY_BYTES = 16 * 1024
MAX_INTEGER = 2**53 - 1  # the largest that every JSON parser keeps exactly (RFC 7493, 2.2)
FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
TYPE_NAMES = {bool: "true or false", float: "a number", int: "an integer", str: "a string"}

TOLD_ELSEWHERE = (CsrfFailed, InvalidCredentials, StoreUnavailable, Throttled)
"""What has an event of its own, which says more."""

logger = logging.getLogger("session_auth")

Response = TypeVar("Response", bound=HttpResponse)
View_ = TypeVar("View_", bound=Callable[..., Any])


def json_response(data: Mapping[str, Any], *, status: int = 200) -> JsonResponse:
    """Return ``data`` as JSON that no cache keeps and no other site reads."""
    return guarded(JsonResponse(data, encoder=DjangoJSONEncoder, status=status))


def no_content() -> HttpResponse:
    """Return an answer that says all with its status, 204."""
    response = guarded(HttpResponse(status=204))
    del response.headers["Content-Type"]
    return response


def error_response(error: SessionAuthError) -> JsonResponse:
    """Return the answer that tells a client of ``error``."""
    response = json_response(error_body(error), status=error.status)
    for name, value in error.headers.items():
        response.headers[name] = value
    return response


def error_body(error: SessionAuthError) -> dict[str, Any]:
    """Return what the JSON says that tells a client of ``error``."""
    body: dict[str, Any] = {"error": error.message, "code": error.code}
    if isinstance(error, InvalidRequest) and error.fields:
        body["fields"] = error.fields
    return body


def refusal_response(request: HttpRequest, error: SessionAuthError) -> HttpResponse:
    """Return the answer that tells a client of ``error``: JSON for an API, else plain text."""
    if wants_json(request):
        return error_response(error)
    return guarded(
        HttpResponse(
            error.message, content_type="text/plain", status=error.status, headers=error.headers
        )
    )


def after(response: HttpResponse, call: Callable[[], None]) -> None:
    """Let ``call`` be called once ``response`` has been sent; what it raises is logged."""
    close = response.close

    def call_and_close() -> None:
        try:
            call()
        except Exception:
            logger.exception("What was to be done after the answer failed.")
        finally:
            close()

    response.close = call_and_close  # type: ignore[method-assign]  # documented: servers call it at the end


def guarded(response: Response) -> Response:
    """Give ``response`` the headers that every answer of this package carries."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    patch_vary_headers(response, ("Cookie",))
    return response


def wants_json(request: HttpRequest) -> bool:
    """Say whether refusals of ``request`` are JSON: its path or its view belongs to an API."""
    match = request.resolver_match
    return request.path_info.startswith(tuple(get_conf().API_PATHS)) or (
        match is not None and getattr(match.func, "refuses_with_json", False)
    )


def read_json(request: HttpRequest, fields: Mapping[str, type]) -> dict[str, Any]:
    """Return the body of ``request``: one JSON object of scalars, with no keys but ``fields``.

    ``fields`` maps the name of each key to the type it must have: ``str``, ``bool``, ``int`` or
    ``float``. A key may be absent. Where no keys are asked for, the body may be absent too.

    Raises ``UnsupportedMediaType``, ``PayloadTooLarge``, ``MalformedJSON`` or ``InvalidRequest``.
    """
    body = _body(request)
    if not body and not fields:
        return {}
    if request.content_type != "application/json" or "Content-Encoding" in request.headers:
        raise UnsupportedMediaType
    if (request.content_params or {}).get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaType("Send JSON as UTF-8.")
    data = _parse(body)
    problems = {name: _problems(value, fields.get(name)) for name, value in data.items()}
    if refused := {name: texts for name, texts in problems.items() if texts}:
        raise InvalidRequest(fields=refused)
    return data


def _body(request: HttpRequest) -> bytes:
    try:
        body = request.body
    except RequestDataTooBig as exc:
        raise PayloadTooLarge from exc
    except UnreadablePostError as exc:
        raise MalformedJSON("The body did not arrive.") from exc
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"The body is larger than {MAX_BODY_BYTES} bytes.")
    return body


def _parse(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(
            body.decode(),  # json.loads() would guess UTF-16 and UTF-32
            object_pairs_hook=_object,
            parse_constant=_refuse_number,
            parse_float=_float,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as exc:
        raise MalformedJSON from exc
    if not isinstance(data, dict):
        raise MalformedJSON("The body must be one JSON object.")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise ValueError("A key stands twice: parsers differ on which one counts.")
    return data


def _integer(digits: str) -> int:
    if len(digits) > len(str(-MAX_INTEGER)) or abs(number := int(digits)) > MAX_INTEGER:
        _refuse_number(digits)
    return number


def _float(digits: str) -> float:
    if not isfinite(number := float(digits)):
        _refuse_number(digits)
    return number


def _refuse_number(digits: str) -> NoReturn:
    raise ValueError("Not a number that JSON parsers agree on.")


def _problems(value: object, wanted: type | None) -> list[str]:
    if wanted is None:
        return ["Unknown field."]
    if type(value) is not wanted:  # isinstance() would take true for an integer
        return [f"Must be {TYPE_NAMES[wanted]}."]
    if isinstance(value, str) and ("\0" in value or not _is_unicode(value)):
        return ["Must not contain NUL or half of a surrogate pair."]
    return []


def _is_unicode(text: str) -> bool:
    """Say whether ``text`` has no lone surrogate, which no database and no hasher can encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def refuses_with_json(view: View_) -> View_:
    """Mark a view, or the ``dispatch`` of one, as part of an API: see ``wants_json()``."""
    view.refuses_with_json = True  # type: ignore[attr-defined]  # as Django marks csrf_exempt
    return view


class JSONView(View):
    """A view that takes JSON, answers JSON, and turns each ``SessionAuthError`` into a response.

    It makes the CSRF check itself: so it is made where ``CsrfViewMiddleware`` was left out, and
    its refusal is JSON whichever middleware is installed.
    """

    # Not in the transaction of ATOMIC_REQUESTS: a session that has ended must stay so, whatever
    # fails later.
    @method_decorator(transaction.non_atomic_requests)
    @method_decorator(csrf_exempt)
    @refuses_with_json
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response = self._answer(request, *args, **kwargs)
        except SessionAuthError as error:
            if not isinstance(error, TOLD_ELSEWHERE):
                events.record(Event.REFUSED, request, status=error.status, code=error.code)
            response = error_response(error)
        csrf.set_cookie(request, response)
        return response

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = no_content()
        response.headers["Allow"] = ", ".join(self._methods())
        return response

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in self._methods():
            raise MethodNotAllowed(allowed=self._methods())
        # A cross-site form can send these; and Django's check would parse a form of any size.
        if request.content_type in FORM_TYPES:
            raise UnsupportedMediaType
        if request.method in csrf.SAFE_METHODS:
            csrf.verify_read(request)
        else:
            csrf.verify(request)
        return cast("HttpResponse", super().dispatch(request, *args, **kwargs))

    def _methods(self) -> list[str]:
        return [name.upper() for name in self.http_method_names if hasattr(self, name)]
