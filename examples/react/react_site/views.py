from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


@require_safe
@cache_control(no_cache=True)  # its scripts have new names after each build
def index(request: HttpRequest) -> HttpResponse:
    """The page of the app: the same for everybody, since the app asks who is signed in."""
    response = render(request, "index.html")
    response["Content-Security-Policy"] = POLICY
    return response
