"""Tokens are bound to the session of a user: none from elsewhere or from before passes."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import login, user_logged_in
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DjangoStore
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, Client, RequestFactory, override_settings
from django.urls import include, path
from django.views.decorators.csrf import ensure_csrf_cookie

from session_auth.models import Session
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
NOTE = "/api/note/"
FOREIGN = "f" * 32
BACKEND = "session_auth.backends.ModelBackend"


def note(request: HttpRequest) -> JsonResponse:
    request.session.update(request.GET.items())
    return JsonResponse({})


def renew(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    return HttpResponse(get_token(request))


def renew_only(request: HttpRequest) -> HttpResponse:
    request.session.cycle_key()
    return HttpResponse()


def enter(request: HttpRequest) -> HttpResponse:
    """Log in by Django's own ``login()``, and show a form at once."""
    user = User.objects.get(username=request.GET["username"])
    login(request, user, backend=BACKEND)
    return HttpResponse(get_token(request))


def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_token(request))


@ensure_csrf_cookie
def shell(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


async def token_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse(get_token(request))


async def token_of_user_async(request: HttpRequest) -> HttpResponse:
    await request.auser()
    return HttpResponse(get_token(request))


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/note/", note),
    path("renew/", renew),
    path("renew-only/", renew_only),
    path("enter/", enter),
    path("form/", form),
    path("shell/", shell),
    path("token-async/", token_async),
    path("token-of-user-async/", token_of_user_async),
]


def status_with(browser: Client, token: str) -> int:
    response = browser.post(NOTE, content_type="application/json", headers={"X-CSRFToken": token})
    return response.status_code


@pytest.fixture
def here(alice: User) -> ApiClient:
    return signed_in()


def test_the_token_of_the_login_passes(alice: User, browser: ApiClient) -> None:
    told = browser.log_in().json()["csrfToken"]

    assert status_with(browser, told) == 200
    assert status_with(browser, browser.csrf_token()) == 200


def test_a_token_from_before_the_login_does_not_pass(alice: User, browser: ApiClient) -> None:
    """A18"""
    before = browser.get(AUTH + "csrf/").json()["csrfToken"]
    assert status_with(browser, before) == 200

    browser.log_in()

    assert status_with(browser, before) == 403


def test_a_token_of_another_session_does_not_pass(here: ApiClient, bob: User) -> None:
    """A18: another user's, and another of the same user."""
    for other in (signed_in("bob"), signed_in("alice")):
        token = other.get(AUTH + "csrf/").json()["csrfToken"]

        assert status_with(other, token) == 200
        assert status_with(here, token) == 403
        here.cookies["csrftoken"] = other.csrf_token()
        assert status_with(here, token) == 403


def test_a_token_from_before_the_logout_does_not_pass(here: ApiClient) -> None:
    """A18"""
    before = here.csrf_token()

    here.log_out()

    assert here.csrf_token() != before
    assert status_with(here, before) == 403
    assert status_with(here, here.csrf_token()) == 200


def test_a_logout_without_a_login_sends_no_new_token(browser: ApiClient) -> None:
    before = browser.get(AUTH + "csrf/").json()["csrfToken"]

    assert "csrftoken" not in browser.log_out().cookies
    assert status_with(browser, before) == 200


@override_settings(CSRF_TRUSTED_ORIGINS=["https://*.example.org"], ALLOWED_HOSTS=["example.org"])
def test_a_planted_pair_does_not_pass_from_a_trusted_subdomain(here: ApiClient) -> None:
    """A15: a page of a trusted subdomain plants a cookie and sends the token that goes with it."""
    here.cookies["csrftoken"] = FOREIGN
    trusted: dict[str, Any] = {
        "secure": True,
        "HTTP_HOST": "example.org",
        "headers": {
            "Origin": "https://evil.example.org",
            "Sec-Fetch-Site": "same-site",
            "X-CSRFToken": FOREIGN,
        },
    }

    assert here.post(NOTE, content_type="application/json", **trusted).status_code == 403
    # Nobody's: there the pair is all that Django knows.
    stranger = Client(enforce_csrf_checks=True)
    stranger.cookies["csrftoken"] = FOREIGN
    assert stranger.post(NOTE, content_type="application/json", **trusted).status_code == 200


def test_a_pair_that_an_attacker_chose_does_not_pass_over_http(here: ApiClient) -> None:
    """A16"""
    here.cookies["csrftoken"] = FOREIGN

    assert status_with(here, FOREIGN) == 403
    assert here.user() is not None


def test_without_the_cookie_the_token_passes(here: ApiClient) -> None:
    token = here.csrf_token()
    del here.cookies["csrftoken"]

    assert status_with(here, token) == 200


def test_the_cookie_of_a_user_is_corrected_when_the_session_is_used(here: ApiClient) -> None:
    right = here.csrf_token()
    here.cookies["csrftoken"] = FOREIGN

    response = here.get(AUTH + "user/")

    assert response.cookies["csrftoken"].value == right
    assert "Cookie" in response.headers["Vary"]
    assert status_with(here, right) == 200


def test_a_cookie_that_is_right_or_missing_is_not_sent(here: ApiClient) -> None:
    assert not here.get(AUTH + "user/").cookies
    del here.cookies["csrftoken"]
    assert not here.get(AUTH + "user/").cookies


def test_a_decorator_of_django_cannot_keep_a_wrong_cookie_alive(here: ApiClient) -> None:
    right = here.csrf_token()
    here.cookies["csrftoken"] = FOREIGN
    here.get("/shell/")
    assert here.csrf_token() == FOREIGN

    here.get(AUTH + "user/")

    assert here.csrf_token() == right


def test_a_decorator_of_django_sends_a_missing_cookie(here: ApiClient) -> None:
    right = here.csrf_token()
    del here.cookies["csrftoken"]

    here.get("/shell/")

    assert here.csrf_token() == right


@pytest.mark.parametrize("path", ["/renew/", "/renew-only/"])
def test_a_new_key_brings_its_cookie(here: ApiClient, path: str) -> None:
    before = here.csrf_token()

    here.get(path)

    assert here.csrf_token() != before
    assert status_with(here, before) == 403
    assert status_with(here, here.csrf_token()) == 200


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("reauthenticate/", {"password": PASSWORD}),
        ("password/change/", {"old_password": PASSWORD, "new_password": "quite another horse"}),
    ],
)
def test_what_renews_the_key_tells_the_new_token(
    here: ApiClient, endpoint: str, body: dict[str, str]
) -> None:
    before = here.csrf_token()

    told = here.call("POST", AUTH + endpoint, body).json()["csrfToken"]

    assert status_with(here, before) == 403
    assert status_with(here, told) == 200
    assert status_with(here, here.csrf_token()) == 200


@pytest.mark.parametrize("first", [None, "alice", "bob"])
def test_a_form_in_the_answer_to_djangos_login_can_be_sent(
    alice: User, bob: User, browser: ApiClient, first: str | None
) -> None:
    """Whoever was logged in before: nobody, the same user, or another, whose session ends."""
    if first:
        browser.log_in(first)

    token = browser.get("/enter/?username=alice").content.decode()

    assert browser.user() == {"id": alice.pk, "username": "alice"}
    assert status_with(browser, token) == 200
    assert status_with(browser, browser.csrf_token()) == 200


def test_the_session_of_a_visitor_leaves_forms_as_they_are(browser: ApiClient) -> None:
    before = browser.get(AUTH + "csrf/").json()["csrfToken"]

    browser.call("POST", NOTE + "?cart=1")

    assert browser.session_key()
    assert status_with(browser, before) == 200
    assert status_with(browser, browser.csrf_token()) == 200


def test_a_key_that_opens_nothing_binds_nothing(browser: ApiClient) -> None:
    browser.cookies["sessionid"] = "x" * 43

    token = browser.get(AUTH + "csrf/").json()["csrfToken"]

    assert status_with(browser, token) == 200
    assert Session.objects.count() == 0


def test_tokens_of_a_page_pass(here: ApiClient) -> None:
    token = here.get("/form/").content.decode()

    assert status_with(here, token) == 200


@override_settings(SESSION_AUTH_ADOPT_FROM="django.contrib.sessions.backends.db")
def test_a_session_that_was_taken_over_gets_its_own_token(alice: User) -> None:
    with override_settings(
        SESSION_ENGINE="django.contrib.sessions.backends.db", SESSION_AUTH_ADOPT_FROM=None
    ):
        old = Client()
        old.force_login(alice)
    assert DjangoStore().exists(old.cookies["sessionid"].value)
    here = ApiClient()
    here.cookies["sessionid"] = old.cookies["sessionid"].value
    here.cookies["csrftoken"] = FOREIGN

    here.get(AUTH + "user/")

    assert status_with(here, FOREIGN) == 403
    assert status_with(here, here.csrf_token()) == 200


def test_no_token_tells_the_key(here: ApiClient) -> None:
    assert here.session_key() not in here.csrf_token()
    assert here.csrf_token() not in Session.objects.values_list("data", flat=True)[0]


@override_settings(CSRF_USE_SESSIONS=True)
def test_tokens_in_the_session_are_bound_to_it_anyhow(alice: User, browser: ApiClient) -> None:
    def call(endpoint: str, token: str, **body: str) -> str:
        headers = {"X-CSRFToken": token}
        response = browser.call("POST", AUTH + endpoint, body, headers=headers)
        return str(response.json()["csrfToken"])

    before = browser.get(AUTH + "csrf/").json()["csrfToken"]
    first = call("login/", before, username="alice", password=PASSWORD)
    second = call("reauthenticate/", first, password=PASSWORD)

    assert [status_with(browser, token) for token in (before, first, second)] == [403, 403, 200]
    assert "csrftoken" not in browser.cookies


def test_a_login_that_another_package_signals_without_a_session_changes_no_token(
    alice: User, browser: ApiClient, rf: RequestFactory
) -> None:
    """As of packages whose logins give a token of their own, and have no session or leave it."""
    without = rf.post("/")
    with_visitor = browser.get(AUTH + "csrf/").wsgi_request
    before = dict(with_visitor.META)

    user_logged_in.send(sender=User, request=without, user=alice)
    user_logged_in.send(sender=User, request=with_visitor, user=alice)

    assert "CSRF_COOKIE" not in without.META
    assert before == with_visitor.META


def get_async(browser: ApiClient, path: str) -> str:
    client = AsyncClient()
    client.cookies = browser.cookies
    response: Any = async_to_sync(client.get)(path)
    return str(response.content.decode())


@pytest.mark.parametrize("path", ["/token-async/", "/token-of-user-async/"])
def test_an_async_view_gives_the_token_of_the_session(here: ApiClient, path: str) -> None:
    token = get_async(here, path)

    assert status_with(here, token) == 200


def test_where_nobody_has_looked_yet_an_async_view_errs_on_the_safe_side(here: ApiClient) -> None:
    here.cookies["csrftoken"] = FOREIGN

    assert status_with(here, get_async(here, "/token-async/")) == 403
    assert status_with(here, get_async(here, "/token-of-user-async/")) == 200
