"""The project's views: one that wants a session, two that log in without our endpoint."""

from django.contrib import admin
from django.contrib.auth import get_user_model, login
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from session_auth.decorators import login_required
from session_auth.flows import log_in


@login_required
def note(request: HttpRequest) -> JsonResponse:
    request.session["note"] = "written"
    return JsonResponse({"note": request.session["note"], "by": request.user.get_username()})


@login_not_required
def single_sign_on(request: HttpRequest, name: str) -> JsonResponse:
    """What a project calls when its provider says who this is."""
    user = get_user_model()._default_manager.get_by_natural_key(name)
    log_in(request, user)
    return JsonResponse({})


def by_django(request: HttpRequest, name: str) -> JsonResponse:
    login(request, get_user_model()._default_manager.get_by_natural_key(name))
    return JsonResponse({"by": request.user.get_username()})


def who(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"by": request.user.get_username()})


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/note/", note),
    path("api/sso/<name>/", single_sign_on),
    path("api/by-django/<name>/", by_django),
    path("api/who/", who),
    path("admin/", admin.site.urls),
]
