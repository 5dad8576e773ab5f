"""Refuse what must not be redirected to HTTPS: a request that may carry a secret.

Beside ``caching`` and ``passwords.elsewhere``, this is a module that replaces a method of Django's.
"""

from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseRedirectBase
from django.middleware.security import SecurityMiddleware
from django.urls import Resolver404, resolve

from session_auth import events
from session_auth.answers import refusal_response, wants_json
from session_auth.csrf import SAFE_METHODS
from session_auth.exceptions import HttpsRequired

_djangos_answer = SecurityMiddleware.process_request


def refuse_secrets() -> None:
    """Let ``SecurityMiddleware`` refuse, with ``SECURE_SSL_REDIRECT``, what it would redirect.

    A client that is redirected goes on sending its password in the clear, and nobody notices.
    Django redirects in the middleware that stands above all others, and has no hook there.
    """
    SecurityMiddleware.process_request = _process_request  # type: ignore[assignment, method-assign]  # see above


def _process_request(self: SecurityMiddleware, request: HttpRequest) -> HttpResponse | None:
    """Do what Django's method does, but redirect pages alone, and no form that is sent."""
    if not self.redirect or request.is_secure():
        return None
    answer: HttpResponse | None = _djangos_answer(self, request)
    if not isinstance(answer, HttpResponseRedirectBase):  # SECURE_REDIRECT_EXEMPT
        return answer
    with suppress(Resolver404):  # no view has been looked for yet
        urlconf = getattr(request, "urlconf", None)
        request.resolver_match = resolve(request.path_info, urlconf)
    if request.method in SAFE_METHODS and not wants_json(request):
        return answer
    error = HttpsRequired()
    events.record_refusal(request, status=error.status, code=error.code)
    return refusal_response(request, error)
