"""Is this request from our own pages? Three checks."""

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any, NoReturn, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import SESSION_KEY as USER_ID_KEY
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware import csrf as django_csrf
from django.utils.crypto import constant_time_compare
from django.utils.http import is_same_domain

from session_auth import csrf_failures
from session_auth.conf import cached_settings, get_conf
from session_auth.csrf_failures import own_origin
from session_auth.exceptions import StoreUnavailable
from session_auth.keys import is_session_key
from session_auth.signals import csrf_token_needed

__all__ = ["verify"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1

HERE = frozenset({"same-origin", "none"})
"""The values of ``Sec-Fetch-Site`` for our own pages, and for an address that a person typed."""

DESTINATIONS = frozenset({"", "document", "empty"})
"""The values of ``Sec-Fetch-Dest`` for a script, and for a person who opens the address."""

TOKEN_USED = "CSRF_COOKIE_NEEDS_UPDATE"  # noqa: S105 # no password
"""What Django puts into the ``META`` of a request whose answer may hold a token."""

SECRET_LABEL = b"session_auth.csrf"

REASON_CROSS_SITE = "Sec-Fetch-Site checking failed - %s."
REASON_LOGIN = "Sec-Fetch-Site checking of a login failed - %s."
REASON_DESTINATION = "Sec-Fetch-Dest checking failed - %s."


class SentSecret(str):
    """A CSRF cookie that does not follow from the session cookie beside it: a string, as in Django.

    For a visitor, it is the right secret. For a user, the right one follows from their session. To
    know which it is, the session has to be looked up; that waits until somebody asks for a token.
    Django's ``get_token()`` then goes through the characters one by one, which nothing else does:
    so ``__iter__()`` is where the session is looked up.
    """

    def __new__(cls, secret: str, request: HttpRequest) -> "SentSecret":
        sent = super().__new__(cls, secret)
        sent.request = request
        return sent

    request: HttpRequest

    def __iter__(self) -> Iterator[str]:
        """Yield the characters of the user's secret; if nobody is logged in, those of the cookie.

        Also those of the cookie if the store is down: at worst, that gives a token that will be
        refused.
        """
        secret = None
        with suppress(StoreUnavailable):
            secret = _secret_of_user(self.request)
        if secret is None:
            return super().__iter__()
        self.request.META["CSRF_COOKIE"] = secret
        return iter(secret)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str.__str__(self),)


class CsrfChecks(django_csrf.CsrfViewMiddleware):
    """Django's checks, and two more: of Fetch metadata, and that the token is for this session.

    The secret behind a user's tokens is computed from the key of their session. The CSRF cookie
    only tells it to scripts: a cookie that a subdomain has planted, or that is from another session
    or from before the login, does not pass. For visitors, the cookie is checked as in Django.
    Nothing is stored for anybody.

    This overrides private methods of Django, which has no public ones for it. Django's own tests
    run against it, on every version.
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
            secret = _own_secret(request) or self._secret(request)
            if secret is not None:
                request.META["CSRF_COOKIE"] = secret
        return None

    def process_view(self, request: HttpRequest, callback: Any, *view: Any) -> Any:
        if getattr(request, "csrf_processing_done", False) or getattr(
            request, "_dont_enforce_csrf_checks", False
        ):
            return super().process_view(request, callback, *view)
        if (site := self.foreign_site(request)) is not None:
            return self._reject(request, REASON_CROSS_SITE % site)
        refusal = super().process_view(request, callback, *view)
        if refusal is None and not _is_same_origin(request):
            csrf_token_needed.send_robust(sender=None, request=request)
        return refusal

    def foreign_site(self, request: HttpRequest) -> str | None:
        """Return ``Sec-Fetch-Site`` if a page that is neither ours nor trusted sent the request."""
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
        secret = None if settings.CSRF_USE_SESSIONS else _secret_at_arrival(request)
        if secret is None:
            secret = super()._get_secret(request)  # type: ignore[misc]  # not in the stubs
        return secret

    def _secret(self, request: HttpRequest) -> str | None:
        """Return the secret for the tokens of the answer; no request is checked against it."""
        sent = None
        with suppress(django_csrf.InvalidTokenFormat):
            sent = super()._get_secret(request)  # type: ignore[misc]  # not in the stubs
        key = request.COOKIES.get(cached_settings.SESSION_COOKIE_NAME)
        if not key or not is_session_key(key):
            return sent
        # Without a CSRF cookie, it is the secret of the session key, whatever that opens.
        return csrf_secret(key) if sent is None else SentSecret(sent, request)

    def _unavailable(self, request: HttpRequest, error: StoreUnavailable) -> HttpResponse:
        raise error

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return super()._reject(request, reason)  # type: ignore[misc]  # not in the stubs


class _Check(CsrfChecks):
    """The same checks, but a refusal is its reason and not a response.

    Django REST framework relies on ``_reject`` in the same way.
    """

    def __init__(self) -> None:
        super().__init__(HttpResponse)  # any callable will do: it is never called

    def reason_to_refuse(self, request: HttpRequest) -> str | None:
        return cast("str | None", self.process_view(request, HttpResponse, (), {}))

    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def csrf_secret(session_key: str) -> str:
    """Return the secret behind the CSRF tokens of a session: 32 hexadecimal digits, 128 bits.

    It is computed from the key, so no store has to keep it; nobody can compute the key from it.
    Thanks to the label, nobody can compute it from the id, which a thief of the store knows.
    """
    return sha256(SECRET_LABEL + session_key.encode()).hexdigest()[:32]


def verify(request: HttpRequest) -> None:
    """Make the whole CSRF check, whether ``CsrfViewMiddleware`` is installed or not.

    It is for views that the middleware exempts, and for code that replaces the middleware. A
    request with a safe method (RFC 9110, 9.2.1) passes. Any other request must pass the checks of
    Fetch metadata, origin and token in docs/csrf.md, also if nobody is logged in. A refusal is
    logged.

    Raises ``CsrfFailed``, with a hint that says what to do.
    """
    if request.method in SAFE_METHODS:
        return
    check = _Check()
    if "CSRF_COOKIE" not in request.META:
        check.process_request(request)
    if (reason := check.reason_to_refuse(request)) is not None:
        _refuse(request, reason)


def verify_read(request: HttpRequest) -> None:
    """Refuse a request with a safe method, such as GET, if another site made a browser send it.

    From the size or the effect of the answer, that site could learn who is logged in (XS-Leaks).
    Raises ``CsrfFailed``.
    """
    destination = request.META.get("HTTP_SEC_FETCH_DEST", "")
    if destination not in DESTINATIONS:
        _refuse(request, REASON_DESTINATION % destination)
    if (site := _Check().foreign_site(request)) is not None:
        _refuse(request, REASON_CROSS_SITE % site)


def verify_handshake(request: HttpRequest) -> None:
    """Refuse to open a WebSocket for a page of another site (cross-site WebSocket hijacking).

    A handshake has no token, so Fetch metadata and ``Origin`` are checked, as for unsafe requests.
    Browsers send ``Origin`` with each handshake: one without it is from no browser. Raises
    ``CsrfFailed``.
    """
    check = _Check()
    if (site := check.foreign_site(request)) is not None:
        _refuse(request, REASON_CROSS_SITE % site)
    if "HTTP_ORIGIN" in request.META and not check._origin_verified(request):
        _refuse(request, django_csrf.REASON_BAD_ORIGIN % request.META["HTTP_ORIGIN"])


def verify_login(request: HttpRequest) -> None:
    """Refuse that the view logs somebody in if another site made the browser call it.

    A link that people follow passes, and the redirect of an identity provider. So does a login
    before there is a view: a middleware logs in by what the server says of the caller. Raises
    ``CsrfFailed``.
    """
    match = request.resolver_match
    if match is None or getattr(match.func, "takes_cross_site_logins", False):
        return
    if request.method in SAFE_METHODS and request.META.get("HTTP_SEC_FETCH_MODE") == "navigate":
        return
    if (site := _Check().foreign_site(request)) is not None:
        _refuse(request, REASON_LOGIN % site)


def set_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Send the CSRF cookie if ``get_token()`` or a login asked for it, once per request."""
    _Check().process_response(request, response)


def correct_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """Send the CSRF cookie of the user's session if the browser has another one, or would get one.

    For example, the session has a new key, it was taken over from Django's engine, or a subdomain
    has planted a cookie. The session must have been loaded or saved.
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
    """Let the tokens of the answer belong to the new key of the user's session."""
    if settings.CSRF_USE_SESSIONS:
        django_csrf.rotate_token(request)
    else:
        _use(request, csrf_secret(cast("str", request.session.session_key)))


def follow_login(*, request: HttpRequest | None, **kwargs: Any) -> None:
    """Receive ``user_logged_in``: tokens in this very answer are for the new session."""
    session = _own_session(request)
    if request is None or session is None or settings.CSRF_USE_SESSIONS:
        return
    if USER_ID_KEY in session:
        if session.session_key is None:
            session.cycle_key()  # gives it a key already before it is saved
        follow_session(request)


def follow_logout(*, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Receive ``user_logged_out``: the next user of the browser gets another token."""
    if request is None or not hasattr(request, "META") or settings.CSRF_USE_SESSIONS:
        return
    if user is not None:
        django_csrf.rotate_token(request)


def _refuse(request: HttpRequest, reason: str) -> NoReturn:
    csrf_failures.log(request, reason)
    raise csrf_failures.failure(request, reason)


def _is_same_origin(request: HttpRequest) -> bool:
    """Say whether the headers show that a page of this origin sent the request."""
    if "HTTP_SEC_FETCH_SITE" in request.META:
        return _is_vouched_for(request)
    origin = request.META.get("HTTP_ORIGIN")
    return bool(origin and origin == own_origin(request))


def _is_vouched_for(request: HttpRequest) -> bool:
    """Say whether the browser states, by Fetch metadata, that a page of this origin has asked.

    No page can fake that: scripts may set no header whose name begins with ``Sec-``.
    """
    return bool(request.META.get("HTTP_SEC_FETCH_SITE") == "same-origin")


def _passes_by_headers(request: HttpRequest) -> bool:
    return get_conf().CSRF == "headers" and _is_same_origin(request)


def _use(request: HttpRequest, secret: str) -> None:
    request.META |= {"CSRF_COOKIE": secret, TOKEN_USED: True}


def _own_secret(request: HttpRequest) -> str | None:
    """Return the CSRF cookie if it belongs to the session cookie; this asks no store.

    Then it is the secret to check, also if the session is a visitor's or has ended.
    """
    secret = request.COOKIES.get(cached_settings.CSRF_COOKIE_NAME)
    session_key = request.COOKIES.get(cached_settings.SESSION_COOKIE_NAME)
    if secret and session_key and constant_time_compare(secret, csrf_secret(session_key)):
        return secret
    return None


def _is_of_same_key(request: HttpRequest, secret: str) -> bool:
    """Say whether ``secret`` passed in ``process_request()``, and the key is still the same."""
    session_key = request.COOKIES.get(cached_settings.SESSION_COOKIE_NAME)
    found = request.META.get("CSRF_COOKIE")
    return type(found) is str and found == secret and request.session.session_key == session_key


def _secret_of_user(request: HttpRequest) -> str | None:
    """Return the secret behind the tokens of a user; ``None`` if nobody is logged in.

    In an event loop, it is also ``None`` if the session is not loaded yet. At worst, the token in
    the answer is refused later.
    """
    session = _own_session(request)
    with suppress(SynchronousOnlyOperation):
        if session is not None and USER_ID_KEY in session:
            return csrf_secret(session.session_key)
    return None


def _secret_at_arrival(request: HttpRequest) -> str | None:
    """Return the secret behind the tokens of the user who was logged in when the request arrived.

    On the way to the view, the session may have got another key, by ``RemoteUserMiddleware`` for
    example. No page knows a token for that key yet.
    """
    session = _own_session(request)
    if session is None:
        return None
    session.keys()  # loads it
    return None if session._user_key is None else csrf_secret(session._user_key)


def _own_session(request: HttpRequest | None) -> Any | None:
    """Return the session if it is of an engine of ours: secrets follow from no other keys."""
    session = getattr(request, "session", None)
    return session if hasattr(request, "META") and hasattr(session, "_user_key") else None
