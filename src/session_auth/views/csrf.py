"""The CSRF token, and the page for a request that had none."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.views import csrf as django_csrf_views

from session_auth import csrf
from session_auth.http import JSONView, error_response, json_response, wants_json


class CsrfView(JSONView):
    """``GET csrf/``: the token for scripts that cannot read the cookie, and the cookie."""

    def get(self, request: HttpRequest) -> JsonResponse:
        return json_response({"csrfToken": get_token(request)})


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For ``CSRF_FAILURE_VIEW``: JSON for an API, Django's page elsewhere."""
    if wants_json(request):
        return error_response(csrf.failure(request, reason))
    return django_csrf_views.csrf_failure(request, reason=reason)
