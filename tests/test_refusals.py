"""Below the paths of an API, what Django refuses is JSON; what a view makes itself is its own."""

import logging
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_required, permission_required, user_passes_test
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseForbidden,
    HttpResponseNotFound,
    HttpResponseRedirect,
    JsonResponse,
)
from django.test import AsyncClient, override_settings
from django.urls import include, path
from django.views import View
from django.views.decorators.http import require_POST

from tests.api_client import ApiClient, signed_in
from tests.settings import MIDDLEWARE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

RAISED: dict[str, Exception] = {
    "denied": PermissionDenied(),
    "why-denied": PermissionDenied("Only editors may do this."),
    "missing": Http404("No Article matches the given query."),
    "bad": BadRequest("secret"),
    "suspicious": SuspiciousOperation("secret"),
}


def ok(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")  # pragma: no cover # all are refused before


def raising(request: HttpRequest, name: str) -> HttpResponse:
    request.session["name"] = name
    raise RAISED[name]


async def raising_async(request: HttpRequest, name: str) -> HttpResponse:
    raise RAISED[name]


class Post(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        return ok(request)  # pragma: no cover # as above


class Permitted(PermissionRequiredMixin, Post):
    permission_required = "auth.add_user"


def page(request: HttpRequest, status: int) -> HttpResponse:
    kind = {403: HttpResponseForbidden, 404: HttpResponseNotFound}[status]
    return kind("<p>A page of the view's own.</p>")


def elsewhere(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(f"/consent/?next={request.path}")


@user_passes_test(lambda user: False)
async def never(request: HttpRequest) -> HttpResponse:
    return HttpResponse()  # pragma: no cover # for nobody passes


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/?next=/somewhere/else/")


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    return JsonResponse({"mine": True}, status=404)


def of_site(prefix: str) -> list[Any]:
    return [
        path(f"{prefix}/raise/<name>/", raising),
        path(f"{prefix}/raise-async/<name>/", raising_async),
        path(f"{prefix}/post/", require_POST(ok)),
        path(f"{prefix}/post-class/", Post.as_view()),
        path(f"{prefix}/login/", login_required(ok)),
        path(f"{prefix}/permission/", permission_required("auth.add_user")(ok)),
        path(f"{prefix}/permission-class/", Permitted.as_view()),
        path(f"{prefix}/staff/", user_passes_test(lambda user: user.is_staff)(ok)),
        path(f"{prefix}/test/", user_passes_test(lambda user: user.is_staff, login_url="/in/")(ok)),
        path(f"{prefix}/never/", never),
        path(f"{prefix}/page/<int:status>/", page),
        path(f"{prefix}/elsewhere/", elsewhere),
        path(f"{prefix}/home/", home),
    ]


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    *of_site("api"),
    *of_site("site"),
]


class WithHandler:
    handler404 = staticmethod(not_found)
    urlpatterns = ()


def told(response: Any) -> tuple[int, str, str]:
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert "Cookie" in response.headers["Vary"]
    body = response.json()
    return response.status_code, body["code"], body.get("hint", body["error"])


DENIED = "You are not allowed to do this."
MISSING = "There is no such thing."
METHOD = (405, "method_not_allowed", "This method is not allowed here. Use POST.")
REFUSALS: dict[str, tuple[int, str, str]] = {
    "raise/denied": (403, "permission_denied", DENIED),
    "raise/why-denied": (403, "permission_denied", "Only editors may do this."),
    "raise/missing": (404, "not_found", MISSING),
    "raise/bad": (400, "invalid_request", "The request is not valid."),
    "raise/suspicious": (400, "invalid_request", "The request is not valid."),
    "raise-async/denied": (403, "permission_denied", DENIED),
    "raise-async/missing": (404, "not_found", MISSING),
    "nowhere": (404, "not_found", MISSING),
    "post": METHOD,
    "post-class": (405, "method_not_allowed", METHOD[2].replace("POST", "POST, OPTIONS")),
}


@pytest.mark.parametrize(("place", "refusal"), REFUSALS.items(), ids=REFUSALS)
@pytest.mark.parametrize("debug", [False, True])
def test_what_django_refuses_is_json_below_an_api(
    browser: ApiClient, place: str, refusal: tuple[int, str, str], debug: bool
) -> None:
    with override_settings(DEBUG=debug):
        assert told(browser.get(f"/api/{place}/")) == refusal
        assert told(async_to_sync(AsyncClient().get)(f"/api/{place}/")) == refusal


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("place", ["/api/auth/user/", "/api/post/", "/api/nowhere/"])
def test_a_host_that_is_not_allowed_is_named_to_an_api(
    browser: ApiClient, place: str, debug: bool
) -> None:
    with override_settings(DEBUG=debug, ALLOWED_HOSTS=["example.org"]):
        answers = [browser.get(place), async_to_sync(AsyncClient().get)(place)]
        page = browser.get("/site/post/")

    hint = "Invalid HTTP_HOST header: 'testserver'. You may need to add 'testserver' to "
    refusal = (400, "invalid_request", f"{hint}ALLOWED_HOSTS.")
    assert [told(answer) for answer in answers] == [refusal, refusal]
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("debug", [False, True])
def test_who_debugs_sees_djangos_page(browser: ApiClient, debug: bool) -> None:
    with override_settings(DEBUG=debug):
        response = browser.get("/api/nowhere/", headers={"Sec-Fetch-Mode": "navigate"})

    assert response.status_code == 404
    assert (b"DEBUG = True" in response.content) is debug


@pytest.mark.parametrize(("place", "refusal"), REFUSALS.items(), ids=REFUSALS)
def test_elsewhere_it_is_djangos_page(
    browser: ApiClient, place: str, refusal: tuple[int, str, str]
) -> None:
    response = browser.get(f"/site/{place}/")

    assert response.status_code == refusal[0]
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_path_is_one_of_an_api_as_the_urlconf_has_it(browser: ApiClient) -> None:
    with override_settings(FORCE_SCRIPT_NAME="/shop"):
        below = browser.get("/api/nowhere/")
    with override_settings(SESSION_AUTH_API_PATHS=["/api/", "/de/api/"]):
        german = browser.get("/de/api/nowhere/")

    assert below.wsgi_request.path == "/shop/api/nowhere/"
    assert [told(below)[1], told(german)[1]] == ["not_found", "not_found"]


def test_a_method_that_is_refused_names_the_others(browser: ApiClient) -> None:
    assert browser.get("/api/post/").headers["Allow"] == "POST"
    assert browser.get("/api/post-class/").headers["Allow"] == "POST, OPTIONS"


def test_what_is_not_refused_goes_through(browser: ApiClient, alice: User) -> None:
    for place in ("/api/post/", "/api/post-class/"):
        assert browser.call("POST", place).content == b"ok"


@pytest.mark.parametrize("status", [403, 404])
def test_a_page_that_a_view_makes_is_its_own(browser: ApiClient, status: int) -> None:
    response = browser.get(f"/api/page/{status}/")

    assert response.status_code == status
    assert b"own" in response.content


@override_settings(ROOT_URLCONF=WithHandler)
def test_json_of_the_projects_handlers_is_left_alone(browser: ApiClient) -> None:
    assert browser.get("/api/nowhere/").json() == {"mine": True}


ASKED = ["login", "permission", "permission-class", "staff", "test", "never"]


@pytest.mark.parametrize("place", ASKED)
def test_no_script_is_sent_to_a_page_to_log_in(browser: ApiClient, place: str) -> None:
    response = browser.get(f"/api/{place}/?a=b&c=d")

    assert told(response)[:2] == (401, "not_authenticated")
    assert response.headers["WWW-Authenticate"] == "Session"
    assert "Location" not in response.headers


@override_settings(
    MIDDLEWARE=[*MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"],
    LOGIN_URL="https://login.example.org/",
)
def test_nor_by_a_middleware_that_asks_for_all(browser: ApiClient) -> None:
    assert told(browser.get("/api/page/404/"))[:2] == (401, "not_authenticated")


def test_a_session_that_has_ended_says_so(alice: User) -> None:
    browser = signed_in()
    signed_in().call("DELETE", "/api/auth/sessions/")

    assert told(browser.get("/api/login/"))[:2] == (401, "session_ended")


@pytest.mark.parametrize("place", ["permission", "permission-class", "staff"])
def test_who_is_logged_in_and_may_not_is_told_so(alice: User, place: str) -> None:
    response = signed_in().get(f"/api/{place}/")

    assert told(response)[:2] == (403, "permission_denied")


def test_a_person_who_follows_a_link_is_sent_to_the_page(browser: ApiClient) -> None:
    for place in ("/api/login/", "/site/login/"):
        response = browser.get(place, headers={"Sec-Fetch-Mode": "navigate"})

        assert response.status_code == 302


@pytest.mark.parametrize("place", ["/api/elsewhere/", "/api/home/", "/site/login/"])
def test_other_redirects_stay(browser: ApiClient, place: str) -> None:
    assert browser.get(place).status_code == 302


@pytest.mark.parametrize("login_url", ["/accounts/login/", "no-such-name"])
def test_who_is_logged_in_is_sent_to_any_other_page(alice: User, login_url: str) -> None:
    here = signed_in()

    with override_settings(LOGIN_URL=login_url):
        assert here.get("/api/test/").headers["Location"] == "/in/?next=/api/test/"


def test_what_is_refused_is_logged_once_and_what_was_set_is_kept(
    browser: ApiClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("django.request"), "disabled", False)

    response = browser.get("/api/raise/missing/")

    assert [record.getMessage() for record in caplog.records] == ["Not Found: /api/raise/missing/"]
    assert response.cookies["sessionid"].value
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Content-Length"] == str(len(response.content))
