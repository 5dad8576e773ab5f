"""No page of another site logs anybody in, whoever wrote the view that it calls."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth import alogin, authenticate, login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from session_auth import testing
from session_auth.decorators import cross_site_login
from session_auth.exceptions import CsrfFailed
from session_auth.models import Session
from tests import urls
from tests.api_client import PASSWORD, ApiClient, signed_in
from tests.settings import MIDDLEWARE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

BACKEND = "session_auth.backends.ModelBackend"
EVIL = "https://evil.example"
FORM = {"username": "mallory", "password": PASSWORD}
NOTHING: dict[str, str] = {}


@csrf_exempt
def plain(request: HttpRequest) -> JsonResponse:
    login(request, authenticate(request, **request.POST.dict()), BACKEND)
    return JsonResponse({})


@csrf_exempt
async def of_async(request: HttpRequest) -> JsonResponse:
    user = await User.objects.aget(username="mallory")
    await alogin(request, user, BACKEND)
    return JsonResponse({})


@csrf_exempt
def swallowing(request: HttpRequest) -> JsonResponse:
    with suppress(CsrfFailed):
        plain(request)
    return JsonResponse({"user": request.user.get_username()})


class OfDrf(APIView):
    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        plain(request._request)
        return Response({})


api = NinjaAPI(urls_namespace="cross-site", docs_url=None)


@api.post("in/", auth=None)
def of_ninja(request: HttpRequest) -> dict[str, str]:
    plain(request)
    return {}


def follow(request: HttpRequest) -> HttpResponse:
    login(request, User.objects.get_by_natural_key("mallory"), BACKEND)
    return HttpResponse()


class LogInOnTheWay:
    def __init__(self, get_response: Callable[..., Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> Any:
        login(request, User.objects.get_by_natural_key("mallory"), BACKEND)
        return self.get_response(request)


urlpatterns = [
    path("in/plain/", plain),
    path("in/async/", of_async),
    path("in/swallowing/", swallowing),
    path("in/drf/", OfDrf.as_view()),
    path("in/ninja/", api.urls),
    path("in/marked/", cross_site_login(plain)),
    path("in/marked-async/", cross_site_login(of_async)),
    path("follow/", follow),
    path("", include(urls)),
]
VIEWS = ["/in/plain/", "/in/async/", "/in/drf/", "/in/ninja/in/"]
FOREIGN: dict[str, dict[str, str]] = {
    "a form": {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    "a script": {"Origin": EVIL, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    "an opaque origin": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "a sibling": {"Origin": "https://evil.testserver", "Sec-Fetch-Site": "same-site"},
    "what no browser says": {"Sec-Fetch-Site": "elsewhere"},
}
OWN: dict[str, dict[str, str]] = {
    "a page of ours": {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"},
    "behind a tunnel": {"Origin": EVIL, "Sec-Fetch-Site": "same-origin"},
    "what a person typed": {"Sec-Fetch-Site": "none"},
    "no browser, or an old one": NOTHING,
}


@pytest.fixture(autouse=True)
def mallory(db: None) -> User:
    return User.objects.create_user("mallory", password=PASSWORD)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_another_site_logs_nobody_in(
    browser: ApiClient, view: str, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A11, A12"""
    response = browser.post(view, FORM, headers=headers)

    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    assert "cross_site_login" in response.json()["hint"]
    assert headers.get("Origin", "") in response.json()["hint"]
    assert not response.cookies
    assert Session.objects.count() == 0
    events = [record.event for record in caplog.records if hasattr(record, "event")]
    assert events == ["csrf_failed"]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
def test_all_else_logs_in_as_before(browser: ApiClient, view: str, headers: dict[str, str]) -> None:
    assert browser.post(view, FORM, headers=headers).status_code == 200
    assert (browser.user() or {})["username"] == "mallory"


def test_last_login_does_not_tell_of_it(browser: ApiClient, mallory: User) -> None:
    browser.post("/in/plain/", FORM, headers=FOREIGN["a form"])

    mallory.refresh_from_db()
    assert mallory.last_login is None


def test_a_view_that_catches_the_refusal_logs_nobody_in_either(browser: ApiClient) -> None:
    response = browser.post("/in/swallowing/", FORM, headers=FOREIGN["a form"])

    assert response.json() == {"user": ""}
    assert browser.user() is None
    assert Session.objects.count() == 0


def test_the_visitors_session_goes_on(browser: ApiClient) -> None:
    browser.get("/api/note/?cart=3")

    browser.post("/in/swallowing/", FORM, headers=FOREIGN["a sibling"])

    assert browser.get("/api/note/").json() == {"cart": "3"}


def test_who_is_logged_in_goes_on(browser: ApiClient) -> None:
    browser.log_in("mallory")
    browser.get("/api/note/?cart=3")
    key, token = browser.session_key(), browser.csrf_token()

    response = browser.post("/in/swallowing/", FORM, headers=FOREIGN["a sibling"])

    assert response.json() == {"user": "mallory"}
    assert (browser.session_key(), browser.csrf_token()) == (key, token)
    assert browser.get("/api/note/").json()["cart"] == "3"


def test_somebody_else_is_not_logged_in_in_their_place(alice: User) -> None:
    here = signed_in()

    here.post("/in/swallowing/", FORM, headers=FOREIGN["a sibling"])

    assert here.user() is None  # as Django ends a session before it lets somebody else in


@override_settings(CSRF_TRUSTED_ORIGINS=[EVIL])
def test_an_origin_that_the_project_trusts_may_log_in(browser: ApiClient) -> None:
    assert browser.post("/in/plain/", FORM, headers=FOREIGN["a form"]).status_code == 200


@pytest.mark.parametrize("name", ["marked", "marked-async"])
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_the_page_of_an_identity_provider_may_post_to_a_view_that_is_marked(
    browser: ApiClient, headers: dict[str, str], name: str
) -> None:
    assert browser.post(f"/in/{name}/", FORM, headers=headers).status_code == 200
    assert browser.user() is not None


@pytest.mark.parametrize(
    ("mode", "status"), [("navigate", 200), ("no-cors", 403), ("cors", 403), (None, 403)]
)
def test_a_link_may_log_in_and_an_image_may_not(mode: str | None, status: int) -> None:
    """As the redirect of an identity provider does, or a link in a mail."""
    headers = {"Sec-Fetch-Site": "cross-site"} | ({"Sec-Fetch-Mode": mode} if mode else {})

    assert Client().get("/follow/", headers=headers).status_code == status


@override_settings(MIDDLEWARE=[*MIDDLEWARE, f"{__name__}.LogInOnTheWay"])
def test_a_middleware_logs_in_by_what_the_server_says(browser: ApiClient) -> None:
    response = browser.get("/page/", headers={"Sec-Fetch-Site": "cross-site"})

    assert b"mallory" in response.content


def test_a_request_that_no_view_has_is_not_judged(rf: Any, mallory: User) -> None:
    request = rf.post("/", headers=FOREIGN["a form"])
    testing.add_session(request)

    login(request, mallory, BACKEND)

    assert request.user == mallory
