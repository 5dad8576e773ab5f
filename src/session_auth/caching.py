"""Pages that name their user stay out of caches that others are served from.

This is the one module that changes something of Django's.
"""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.cache import UpdateCacheMiddleware
from django.utils.cache import has_vary_header

from session_auth import csrf
from session_auth.sessions.base import BaseSessionStore

_djangos_verdict = UpdateCacheMiddleware._should_update_cache  # type: ignore[attr-defined]  # not in the stubs


def keep_pages_of_users_out() -> None:
    """Let ``cache_page`` and Django's cache middleware store no answer that is somebody's own.

    The decorator stores an answer before the middleware can give it ``Vary: Cookie``: what alice
    has asked for would be served to whoever asks next. Django has no hook for that; this method is
    what it asks, on every version, with whatever request a framework has made of its own.
    """
    UpdateCacheMiddleware._should_update_cache = _should_update_cache  # type: ignore[attr-defined]  # not in the stubs


def _should_update_cache(
    self: UpdateCacheMiddleware, request: HttpRequest, response: HttpResponseBase
) -> bool:
    wanted: bool = _djangos_verdict(self, request, response)
    return wanted and not _is_somebodys(request, response)


def _is_somebodys(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Say whether the answer may be right for this browser alone.

    It may if somebody asked for the session or a CSRF token. Where no session was found, the answer
    is for all who send the same cookies, if ``Vary`` says so: as Django's middleware has it, which
    goes on storing what visitors see.
    """
    session = getattr(request, "session", None)
    if not isinstance(session, BaseSessionStore):
        return False
    if csrf.TOKEN_USED in request.META:
        return True
    if not session.accessed:
        return False
    return not (session.is_empty() and has_vary_header(response, "Cookie"))
