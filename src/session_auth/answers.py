"""Answers: JSON as JavaScript reads it right, the headers of each, and what an error becomes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from math import isfinite
from typing import Any, TypeVar

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers
from django.utils.timezone import is_naive

from session_auth.conf import get_conf
from session_auth.exceptions import SessionAuthError
from session_auth.languages import language_of

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "base-uri 'none'; default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
MAX_INTEGER = 2**53 - 1  # the largest that every JSON parser keeps exactly (RFC 7493, 2.2)

CODE = "_session_auth_code"
"""The attribute of an answer that has the code of the refusal, for the log."""

Response = TypeVar("Response", bound=HttpResponse)
View_ = TypeVar("View_", bound=Callable[..., Any])


class JSONEncoder(DjangoJSONEncoder):
    """Django's, but for three things.

    A time without an offset, as under ``USE_TZ = False``, is one of the server's clock, which only
    the server can tell: it goes out in UTC. An integer that JavaScript would round goes out as a
    string: it may be the primary key of a user, and the rounded one would be somebody else's.
    ``NaN`` and the infinities, which no JSON has, are ``null``, as JavaScript itself writes them.
    """

    def default(self, o: Any) -> Any:
        if isinstance(o, datetime) and is_naive(o):
            o = o.astimezone(UTC)
        return super().default(o)

    def iterencode(self, o: Any, _one_shot: bool = False) -> Iterator[str]:
        return super().iterencode(_exact(o), _one_shot)


def _exact(value: Any) -> Any:
    if isinstance(value, int):
        return value if abs(value) <= MAX_INTEGER else str(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _exact(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(each) for each in value]
    return value


def json_response(data: Mapping[str, Any], *, status: int = 200) -> JsonResponse:
    """Return ``data`` as JSON, with headers that keep it from caches and from other sites.

    A time without an offset is taken for one of the server's clock, and told in UTC. An integer
    that JavaScript would round, of 2**53 or more, becomes a string; a float that is not finite,
    ``null``.
    """
    return guarded(JsonResponse(data, encoder=JSONEncoder, status=status))


def no_content() -> HttpResponse:
    """Return an answer with the status 204 and no body."""
    response = guarded(HttpResponse(status=204))
    del response.headers["Content-Type"]
    return response


def error_response(error: SessionAuthError, request: HttpRequest | None = None) -> JsonResponse:
    """Return the answer that tells a client of ``error``, in the language that is active.

    In a middleware, give the ``request``: the active language may be another one there.
    """
    with nullcontext() if request is None else language_of(request):
        response = json_response(error_body(error), status=error.status)
    vars(response)[CODE] = error.code
    for name, value in error.headers.items():
        response.headers[name] = value
    return response


def error_body(error: SessionAuthError) -> dict[str, Any]:
    """Return the body, for JSON, of the answer that tells a client of ``error``."""
    body = {"error": str(error.message), "code": error.code, **error.details}
    return {**body, "hint": error.hint} if error.hint else body


def refusal_response(request: HttpRequest, error: SessionAuthError) -> HttpResponse:
    """Return the answer that tells a client of ``error``: JSON for an API, else plain text.

    A browser shows the text to a person, so the hint for developers is in it under ``DEBUG`` only.
    """
    if wants_json(request):
        return error_response(error, request)
    with language_of(request):
        text = str(error) if settings.DEBUG else str(error.message)
    return guarded(
        HttpResponse(
            text,
            content_type="text/plain; charset=utf-8",
            status=error.status,
            headers=error.headers,
        )
    )


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


def refuses_with_json(view: View_) -> View_:
    """Mark a view, or the ``dispatch`` of one, as part of an API: see ``wants_json()``."""
    view.refuses_with_json = True  # type: ignore[attr-defined]  # as Django marks csrf_exempt
    return view
