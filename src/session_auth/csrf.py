"""Is this request from our own pages? Django's check, and a sentence that says what to do."""

import logging
from typing import cast

from django.conf import settings
from django.http import HttpHeaders, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware import csrf as django_csrf

from session_auth.exceptions import CsrfFailed

logger = logging.getLogger("django.security.csrf")


class _Check(django_csrf.CsrfViewMiddleware):
    """Django's check without its response.

    ``_reject`` is private, but the one place where Django tells its reason; Django REST framework
    relies on it in the same way.
    """

    def __init__(self) -> None:
        super().__init__(HttpResponse)  # for which any callable would do: it is never called

    def reason_to_refuse(self, request: HttpRequest) -> str | None:
        return cast("str | None", self.process_view(request, HttpResponse, (), {}))

    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def verify(request: HttpRequest) -> None:
    """Check an unsafe request, whether ``CsrfViewMiddleware`` is installed or not.

    Raises ``CsrfFailed``.
    """
    check = _Check()
    if "CSRF_COOKIE" not in request.META:
        check.process_request(request)
    reason = check.reason_to_refuse(request)
    if reason is not None:
        log(request, reason)
        raise failure(reason)


def set_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Send the CSRF cookie if ``get_token()`` or a login asked for it, once per request."""
    _Check().process_response(request, response)


def failure(reason: str) -> CsrfFailed:
    """Return the refusal for Django's ``reason``, with a sentence that says what to do."""
    return CsrfFailed(f"CSRF check failed: {_advice(reason)}")


def log(request: HttpRequest, reason: str) -> None:
    """Log a refusal where and as Django does."""
    logger.warning(
        "Forbidden (%s): %s", reason, request.path, extra={"status_code": 403, "request": request}
    )


def _advice(reason: str) -> str:
    header = HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME)
    header = (header or settings.CSRF_HEADER_NAME).replace("X-Csrftoken", "X-CSRFToken")
    if reason == django_csrf.REASON_NO_CSRF_COOKIE:
        return (
            "the request carried no CSRF cookie. Get one from the csrf endpoint, and call fetch() "
            "with credentials: 'same-origin'."
        )
    if reason == django_csrf.REASON_CSRF_TOKEN_MISSING:
        return (
            f"the token is missing. Send the value of the CSRF cookie, or the token from the csrf "
            f"endpoint, in the header {header}."
        )
    if reason.startswith("Origin"):
        return (
            "the request came from another origin. Serve the front end from the origin of the API, "
            "or list its origin in CSRF_TRUSTED_ORIGINS."
        )
    if reason.startswith("Referer"):
        return (
            "the browser sent neither an Origin nor a Referer header of this site. Do not send "
            "Referrer-Policy: no-referrer, and serve pages and API from one https origin."
        )
    return (
        f"the token in the header {header} does not belong to the CSRF cookie. It changes at each "
        f"login: read it anew for each request."
    )
