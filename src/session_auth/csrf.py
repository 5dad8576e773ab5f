"""Is this request from our own pages? Three checks, and a sentence that says what to do."""

import logging
from contextlib import suppress
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import SESSION_KEY as USER_ID_KEY
from django.core.exceptions import DisallowedHost, SynchronousOnlyOperation
from django.http import HttpHeaders, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware import csrf as django_csrf
from django.utils.crypto import constant_time_compare, get_random_string
from django.utils.functional import SimpleLazyObject
from django.utils.http import is_same_domain

from session_auth import events
from session_auth.conf import cached_settings, get_conf
from session_auth.events import Event
from session_auth.exceptions import CsrfFailed, StoreUnavailable
from session_auth.keys import csrf_secret
from session_auth.signals import csrf_token_needed

__all__ = ["verify"]

logger = logging.getLogger("django.security.csrf")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1

HERE = frozenset({"same-origin", "none"})
"""The values of ``Sec-Fetch-Site`` for our own pages, and for what a person typed."""

DESTINATIONS = frozenset({"", "document", "empty"})
"""What an answer in JSON is fetched for: by a script, or to be looked at by a person."""

TOKEN_USED = "CSRF_COOKIE_NEEDS_UPDATE"  # noqa: S105 # no password
"""What Django puts into the ``META`` of a request whose answer may hold a token."""

ORIGIN_CHARACTERS = 200
"""How much of what a client calls its origin a refusal repeats."""

REASON_CROSS_SITE = "Sec-Fetch-Site checking failed - %s."
REASON_LOGIN = "Sec-Fetch-Site checking of a login failed - %s."
REASON_DESTINATION = "Sec-Fetch-Dest checking failed - %s."


class CsrfChecks(django_csrf.CsrfViewMiddleware):
    """Django's checks, and two more: of Fetch metadata, and of the session that a token is for.

    The tokens of a user follow from the key of their session. The CSRF cookie is then only how
    scripts get at them: one that a subdomain has planted, or that is from before the login or from
    another session, does not pass. For everybody else it is checked as in Django, and for nobody is
    anything stored.

    Private methods of Django are overridden here, which has no others for this; Django's own tests
    run against them, on every version.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override]  # as any middleware may
        if cached_settings.CSRF_USE_SESSIONS:
            try:
                super().process_request(request)
            except StoreUnavailable as error:
                return self._unavailable(request, error)
        elif (
            cached_settings.CSRF_COOKIE_NAME in request.COOKIES
            or cached_settings.SESSION_COOKIE_NAME in request.COOKIES
        ):
            request.META["CSRF_COOKIE"] = _own_secret(request) or SimpleLazyObject(
                partial(self._secret, request)  # which has to look the session up
            )
        return None

    def process_view(self, request: HttpRequest, callback: Any, *view: Any) -> Any:
        if (
            request.method in SAFE_METHODS
            or getattr(callback, "csrf_exempt", False)
            or getattr(request, "csrf_processing_done", False)
            or getattr(request, "_dont_enforce_csrf_checks", False)
        ):
            return super().process_view(request, callback, *view)
        if (site := self.foreign_site(request)) is not None:
            return self._reject(request, REASON_CROSS_SITE % site)
        refusal = super().process_view(request, callback, *view)
        if refusal is None and not _is_same_origin(request):
            csrf_token_needed.send_robust(sender=None, request=request)
        return refusal

    def foreign_site(self, request: HttpRequest) -> str | None:
        """Return what ``Sec-Fetch-Site`` says of a caller that is neither ours nor trusted."""
        site = str(request.META.get("HTTP_SEC_FETCH_SITE", "none"))
        if site in HERE or self._is_trusted(request.META.get("HTTP_ORIGIN", "")):
            return None
        return site

    def _is_trusted(self, origin: str) -> bool:
        """Say whether ``origin`` is in ``CSRF_TRUSTED_ORIGINS``."""
        if origin in self.allowed_origins_exact:
            return True
        try:
            parsed = urlsplit(origin)
        except ValueError:
            return False
        subdomains = self.allowed_origin_subdomains.get(parsed.scheme, ())
        return any(is_same_domain(parsed.netloc, host) for host in subdomains)

    def _origin_verified(self, request: HttpRequest) -> bool:
        # A proxy that changes scheme or host makes the Origin look foreign, and no-referrer makes
        # it "null". No page can set or change what the browser says of the URL that it has asked.
        return _is_vouched_for(request) or super()._origin_verified(request)  # type: ignore[misc]  # not in the stubs

    def _check_referer(self, request: HttpRequest) -> None:
        if not _is_vouched_for(request) and not _passes_by_headers(request):
            super()._check_referer(request)  # type: ignore[misc]  # not in the stubs

    def _check_token(self, request: HttpRequest) -> None:
        if not _passes_by_headers(request):
            super()._check_token(request)  # type: ignore[misc]  # not in the stubs

    def _get_secret(self, request: HttpRequest) -> str | None:
        secret = None if settings.CSRF_USE_SESSIONS else _secret_of_user(request)
        if secret is None:
            secret = super()._get_secret(request)  # type: ignore[misc]  # not in the stubs
        return secret

    def _secret(self, request: HttpRequest) -> str:
        """Return what the tokens of the answer follow from; no request is checked against it.

        Where the store is down, it is what it is for a visitor, so that the page can be served: at
        worst, it is a token that will be refused.
        """
        secret = None
        with suppress(StoreUnavailable):
            secret = _secret_of_user(request)
        if secret is None:
            with suppress(django_csrf.InvalidTokenFormat):
                secret = super()._get_secret(request)  # type: ignore[misc]  # not in the stubs
        return secret or get_random_string(
            django_csrf.CSRF_SECRET_LENGTH, django_csrf.CSRF_ALLOWED_CHARS
        )

    def _set_csrf_cookie(self, request: HttpRequest, response: HttpResponseBase) -> None:
        request.META["CSRF_COOKIE"] = str(request.META["CSRF_COOKIE"])  # which may be lazy
        super()._set_csrf_cookie(request, response)  # type: ignore[misc]  # not in the stubs

    def _unavailable(self, request: HttpRequest, error: StoreUnavailable) -> HttpResponse:
        raise error

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return super()._reject(request, reason)  # type: ignore[misc]  # not in the stubs


class _Check(CsrfChecks):
    """The checks without a response: what they refuse, they give a reason for.

    Django REST framework relies on ``_reject`` in the same way.
    """

    def __init__(self) -> None:
        super().__init__(HttpResponse)  # for which any callable would do: it is never called

    def reason_to_refuse(self, request: HttpRequest) -> str | None:
        return cast("str | None", self.process_view(request, HttpResponse, (), {}))

    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def verify(request: HttpRequest) -> None:
    """Make the whole CSRF check, whether ``CsrfViewMiddleware`` is installed or not.

    For views that the middleware exempts, and for code that stands in for it. A request with a safe
    method (RFC 9110, 9.2.1) passes. Any other must pass by its Fetch metadata, its origin and its
    token, as docs/csrf.md says, whoever sends it; else the refusal is logged.

    Raises ``CsrfFailed``, with a message that says what to do.
    """
    if request.method in SAFE_METHODS:
        return
    check = _Check()
    if "CSRF_COOKIE" not in request.META:
        check.process_request(request)
    reason = check.reason_to_refuse(request)
    if reason is not None:
        log(request, reason)
        raise failure(request, reason)


def verify_read(request: HttpRequest) -> None:
    """Refuse a request, safe as it may be, that another site has made a browser send.

    For it could learn from the size or the effect of an answer who is logged in (XS-Leaks).
    Raises ``CsrfFailed``.
    """
    destination = request.META.get("HTTP_SEC_FETCH_DEST", "")
    reason = None
    if destination not in DESTINATIONS:
        reason = REASON_DESTINATION % destination
    elif (site := _Check().foreign_site(request)) is not None:
        reason = REASON_CROSS_SITE % site
    if reason is not None:
        log(request, reason)
        raise failure(request, reason)


def refusal_of_login(request: HttpRequest) -> CsrfFailed | None:
    """Return why the view may log nobody in: the browser says that another site has called it.

    Not for what people follow, a link or a redirect of an identity provider's. And not before there
    is a view: then a middleware logs in, by what the server says of the caller.
    """
    match = request.resolver_match
    if match is None or getattr(match.func, "takes_cross_site_logins", False):
        return None
    if request.method in SAFE_METHODS and request.META.get("HTTP_SEC_FETCH_MODE") == "navigate":
        return None
    site = _Check().foreign_site(request)
    if site is None:
        return None
    reason = REASON_LOGIN % site
    log(request, reason)
    return failure(request, reason)


def set_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Send the CSRF cookie if ``get_token()`` or a login asked for it, once per request."""
    _Check().process_response(request, response)


def correct_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Send a user the CSRF cookie of their session if their browser has, or is to get, another.

    As after a renewal of the key, when a session was taken over from Django's engine, or when a
    subdomain has planted one. The session must have been loaded or saved.
    """
    name = cached_settings.CSRF_COOKIE_NAME
    sent = response.cookies[name].value if name in response.cookies else request.COOKIES.get(name)
    if sent is None or cached_settings.CSRF_USE_SESSIONS or _is_of_same_key(request, sent):
        return
    secret = _secret_of_user(request)
    if secret is not None and secret != sent:
        _use(request, secret)
        set_cookie(request, response)


def follow_session(request: HttpRequest) -> None:
    """Let tokens be those of the user's session as it is now, under a new key."""
    if settings.CSRF_USE_SESSIONS:
        django_csrf.rotate_token(request)
    else:
        _use(request, csrf_secret(cast("str", request.session.session_key)))


def follow_login(*, request: HttpRequest, **kwargs: Any) -> None:
    """Receive ``user_logged_in``: the tokens of this very answer are for the new session."""
    session: Any = getattr(request, "session", {})
    if USER_ID_KEY in session and not settings.CSRF_USE_SESSIONS:
        if session.session_key is None:
            session.cycle_key()  # which gives it one before it is saved
        follow_session(request)


def follow_logout(*, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Receive ``user_logged_out``: no token that the user has seen is any use for the next."""
    if user is not None and not settings.CSRF_USE_SESSIONS:
        django_csrf.rotate_token(request)


def failure(request: HttpRequest, reason: str) -> CsrfFailed:
    """Return the refusal for Django's ``reason``, with a sentence that says what to do."""
    return CsrfFailed(f"CSRF check failed: {_advice(request, reason)}")


def log(request: HttpRequest, reason: str) -> None:
    """Log a refusal, also where and as Django does."""
    record(request, reason)
    logger.warning(
        "Forbidden (%s): %s", reason, request.path, extra={"status_code": 403, "request": request}
    )


def record(request: HttpRequest, reason: str) -> None:
    """Log a refusal in our own log, with the origins that may tell why it was one."""
    origin, own = request.META.get("HTTP_ORIGIN", ""), _own_origin(request)
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
    if header == "HTTP_REFERER":  # whose path may hold what is nobody's business
        value = "/".join(value.split("/", 3)[:3])
    return value and f": {value}"


def _accepted(request: HttpRequest) -> str:
    """Return a sentence that says from which origins a request would be taken."""
    origins = list(filter(None, [_own_origin(request), *settings.CSRF_TRUSTED_ORIGINS]))
    return f"Taken here: {', '.join(origins) or 'none'}."


def _own_origin(request: HttpRequest) -> str:
    """Return the origin of this site, as far as the proxies before it tell; "" if it is unknown."""
    try:
        return f"{request.scheme}://{request.get_host()}"
    except (DisallowedHost, KeyError):  # a request that no server has made has no name of one
        return ""


def _is_same_origin(request: HttpRequest) -> bool:
    """Say whether a browser vouches for it that the request is from a page of this origin."""
    if "HTTP_SEC_FETCH_SITE" in request.META:
        return _is_vouched_for(request)
    origin = request.META.get("HTTP_ORIGIN")
    return bool(origin and origin == _own_origin(request))


def _is_vouched_for(request: HttpRequest) -> bool:
    """Say whether Fetch metadata have it that the page is of the origin that it has asked.

    Only the browser can set them: scripts may set no header whose name begins with ``Sec-``.
    """
    return bool(request.META.get("HTTP_SEC_FETCH_SITE") == "same-origin")


def _passes_by_headers(request: HttpRequest) -> bool:
    return get_conf().CSRF == "headers" and _is_same_origin(request)


def _use(request: HttpRequest, secret: str) -> None:
    request.META |= {"CSRF_COOKIE": secret, TOKEN_USED: True}


def _own_secret(request: HttpRequest) -> str | None:
    """Return the CSRF cookie if it follows from the session cookie; then nothing is looked up.

    Whatever the session is, a user's, a visitor's or none any more, this is the secret to check.
    """
    secret = request.COOKIES.get(cached_settings.CSRF_COOKIE_NAME)
    session_key = request.COOKIES.get(cached_settings.SESSION_COOKIE_NAME)
    if secret and session_key and constant_time_compare(secret, csrf_secret(session_key)):
        return secret
    return None


def _is_of_same_key(request: HttpRequest, secret: str) -> bool:
    """Say whether ``process_request()`` found ``secret`` right, and the key is still the same."""
    session_key = request.COOKIES.get(cached_settings.SESSION_COOKIE_NAME)
    found = request.META.get("CSRF_COOKIE")
    return type(found) is str and found == secret and request.session.session_key == session_key


def _secret_of_user(request: HttpRequest) -> str | None:
    """Return what the tokens of a user follow from; ``None`` if nobody is logged in.

    ``None``, too, in an event loop where the session is not loaded: the worst that comes of it is a
    token that will be refused.
    """
    session: Any = getattr(request, "session", {})
    try:
        return csrf_secret(session.session_key) if USER_ID_KEY in session else None
    except SynchronousOnlyOperation:
        return None
