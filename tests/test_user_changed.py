"""A tab that still shows one user, while another has logged in (attack A87)."""

import re
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import login, logout
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path

from session_auth import middleware
from session_auth.models import Session
from session_auth.sessions.values import user_reference
from tests.api_client import AUTH, ApiClient, signed_in
from tests.settings import MIDDLEWARE
from tests.test_async import DJANGOS, AsyncApiClient, SyncApiClient, hops

pytestmark = pytest.mark.django_db

REFUSAL = {
    "error": "Somebody else has logged in, perhaps in another tab. Reload before you go on.",
    "code": "user_changed",
}
OURS = "session_auth.middleware.AuthenticationMiddleware"


class ProjectsAuthentication(middleware.AuthenticationMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.META["of the project"] = True


def log_in_as(request: HttpRequest, username: str) -> HttpResponse:
    login(request, User.objects.get(username=username))
    return HttpResponse()


def log_out_by_django(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponse()


def without_user(request: HttpRequest) -> HttpResponse:
    request.user = AnonymousUser()  # as Django REST framework has it where nothing authenticates
    return HttpResponse()


urlpatterns = [
    path("", include("tests.urls")),
    path("login-as/<username>/", log_in_as),
    path("logout-by-django/", log_out_by_django),
    path("no-user/", without_user),
]


PROJECTS = [f"{__name__}.ProjectsAuthentication" if name == OURS else name for name in MIDDLEWARE]


def shown(browser: Any) -> dict[str, str]:
    """Return the headers of a tab that shows the user who is logged in now."""
    return {"Session-User": browser.get(AUTH + "user/").json()["session"]["user_ref"]}


@pytest.fixture(params=[SyncApiClient, AsyncApiClient])
def handler(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def old_tab(alice: User, bob: User, handler: Any) -> tuple[Any, dict[str, str]]:
    """A browser in which bob is logged in, and the headers of a tab that still shows alice."""
    browser = signed_in("alice")
    headers = shown(browser)
    browser.log_in("bob")
    return handler(browser), headers


def test_an_unsafe_request_for_the_old_user_does_nothing(
    old_tab: tuple[Any, dict[str, str]],
) -> None:
    """A87"""
    browser, headers = old_tab

    response = browser.post("/api/note/?a=1", headers=headers)

    assert (response.status_code, response.json()) == (409, REFUSAL)
    assert response.headers["Cache-Control"] == "no-store"
    assert "Cookie" in response.headers["Vary"]
    assert not response.cookies
    assert "a" not in browser.get("/api/note/").json()


def test_the_same_request_for_the_new_user_is_done(old_tab: tuple[Any, dict[str, str]]) -> None:
    browser, _ = old_tab

    response = browser.post("/api/note/?a=1", headers=shown(browser))

    assert response.status_code == 200
    assert browser.get("/api/note/").json()["a"] == "1"


def test_a_logout_from_the_old_tab_ends_no_session(old_tab: tuple[Any, dict[str, str]]) -> None:
    browser, headers = old_tab

    response = browser.post(AUTH + "logout/", headers=headers)

    assert response.status_code == 409
    assert Session.objects.count() == 1
    assert browser.get(AUTH + "user/").json()["user"]["username"] == "bob"


@override_settings(MIDDLEWARE=PROJECTS)
def test_a_hook_of_the_project_does_not_leave_the_check_out(
    old_tab: tuple[Any, dict[str, str]],
) -> None:
    browser, headers = old_tab

    assert browser.post("/api/note/?a=1", headers=headers).status_code == 409


@pytest.mark.parametrize("reference", ["", "x", "é", "0" * 32])
def test_what_refers_to_nobody_refers_to_somebody_else(
    alice: User, handler: Any, reference: str
) -> None:
    here = handler(signed_in())

    assert here.post("/api/note/?a=1", headers={"Session-User": reference}).status_code == 409


def test_a_new_key_or_a_new_session_of_the_same_user_is_no_other_user(
    alice: User, handler: Any
) -> None:
    browser = signed_in()
    headers = shown(browser)
    browser.call("POST", AUTH + "reauthenticate/", {"password": "correct horse battery staple"})
    here = handler(browser)
    assert here.post("/api/note/?a=1", headers=headers).status_code == 200

    there = handler(signed_in())

    assert there.post("/api/note/?a=1", headers=headers).status_code == 200


def test_nobody_is_not_somebody_else(alice: User, handler: Any) -> None:
    """Then the view decides whether that is 401 or 200: a logout has nothing left to do."""
    browser = signed_in()
    headers = shown(browser)
    browser.log_out()
    here = handler(browser)

    assert here.post(AUTH + "logout/", headers=headers).status_code == 200
    assert here.post(AUTH + "reauthenticate/", headers=headers).status_code == 401


def test_an_answer_tells_a_tab_that_nobody_is_logged_in_any_more(alice: User, handler: Any) -> None:
    browser = signed_in()
    headers = shown(browser)
    browser.log_out()
    here = handler(browser)

    told = here.get("/page/untouched/", headers=headers)

    assert (told.status_code, told.headers["Session-User"]) == (200, "none")
    assert "Session-User" not in here.get("/page/untouched/").headers


def test_a_tab_that_shows_nobody_is_refused_once_somebody_is_logged_in(
    alice: User, handler: Any
) -> None:
    headers = {"Session-User": "none"}
    assert "Session-User" not in handler(ApiClient()).get("/page/", headers=headers).headers

    assert handler(signed_in()).get("/page/", headers=headers).status_code == 409


@override_settings(ROOT_URLCONF=__name__)
def test_an_answer_tells_whom_the_view_has_logged_in_or_out(alice: User, bob: User) -> None:
    """However it did: by Django's own functions here."""
    browser = signed_in("bob")
    bobs = shown(browser)
    browser.log_out()

    logged_in = browser.get("/login-as/alice/", headers={"Session-User": "none"})
    alices = shown(browser)
    same = browser.get("/login-as/alice/", headers=alices)
    switched = browser.get("/login-as/bob/", headers=alices)
    logged_out = browser.get("/logout-by-django/", headers=bobs)

    assert logged_in.headers["Session-User"] == alices["Session-User"]
    assert "Session-User" not in same.headers
    assert switched.headers["Session-User"] == bobs["Session-User"]
    assert logged_out.headers["Session-User"] == "none"


@override_settings(ROOT_URLCONF=__name__)
def test_a_view_without_authentication_of_its_own_says_nothing_of_the_user(
    alice: User, handler: Any
) -> None:
    browser = signed_in()

    response = handler(browser).get("/no-user/", headers=shown(browser))

    assert response.status_code == 200
    assert "Session-User" not in response.headers


def test_without_the_header_nothing_is_looked_up(
    alice: User, handler: Any, django_assert_num_queries: Any
) -> None:
    here = handler(signed_in())

    with django_assert_num_queries(0):
        assert here.get("/page/untouched/").status_code == 200


def test_the_check_costs_no_statement_beside_the_one_lookup(
    alice: User, handler: Any, django_assert_num_queries: Any
) -> None:
    browser = signed_in()
    headers = shown(browser)
    here = handler(browser)

    with django_assert_num_queries(1):
        assert here.get("/api/private/", headers=headers).status_code == 200


@pytest.mark.django_db(transaction=True)
@override_settings(MIDDLEWARE=[name for name in MIDDLEWARE if name.startswith("session_auth.")])
def test_the_check_takes_no_thread_beside_that_of_the_one_lookup(alice: User) -> None:
    browser = signed_in()
    header = (b"session-user", shown(browser)["Session-User"].encode())

    assert async_to_sync(hops)(browser, "/api/private-async/", header) == DJANGOS + 1


def test_a_store_that_is_down_is_503(
    transactional_db: None, alice: User, handler: Any, outage: None
) -> None:
    browser = ApiClient()
    browser.cookies["sessionid"] = "k" * 43
    here = handler(browser)

    response = here.get("/page/untouched/", headers={"Session-User": "x"})

    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")


def test_the_reference_tells_nothing_of_the_user(alice: User, bob: User) -> None:
    references = {user_reference(user.pk) for user in (alice, bob)}

    assert len(references) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", reference) for reference in references)
    with override_settings(SECRET_KEY="another"):
        assert user_reference(alice.pk) not in references


def test_a_new_secret_key_refuses_nobody_while_the_old_one_is_a_fallback(
    alice: User, handler: Any
) -> None:
    browser = signed_in()
    headers = shown(browser)

    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["for-tests-only"]):
        assert handler(browser).post("/api/note/?a=1", headers=headers).status_code == 200
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[]):
        browser.log_in()
        assert handler(browser).post("/api/note/?a=1", headers=headers).status_code == 409
