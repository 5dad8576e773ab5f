"""django-debug-toolbar: on pages, and not in answers of the API."""

import pytest
from debug_toolbar.toolbar import debug_toolbar_urls
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path

from tests.api_client import signed_in
from tests.settings import MIDDLEWARE

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<html><body>{request.user.get_username()}</body></html>")


with override_settings(DEBUG=True):  # without which it has no URLs
    urlpatterns = [
        path("api/auth/", include("session_auth.urls")),
        path("page/", page),
        *debug_toolbar_urls(),
    ]


@override_settings(
    DEBUG=True,
    DEBUG_TOOLBAR_CONFIG={"SHOW_TOOLBAR_CALLBACK": lambda request: True},
    MIDDLEWARE=["debug_toolbar.middleware.DebugToolbarMiddleware", *MIDDLEWARE],
)
def test_it_shows_on_a_page_of_a_user_and_leaves_the_api_alone(alice: User) -> None:
    here = signed_in()
    page = here.get("/page/")
    api = here.get("/api/auth/user/")

    assert "djDebug" in page.content.decode()
    assert here.session_key() not in page.content.decode()
    assert api.json()["user"]["username"] == "alice"
    assert not api.cookies
