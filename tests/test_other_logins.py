"""A login by any other road than ours: the admin, ``auth.login()``, whoever calls it."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import alogin, login
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import include, path

from session_auth.keys import digest
from session_auth.models import Session
from session_auth.sessions import list_sessions
from session_auth.testing import add_session
from tests import urls
from tests.api_client import PASSWORD, ApiClient
from tests.test_flows import data

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

BACKEND = "session_auth.backends.ModelBackend"
RECORDS = {"account_authentication_methods": "[]", "account_authentication_methods_user": "1"}


def enter(request: HttpRequest) -> HttpResponse:
    """Log ``?name=`` in as most projects do, and write what else is in the query before it."""
    changes = request.GET.dict()
    user = User.objects.get_by_natural_key(changes.pop("name"))
    request.session.update(changes)
    login(request, user, BACKEND)
    return HttpResponse(request.session.get("next", ""))


async def enter_async(request: HttpRequest) -> HttpResponse:
    changes = request.GET.dict()
    user = await User.objects.aget(username=changes.pop("name"))
    for key, value in changes.items():
        await request.session.aset(key, value)
    await request.session.aupdate(list(changes.items()))
    await alogin(request, user, BACKEND)
    return HttpResponse(await request.session.aget("next", ""))


def enter_and_save(request: HttpRequest) -> HttpResponse:
    response = enter(request)
    request.session.save()
    request.session["late"] = "yes"
    return response


def enter_and_append(request: HttpRequest) -> HttpResponse:
    request.session["cart"].append(4)
    return enter(request)


def fill(request: HttpRequest) -> HttpResponse:
    request.session.update({"cart": [1, 2, 3], "other": [1]})
    return HttpResponse()


def enter_and_fail(request: HttpRequest) -> HttpResponse:
    enter(request)
    raise RuntimeError("The view fails after the login.")


def enter_for_good(request: HttpRequest) -> HttpResponse:
    request.session.set_expiry(0)
    return enter(request)


urlpatterns = [
    path("enter/", enter),
    path("enter-async/", enter_async),
    path("enter-and-save/", enter_and_save),
    path("enter-and-append/", enter_and_append),
    path("enter-and-fail/", enter_and_fail),
    path("enter-for-good/", enter_for_good),
    path("fill/", fill),
    path("", include(urls)),
]


def by_admin(browser: ApiClient) -> None:
    browser.get("/admin/login/")
    form = {
        "username": "root",
        "password": PASSWORD,
        "csrfmiddlewaretoken": browser.csrf_token(),
        "next": "/admin/",
    }
    assert browser.post("/admin/login/", form).status_code == 302


def by_view(name: str) -> Callable[[ApiClient], None]:
    def road(browser: ApiClient) -> None:
        assert browser.get(f"/{name}/?name=root").status_code == 200

    return road


ROADS: dict[str, Callable[[ApiClient], None]] = {
    "our own": lambda browser: browser.log_in("root"),
    "the admin": by_admin,
    "login()": by_view("enter"),
    "alogin()": by_view("enter-async"),
    "force_login()": lambda browser: browser.force_login(root()),
}


def root() -> User:
    return User.objects.get_by_natural_key("root")


@pytest.fixture(params=list(ROADS.values()), ids=list(ROADS))
def road(request: pytest.FixtureRequest, db: None) -> Callable[[ApiClient], None]:
    User.objects.create_superuser("root", password=PASSWORD)
    road: Callable[[ApiClient], None] = request.param
    return road


@pytest.fixture
def enter_as_root(db: None) -> Callable[..., Any]:
    User.objects.create_superuser("root", password=PASSWORD)
    return lambda browser, query="", name="enter": browser.get(f"/{name}/?name=root{query}")


def plant(browser: ApiClient, **values: str) -> None:
    browser.get("/api/note/?" + "&".join(f"{key}={value}" for key, value in values.items()))


def test_nothing_of_the_visitors_session_lives_on(
    browser: ApiClient, road: Callable[[ApiClient], None]
) -> None:
    """A1, A2"""
    plant(browser, mfa_passed="yes")
    key, token = browser.session_key(), browser.get("/api/auth/csrf/").json()["csrfToken"]

    road(browser)

    assert data(browser) == {}
    assert [row.id for row in Session.objects.all()] == [digest(browser.session_key())]
    assert browser.session_key() != key
    response = browser.call("POST", "/api/note/", headers={"X-CSRFToken": token})
    assert response.status_code == 403
    assert [info.user_id for info in list_sessions(root())] == [root().pk]


def test_nor_of_the_same_users_at_the_next_login(
    browser: ApiClient, road: Callable[[ApiClient], None]
) -> None:
    """A3"""
    road(browser)
    plant(browser, mfa_passed="yes")
    key, token = browser.session_key(), browser.csrf_token()

    road(browser)

    assert browser.session_key() != key
    assert browser.get("/api/auth/csrf/").json()["csrfToken"]
    assert browser.csrf_token() != token
    assert data(browser) == {}
    assert len(list_sessions(root())) == 1
    thief = ApiClient()
    thief.cookies["sessionid"] = key
    assert thief.user() is None


@override_settings(SESSION_AUTH_KEEP_AT_LOGIN=["cart"])
def test_a_project_can_keep_keys(browser: ApiClient, road: Callable[[ApiClient], None]) -> None:
    plant(browser, mfa_passed="yes", cart="3")

    road(browser)

    assert data(browser) == {"cart": "3"}


@pytest.mark.parametrize("name", ["enter", "enter-async"])
def test_what_the_login_itself_writes_is_stored(
    browser: ApiClient, enter_as_root: Callable[..., Any], name: str
) -> None:
    """Also the value that was there: as for the same user at the second login."""
    for _ in range(2):
        enter_as_root(browser, "&tenant=acme", name)

        assert data(browser) == {"tenant": "acme"}


def test_what_the_login_has_changed_in_place_is_stored(
    browser: ApiClient, enter_as_root: Callable[..., Any]
) -> None:
    browser.get("/fill/")

    enter_as_root(browser, name="enter-and-append")

    assert data(browser) == {"cart": [1, 2, 3, 4]}


def test_an_expiry_is_that_of_the_last_login(
    browser: ApiClient, enter_as_root: Callable[..., Any]
) -> None:
    for _ in range(2):
        assert enter_as_root(browser, name="enter-for-good").cookies["sessionid"]["max-age"] == ""
    assert enter_as_root(browser).cookies["sessionid"]["max-age"] > 0


@pytest.mark.parametrize("name", ["enter", "enter-async"])
def test_until_the_answer_the_data_of_the_visitor_are_in_sight(
    browser: ApiClient, enter_as_root: Callable[..., Any], name: str
) -> None:
    """As django-mozilla-oidc looks up where the user was going."""
    plant(browser, next="/basket/")

    assert enter_as_root(browser, name=name).content == b"/basket/"
    assert data(browser) == {}


def test_what_allauth_notes_of_the_first_step_is_there_after_the_last(
    browser: ApiClient, enter_as_root: Callable[..., Any]
) -> None:
    plant(browser, mfa_passed="yes", **RECORDS)

    enter_as_root(browser)

    assert data(browser) == RECORDS


def test_a_session_that_is_saved_twice_leaves_it_behind_once_and_for_all(
    browser: ApiClient, enter_as_root: Callable[..., Any]
) -> None:
    plant(browser, mfa_passed="yes")

    enter_as_root(browser, name="enter-and-save")

    assert data(browser) == {"late": "yes"}
    assert Session.objects.count() == 1


def test_if_the_view_fails_nobody_is_logged_in_and_who_was_still_is(
    browser: ApiClient, enter_as_root: Callable[..., Any]
) -> None:
    browser.raise_request_exception = False
    enter_as_root(browser)
    plant(browser, cart="3")
    key = browser.session_key()

    assert enter_as_root(browser, name="enter-and-fail").status_code == 500

    assert browser.session_key() == key
    assert data(browser) == {"cart": "3"}


def test_a_visitor_who_brings_nothing_pays_nothing_for_it(
    enter_as_root: Callable[..., Any],
) -> None:
    with CaptureQueriesContext(connection) as captured:
        enter_as_root(Client())

    told = [query["sql"].split()[0] for query in captured]
    assert [word for word in told if word not in {"SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"}] == [
        "SELECT",  # the user
        "UPDATE",  # last_login
        "INSERT",  # the session
    ]


def test_a_logout_in_the_same_request_ends_the_session_that_was_there(
    rf: Any, browser: ApiClient, enter_as_root: Callable[..., Any]
) -> None:
    enter_as_root(browser)
    request = rf.get("/")
    request.COOKIES["sessionid"] = browser.session_key()
    add_session(request)

    login(request, root(), BACKEND)
    request.session.flush()

    assert browser.user() is None
    assert Session.objects.count() == 0


@pytest.mark.parametrize("entry", [login, async_to_sync(alogin)], ids=["login()", "alogin()"])
def test_what_another_request_plants_meanwhile_is_left_behind_too(
    browser: ApiClient, enter_as_root: Callable[..., Any], rf: Any, entry: Callable[..., None]
) -> None:
    plant(browser, cart="3")
    request = rf.get("/")
    request.COOKIES["sessionid"] = browser.session_key()
    add_session(request)
    request.session.keys()
    plant(browser, mfa_passed="yes")

    entry(request, root(), BACKEND)
    request.session.save()

    browser.cookies["sessionid"] = request.session.session_key
    assert data(browser) == {}
