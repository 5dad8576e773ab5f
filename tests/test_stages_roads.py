"""Logins by other roads than ours, and the page on which those of the admin go on."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, alogin, authenticate
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.test.client import AsyncClient
from django.urls import path

from session_auth import flows
from session_auth.decorators import past_stages
from session_auth.exceptions import LoginExpired, StageRequired
from session_auth.keys import digest
from session_auth.models import LoginAttempt, Session
from session_auth.sessions import list_sessions
from session_auth.stages import Stage
from tests import urls, views
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.stages import COOKIE, KEY, PIN, pin
from tests.storing import SessionStore

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stages")]


class Closed(Stage):
    """A stage that nobody can pass."""

    def is_due(self, user: Any, request: Any) -> bool:
        return True


def flow(request: HttpRequest) -> HttpResponse:
    user = authenticate(request, username="alice", password=request.GET["password"])
    assert user is not None
    flows.log_in(request, user)
    return HttpResponse()  # pragma: no cover # a stage is due


async def log_in_by_alogin(request: HttpRequest) -> HttpResponse:
    user = await aauthenticate(request, username="alice", password=request.GET["password"])
    assert user is not None
    await alogin(request, user)
    return HttpResponse()  # pragma: no cover # a stage is due


async def flow_async(request: HttpRequest) -> HttpResponse:
    user = await aauthenticate(request, username="alice", password=request.GET["password"])
    assert user is not None
    await flows.alog_in(request, user)
    return HttpResponse()  # pragma: no cover # a stage is due


own = [
    path("page/alogin/", log_in_by_alogin),
    path("page/flow-async/", flow_async),
    path("page/only-here/", views.only_here),
    path("page/only-here/past/", past_stages(views.only_here)),
    path("page/flow/", flow),
    path("page/atomic/", transaction.atomic(flow)),
]
urlpatterns = [*urls.urlpatterns, *own]


class Unrouted:
    urlpatterns = own


def log_in_to_admin(user: User, browser: ApiClient, **more: Any) -> Any:
    user.is_staff = user.is_superuser = True
    user.save()
    browser.get("/admin/login/")
    body = {"username": "alice", "password": PASSWORD, "next": "/admin/auth/user/"}
    return browser.post(
        "/admin/login/", body | {"csrfmiddlewaretoken": browser.csrf_token()}, **more
    )


def test_djangos_login_in_a_view_is_held_too(holder: User, browser: ApiClient) -> None:
    response = log_in_to_admin(holder, browser)

    assert response.status_code == 401
    assert response.json()["code"] == "second_factor_required"
    assert browser.user() is None
    assert Session.objects.count() == 0
    assert pin(browser).status_code == 200
    assert browser.user()["username"] == "alice"
    [session] = list_sessions(holder)
    assert set(session.methods) == {"session_auth.backends.ModelBackend", "pin"}


PAGES: Any = {"HTTP_ACCEPT": "text/html,*/*;q=0.8"}
PAGE = "/api/auth/login/second-factor/page/?next=/admin/auth/user/"


def submit(browser: ApiClient, path: str = PAGE, **fields: object) -> Any:
    token = {"csrfmiddlewaretoken": browser.csrf_token()}
    return browser.post(path, fields | token, **PAGES)


def test_the_admin_leads_to_a_page_for_the_second_factor(holder: User, browser: ApiClient) -> None:
    response = log_in_to_admin(holder, browser, **PAGES)
    assert (response.status_code, unquote(response.url)) == (302, PAGE)
    assert browser.get("/admin/").status_code == 302

    page = browser.get(PAGE)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "Confirm that it is you." in page.text
    assert "Your PIN" in page.text
    assert 'name="code"' in page.text

    wrong = submit(browser, code="1357")
    assert (wrong.status_code, "Invalid credentials" in wrong.text) == (401, True)
    empty = submit(browser)
    assert (empty.status_code, "This field is required." in empty.text) == (200, True)
    assert browser.user() is None

    right = submit(browser, code=PIN)
    assert (right.status_code, right.url) == (302, "/admin/auth/user/")
    assert browser.get("/admin/auth/user/").status_code == 200


def test_the_page_offers_each_method(holder: User, browser: ApiClient) -> None:
    holder.last_name = "key"
    log_in_to_admin(holder, browser, **PAGES)

    assert "Your key" in browser.get(PAGE).text
    assert 'name="credential"' in browser.get(f"{PAGE}&method=key").text
    assert 'name="code"' in browser.get(f"{PAGE}&method=terms").text

    response = submit(browser, f"{PAGE}&method=key", credential=json.dumps(KEY))
    assert response.url == "/admin/auth/user/"


@pytest.mark.parametrize("text", ["1" * 5000, '{"a": ' * 20 + "1" + "}" * 20, '"\\ud800"'])
def test_the_page_takes_no_object_that_no_body_may_hold(
    holder: User, browser: ApiClient, text: str
) -> None:
    holder.last_name = "key"
    log_in_to_admin(holder, browser, **PAGES)

    response = submit(browser, f"{PAGE}&method=key", credential=text)

    assert (response.status_code, browser.user()) == (400, None)
    assert "This field is required." in submit(browser, f"{PAGE}&method=key").text
    assert submit(browser, f"{PAGE}&method=key", credential=json.dumps(KEY)).status_code == 302


def test_the_page_shows_one_stage_after_the_other(holder: User, browser: ApiClient) -> None:
    holder.email = "unread@example.org"
    log_in_to_admin(holder, browser, **PAGES)

    assert submit(browser, code=PIN).url == PAGE
    assert "Accept the terms first." in browser.get(PAGE).text
    assert submit(browser, accept="on").url == "/admin/auth/user/"


def test_the_page_asks_for_a_login_if_the_attempt_ends_meanwhile(
    holder: User, browser: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in_to_admin(holder, browser, **PAGES)

    def end(*args: object, **kwargs: object) -> None:
        raise LoginExpired

    monkeypatch.setattr(flows, "pass_stage", end)

    assert submit(browser, code=PIN).status_code == 302
    assert browser.user() is None


def test_the_page_goes_on_if_nothing_is_due_any_more(holder: User, browser: ApiClient) -> None:
    log_in_to_admin(holder, browser, **PAGES)
    User.objects.update(first_name="")

    assert browser.get(PAGE).status_code == 200
    assert submit(browser).url == "/admin/auth/user/"
    assert browser.user() is not None


def test_a_user_without_a_method_gets_a_page_that_lets_nobody_in(
    holder: User, browser: ApiClient
) -> None:
    log_in_to_admin(holder, browser, **PAGES)
    with override_settings(SESSION_AUTH_STAGES=["tests.test_stages_roads.Closed"]):
        assert browser.get(PAGE).status_code == 200
        assert submit(browser).status_code == 400
    assert browser.user() is None


def test_the_page_leads_to_no_other_site(holder: User, browser: ApiClient, settings: Any) -> None:
    settings.LOGIN_REDIRECT_URL = "/page/"
    log_in_to_admin(holder, browser, **PAGES)
    there = PAGE.replace("/admin/auth/user/", "//evil.example/")

    assert submit(browser, there, code=PIN).url == "/page/"


def test_the_page_without_an_attempt_leads_to_the_login(browser: ApiClient, db: None) -> None:
    browser.get(AUTH + "csrf/")
    answers: list[Any] = [
        browser.get(PAGE),
        submit(browser, code=PIN),
        browser.get(PAGE.partition("?")[0]),
    ]

    assert [each.url for each in answers] == ["/admin/auth/user/"] * 2 + ["/admin/"]


def test_the_page_checks_csrf(holder: User, browser: ApiClient) -> None:
    log_in_to_admin(holder, browser, **PAGES)

    response = browser.post(PAGE, {"code": PIN})

    assert response.status_code == 403
    assert browser.user() is None


@override_settings(ROOT_URLCONF="tests.test_stages_roads")
def test_without_the_admin_there_is_no_page_and_the_answer_is_json(
    holder: User, browser: ApiClient, settings: Any
) -> None:
    apps = [app for app in settings.INSTALLED_APPS if app != "django.contrib.admin"]
    with override_settings(INSTALLED_APPS=apps):
        response = browser.get(f"/page/only-here/?password={PASSWORD}", **PAGES)
        assert browser.get(PAGE).status_code == 404

    assert (response.status_code, response.json()["code"]) == (401, "second_factor_required")


def test_an_api_is_answered_in_json_whatever_it_accepts(
    holder: User, browser: ApiClient, settings: Any
) -> None:
    settings.SESSION_AUTH_API_PATHS = ["/admin/"]

    assert log_in_to_admin(holder, browser, **PAGES).status_code == 401


@override_settings(ROOT_URLCONF=Unrouted)
def test_where_the_page_is_not_routed_the_answer_is_json(holder: User, browser: ApiClient) -> None:
    response = browser.get(f"/page/only-here/?password={PASSWORD}", **PAGES)

    assert (response.status_code, response.json()["code"]) == (401, "second_factor_required")


@override_settings(ROOT_URLCONF="tests.test_stages_roads")
def test_a_view_that_is_past_the_stages_logs_in(holder: User, browser: ApiClient) -> None:
    held = browser.get(f"/page/only-here/?password={PASSWORD}")
    assert (held.status_code, browser.user()) == (401, None)

    browser.get(f"/page/only-here/past/?password={PASSWORD}")
    assert browser.user()["username"] == "alice"


def test_alogin_is_held_too(holder: User) -> None:
    with override_settings(ROOT_URLCONF="tests.test_stages_roads"):
        response = async_to_sync(AsyncClient().get)(f"/page/alogin/?password={PASSWORD}")

    assert (response.status_code, response.json()["code"]) == (401, "second_factor_required")
    assert Session.objects.count() == 0


def test_what_logs_in_before_there_is_a_view_passes(holder: User) -> None:
    client = Client()
    client.force_login(holder)

    assert client.get(AUTH + "user/").json()["user"]["username"] == "alice"


def test_a_login_that_is_refused_leaves_whoever_is_logged_in(
    holder: User, browser: ApiClient
) -> None:
    holder.first_name = ""
    holder.save()
    browser.log_in()
    key = browser.session_key()
    holder.first_name = "pin"
    holder.save()

    assert log_in_to_admin(holder, browser).status_code == 401
    assert browser.user()["username"] == "alice"
    assert browser.session_key() == key


@pytest.mark.parametrize("view", ["flow", "flow-async", "atomic"])
@pytest.mark.parametrize("is_async", [False, True])
def test_the_attempt_outlives_the_view_and_its_transaction(
    holder: User, view: str, is_async: bool
) -> None:
    client: Any = AsyncClient() if is_async else Client()
    get = async_to_sync(client.get) if is_async else client.get
    with override_settings(ROOT_URLCONF="tests.test_stages_roads"):
        response = get(f"/page/{view}/?password={PASSWORD}")

    assert (response.status_code, response.json()["code"]) == (401, "second_factor_required")
    assert LoginAttempt.objects.get().pk == digest(client.cookies[COOKIE].value)


def test_with_several_backends_one_has_to_be_named(holder: User, rf: Any, settings: Any) -> None:
    ours = "session_auth.backends.ModelBackend"
    settings.AUTHENTICATION_BACKENDS = [ours, "tests.stages.OwnBackend"]
    request = rf.post("/")
    request.session = SessionStore()

    with pytest.raises(ValueError, match="say by backend="):
        flows.log_in(request, holder)
    with pytest.raises(StageRequired):
        flows.log_in(request, holder, backend=ours)
    assert json.loads(LoginAttempt.objects.get().state)["backend"] == ours
