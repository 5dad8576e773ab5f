"""The CSRF token, and the answer to a request that the CSRF check refuses."""

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.views import csrf as django_csrf_views

from session_auth import csrf_failures
from session_auth.answers import error_response, json_response, wants_json
from session_auth.http import JSONView
from session_auth.operations import CsrfAnswer, Operation


class CsrfView(JSONView):
    """``GET csrf/``: the CSRF cookie, and the token for scripts that cannot read the cookie."""

    login_required = False
    operations: Mapping[str, Operation] = {"get": Operation(answer=CsrfAnswer)}

    def get(self, request: HttpRequest) -> JsonResponse:
        answer: CsrfAnswer = {"csrfToken": get_token(request)}
        return json_response(answer)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse with JSON for an API, with Django's page elsewhere: for ``CSRF_FAILURE_VIEW``."""
    if wants_json(request):
        return error_response(csrf_failures.failure(request, reason))
    return django_csrf_views.csrf_failure(request, reason=reason)
