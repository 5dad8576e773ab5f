"""Wagtail: editors log in at its own page, and out."""

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.urls import include, path
from wagtail.admin import urls as wagtail_urls
from wagtail.models import Locale, Page

from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("cms/", include(wagtail_urls)),
]


def post(browser: ApiClient, name: str, **fields: str) -> int:
    browser.get("/cms/login/")
    body = {**fields, "csrfmiddlewaretoken": browser.csrf_token()}
    return browser.post(f"/cms/{name}/", body).status_code


@pytest.fixture
def editor() -> User:
    Locale.objects.create(language_code="en")
    Page.add_root(title="Root", slug="root", content_type=ContentType.objects.get_for_model(Page))
    return User.objects.create_superuser("editor", password=PASSWORD)


def test_editors_log_in_and_out(editor: User, browser: ApiClient) -> None:
    assert post(browser, "login", username="editor", password=PASSWORD) == 302
    assert browser.user()["username"] == "editor"
    assert browser.get("/cms/").status_code == 200
    assert post(browser, "logout") == 302
    assert browser.user() is None
    assert browser.get("/cms/").status_code == 302


def test_our_login_opens_it_and_a_session_that_has_ended_does_not(editor: User) -> None:
    here, other = signed_in("editor"), signed_in("editor")
    assert other.get("/cms/account/").status_code == 200

    here.call("DELETE", AUTH + "sessions/")

    assert other.get("/cms/account/").status_code == 302
    assert here.get("/cms/account/").status_code == 200


def test_guesses_at_its_login_are_counted(editor: User, browser: ApiClient) -> None:
    guesses = [post(browser, "login", username="editor", password=f"wrong {n}") for n in range(6)]

    assert guesses == [200] * 5 + [429]
