"""Keep pages that name their user out of the caches from which others are served.

Beside ``passwords.elsewhere`` and ``plain_http``, this is a module that replaces a method of
Django's.
"""

from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.cache import UpdateCacheMiddleware
from django.utils.cache import has_vary_header

from session_auth import csrf
from session_auth.sessions.base import BaseSessionStore

_djangos_verdict = UpdateCacheMiddleware._should_update_cache  # type: ignore[attr-defined]  # not in the stubs


def keep_pages_of_users_out() -> None:
    """Keep ``cache_page`` and Django's cache middleware from storing an answer for one user.

    ``cache_page`` stores an answer before our middleware can add ``Vary: Cookie``: the page of
    alice would be served to the next visitor. Django has no hook for that. But each version of it
    calls this method before it stores an answer, also with the request object of a framework.
    """
    UpdateCacheMiddleware._should_update_cache = _should_update_cache  # type: ignore[attr-defined]  # not in the stubs


def _should_update_cache(
    self: UpdateCacheMiddleware, request: HttpRequest, response: HttpResponseBase
) -> bool:
    wanted: bool = _djangos_verdict(self, request, response)
    return wanted and not _is_somebodys(request, response)


def _is_somebodys(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Say whether the answer may be meant for this browser alone.

    It may if the view used the session or a CSRF token, or showed a message. An exception: if the
    session is empty and the answer has ``Vary: Cookie``, it is for all visitors with the same
    cookies. Django's middleware stores such pages, and goes on to do so.
    """
    session = getattr(request, "session", None)
    if not isinstance(session, BaseSessionStore):
        return False
    if csrf.TOKEN_USED in request.META:
        return True
    if _shows_messages(request):
        return True
    if not session.accessed:
        return False
    return not (session.is_empty() and has_vary_header(response, "Cookie"))


def _shows_messages(request: HttpRequest) -> bool:
    """Say whether the page shows messages of Django's, which may have come in their own cookie."""
    messages = get_messages(request)
    return getattr(messages, "used", False) and len(messages) > 0
