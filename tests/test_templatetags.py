"""``{% session_auth_client %}``"""

import json
import re
from base64 import b64encode
from datetime import datetime
from hashlib import sha384
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import override_settings
from django.test.client import AsyncClient
from django.urls import include, path
from django.utils import timezone

import session_auth
from tests.api_client import AUTH, ApiClient, signed_in

URL = "/static/session_auth/session-auth.js"
FILE = Path(session_auth.__file__).parent / "static" / "session_auth" / "session-auth.js"


class Nonce:
    """As Django and django-csp have it: false until it is first used."""

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return 'n"<'


def render(tag: str = "session_auth_client", **context: Any) -> str:
    return Template("{% load session_auth %}{% " + tag + " %}").render(Context(context))


def test_the_client_loads_early_and_the_one_import_map_is_left_to_the_page() -> None:
    assert render() == (f'<link as="script" crossorigin="anonymous" href="{URL}" rel="preload">')


def test_the_nonce_of_djangos_policy_is_used() -> None:
    nonce = Nonce()
    assert not nonce

    html = render(csp_nonce=nonce)

    assert html.count(' nonce="n&quot;&lt;"') == 1


def test_the_nonce_of_django_csp_is_used() -> None:
    request = HttpRequest()
    request.csp_nonce = Nonce()  # type: ignore[attr-defined]  # set by its middleware

    html = render(request=request)

    assert html.count(' nonce="n&quot;&lt;"') == 1


def test_a_page_without_a_policy_has_no_nonce() -> None:
    assert "nonce" not in render(request=HttpRequest(), csp_nonce=None)


def test_the_integrity_is_that_of_the_file() -> None:
    [integrity] = re.findall(
        '^<script integrity="sha384-([^"]+)" src="' + URL + '" type="module"></script>$',
        render("session_auth_client integrity=True"),
    )

    assert integrity == b64encode(sha384(FILE.read_bytes()).digest()).decode()


@override_settings(STATICFILES_FINDERS=["django.contrib.staticfiles.finders.FileSystemFinder"])
def test_a_file_that_is_not_found_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(ImproperlyConfigured, match="AppDirectoriesFinder"):
        render("session_auth_client integrity=True")


@override_settings(STATIC_URL='/a&b"></script><b>/')
def test_no_url_becomes_markup() -> None:
    html = render() + render("session_auth_client integrity=True")

    assert html.count("</script>") == 1
    assert "<b>" not in html
    assert "/a&amp;b&quot;" in html


# Who is logged in


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(render(request=request))


def public_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(render("session_auth_client state=False", request=request))


async def async_page(request: HttpRequest) -> HttpResponse:
    if "auser" in request.GET:
        await request.auser()
    return HttpResponse(render(request=request))


urlpatterns = [
    path("", include("tests.urls")),
    path("tag/", page),
    path("tag/public/", public_page),
    path("tag/async/", async_page),
]
here = override_settings(ROOT_URLCONF=__name__)


def state_in(response: Any) -> Any:
    found = re.findall(
        '<script id="session-auth" type="application/json">(.*?)</script>',
        response.content.decode(),
    )
    return json.loads(found[0]) if found else None


@here
@pytest.mark.django_db
def test_a_page_says_who_is_logged_in_and_when_that_was(alice: User) -> None:
    browser = signed_in()

    state = state_in(browser.get("/tag/"))

    now = datetime.fromisoformat(state.pop("now"))
    assert state == browser.get(AUTH + "user/").json()
    assert abs((timezone.now() - now).total_seconds()) < 10


def with_numbers(user: User) -> dict[str, Any]:
    return {"id": 2**60 + 1, "share": float("nan")}


@here
@pytest.mark.django_db
@override_settings(USE_TZ=False, SESSION_AUTH_USER_FIELDS=f"{__name__}.with_numbers")
def test_a_page_says_times_and_numbers_as_the_endpoints_do(alice: User) -> None:
    browser = signed_in()

    state = state_in(browser.get("/tag/"))

    assert state.pop("now").endswith("Z")
    assert state["user"] == {"id": str(2**60 + 1), "share": None}
    assert state == browser.get(AUTH + "user/").json()


@here
@pytest.mark.django_db
def test_a_page_says_that_nobody_is_logged_in(browser: ApiClient) -> None:
    response = browser.get("/tag/")

    assert state_in(response)["user"] is None
    assert not response.cookies


@here
@pytest.mark.django_db
def test_the_state_costs_the_one_lookup(alice: User, django_assert_num_queries: Any) -> None:
    browser = signed_in()

    with django_assert_num_queries(1):
        browser.get("/tag/")
    with django_assert_num_queries(0):
        response = browser.get("/tag/public/")

    assert "Cookie" not in response.headers.get("Vary", "")
    assert state_in(response) is None


@here
@pytest.mark.django_db(transaction=True)
def test_an_async_view_has_the_state_written_once_it_has_asked_for_the_user(alice: User) -> None:
    client = AsyncClient()
    client.cookies = signed_in().cookies

    unasked = async_to_sync(client.get)("/tag/async/")
    asked = async_to_sync(client.get)("/tag/async/?auser")

    assert state_in(unasked) is None
    assert state_in(asked)["user"]["username"] == "alice"


@here
def test_a_page_is_served_without_the_state_while_the_store_is_down(
    transactional_db: None, alice: User, outage: None
) -> None:
    browser = ApiClient()
    browser.cookies["sessionid"] = "k" * 43

    response = browser.get("/tag/")

    assert response.status_code == 200
    assert state_in(response) is None


@here
@pytest.mark.django_db
@override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db")
def test_a_session_of_another_engine_has_no_state(browser: ApiClient) -> None:
    assert state_in(browser.get("/tag/")) is None


@here
@pytest.mark.django_db
def test_no_name_becomes_markup(alice: User) -> None:
    browser = signed_in()
    User.objects.update(username="</script><b>")

    response = browser.get("/tag/")

    assert b"<b>" not in response.content
    assert state_in(response)["user"]["username"] == "</script><b>"
