"""What a refused request is told, and what the logs are: a sentence that says what to do."""

import logging

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpHeaders, HttpRequest
from django.middleware import csrf as django_csrf

from session_auth import events
from session_auth.events import Event
from session_auth.exceptions import CsrfFailed

logger = logging.getLogger("django.security.csrf")

ORIGIN_CHARACTERS = 200
"""How much of what a client calls its origin a refusal repeats."""


def failure(request: HttpRequest, reason: str) -> CsrfFailed:
    """Return the refusal for Django's ``reason``, with a hint that says what to do."""
    return CsrfFailed(hint=f"CSRF check failed: {_advice(request, reason)}")


def log(request: HttpRequest, reason: str) -> None:
    """Log a refusal, in our log and as Django does in its own."""
    record(request, reason)
    told = events.printable(reason), events.printable(request.path)  # a client chooses both
    logger.warning("Forbidden (%s): %s", *told, extra={"status_code": 403, "request": request})


def record(request: HttpRequest, reason: str) -> None:
    """Log a refusal in our own log, with the origins that may tell why it was one."""
    origin, own = request.META.get("HTTP_ORIGIN", ""), own_origin(request)
    events.record(Event.CSRF_FAILED, request, reason=reason, origin=origin, own_origin=own)


def _advice(request: HttpRequest, reason: str) -> str:
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
    if reason.startswith("Sec-Fetch-Site checking of a login"):
        return (
            f"the page that logs in is of another origin{_named(request, 'HTTP_ORIGIN')}. "
            f"{_accepted(request)} If it is that of an identity provider, mark the view with "
            f"session_auth.decorators.cross_site_login."
        )
    if reason.startswith(("Origin", "Sec-Fetch-Site")):
        return (
            f"the request came from another origin{_named(request, 'HTTP_ORIGIN')}. "
            f"{_accepted(request)} Serve the front end from the origin of the API, let each proxy "
            f"pass on Host and X-Forwarded-Proto, or list the other origin in "
            f"CSRF_TRUSTED_ORIGINS."
        )
    if reason.startswith("Referer"):
        return (
            f"the browser sent neither an Origin nor a Referer header of this site"
            f"{_named(request, 'HTTP_REFERER')}. {_accepted(request)} Do not send "
            f"Referrer-Policy: no-referrer, and serve pages and API from one https origin."
        )
    if reason.startswith("Sec-Fetch-Dest"):
        return "this is data for scripts, not an image, a frame or a script. Call fetch()."
    return (
        f"the token in the header {header} is not that of this session. It changes at each login: "
        f"read it anew for each request."
    )


def _named(request: HttpRequest, header: str) -> str:
    """Return what the request says in ``header`` of where it comes from, to end a sentence."""
    value = str(request.META.get(header, ""))[:ORIGIN_CHARACTERS]
    if header == "HTTP_REFERER":  # its path may hold a secret
        value = "/".join(value.split("/", 3)[:3])
    return value and f": {value}"


def _accepted(request: HttpRequest) -> str:
    """Return a sentence that says from which origins a request would be taken.

    A stranger learns none but that which was asked for: the others may be of internal sites.
    """
    others = settings.CSRF_TRUSTED_ORIGINS
    if others and not settings.DEBUG:
        others = ["those in CSRF_TRUSTED_ORIGINS"]
    return f"Taken here: {', '.join(filter(None, [own_origin(request), *others])) or 'none'}."


def own_origin(request: HttpRequest) -> str:
    """Return the origin of this site, as far as the proxies before it tell; "" if it is unknown."""
    try:
        return f"{request.scheme}://{request.get_host()}"
    except (DisallowedHost, KeyError):  # a request that no server has made has no name of one
        return ""
