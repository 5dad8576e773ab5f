"""Whoever is refused leaves a trace: one event, by whatever view, framework or middleware."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path

from tests import views
from tests.api_client import ApiClient, signed_in
from tests.checking import deployed
from tests.frameworks import urlpatterns as of_frameworks

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
HANDLER = "session_auth.contrib.rest_framework.exception_handler"
LOGIN, PROOF = "not_authenticated", "reauthentication_required"
MINUTE = timedelta(minutes=1)


def forbidden(request: HttpRequest) -> HttpResponse:
    str(request.user)  # as each look at a permission does
    raise PermissionDenied


def plain_403(request: HttpRequest) -> HttpResponse:
    str(request.user)
    return HttpResponse(status=403)


def conflict(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=409)


urlpatterns = [
    *of_frameworks,
    path("api/private/", views.private),
    path("api/private-async/", views.private_async),
    path("api/private-class/", views.Private.as_view()),
    path("api/recent/", views.recent),
    path("api/recent-async/", views.recent_async),
    path("api/forbidden/", forbidden),
    path("page/forbidden/", forbidden),
    path("page/plain/", plain_403),
    path("page/conflict/", conflict),
    path("page/private-api/", views.private),
    path("page/note/", views.note),
]


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    with override_settings(REST_FRAMEWORK={"EXCEPTION_HANDLER": HANDLER}):
        yield


def refusals(caplog: Any) -> list[tuple[str, Any, int, str]]:
    told = [vars(each) for each in caplog.records if each.name == "session_auth.security"]
    caplog.clear()
    return [(each["event"], each["user_id"], each["status"], each["code"]) for each in told]


@pytest.mark.parametrize(
    "where",
    [
        "private",
        "private-async",
        "private-class",
        "recent",
        "recent-async",
        "drf/articles",
        "drf/own/articles",
        "drf/recent",
        "ninja/articles",
        "ninja-async/articles",
    ],
)
def test_a_visitor_who_is_not_logged_in_is_told_at_info(where: str, caplog: Any) -> None:
    response = Client().get(f"/api/{where}/")

    told = ("refused", None, response.status_code, response.json()["code"])
    assert response.status_code in {401, 403}
    assert [each.levelno for each in caplog.records if each.name != "django.request"] == [
        logging.INFO
    ]
    assert refusals(caplog) == [told]


def test_a_visitor_is_told_of_under_asgi_too(caplog: Any) -> None:
    async_to_sync(AsyncClient().get)("/api/private-async/")

    assert refusals(caplog) == [("refused", None, 401, LOGIN)]


@pytest.mark.parametrize("where", ["recent", "recent-async", "drf/recent", "ninja/recent"])
def test_a_login_that_is_too_long_ago_is_told_at_info(
    alice: User, where: str, clock: Any, caplog: Any
) -> None:
    here = signed_in()
    clock.shift(16 * MINUTE)
    caplog.clear()

    assert here.get(f"/api/{where}/").status_code == 403

    assert refusals(caplog) == [("refused", alice.pk, 403, PROOF)]


@pytest.mark.parametrize("where", ["/api/forbidden/", "/page/forbidden/", "/page/plain/"])
def test_a_user_who_may_not_is_told_as_a_warning(alice: User, where: str, caplog: Any) -> None:
    here = signed_in()
    caplog.clear()

    assert here.get(where).status_code == 403

    ours = [each for each in caplog.records if each.name == "session_auth.security"]
    assert [each.levelno for each in ours] == [logging.WARNING]
    assert refusals(caplog) == [("forbidden", alice.pk, 403, "permission_denied")]


def test_a_visitor_who_may_not_is_told_at_info(caplog: Any) -> None:
    Client().get("/page/forbidden/")

    assert refusals(caplog) == [("refused", None, 403, "permission_denied")]


def test_a_tab_that_shows_another_user_is_told(alice: User, bob: User, caplog: Any) -> None:
    here = signed_in()
    reference = signed_in("bob").get("/api/auth/user/").json()["session"]["user_ref"]
    caplog.clear()

    assert here.get("/api/private/", headers={"Session-User": reference}).status_code == 409

    assert refusals(caplog) == [("refused", alice.pk, 409, "user_changed")]


def test_a_conflict_of_the_projects_own_is_no_refusal(alice: User, caplog: Any) -> None:
    here = signed_in()
    caplog.clear()

    here.get("/page/conflict/")

    assert refusals(caplog) == []


@pytest.mark.parametrize("framework", ["plain", "drf", "ninja"])
def test_a_login_of_the_projects_own_that_fails_is_told_once(
    alice: User, framework: str, caplog: Any
) -> None:
    body = {"username": "alice", "password": "wrong"}

    response = ApiClient().call("POST", f"/api/{framework}/login/", body)

    assert response.status_code == 401
    events = [vars(each)["event"] for each in caplog.records if hasattr(each, "event")]
    assert events == ["login_failed"]


@pytest.mark.parametrize("where", ["/api/drf/articles/", "/page/note/", "/api/private/"])
def test_what_the_csrf_check_refuses_is_told_once(alice: User, where: str, caplog: Any) -> None:
    here = signed_in()
    caplog.clear()

    here.call("POST", where, {}, headers={"Origin": "https://evil.example"})

    events = [vars(each)["event"] for each in caplog.records if hasattr(each, "event")]
    assert events == ["csrf_failed"]


def test_what_is_let_in_is_not_told(alice: User, caplog: Any) -> None:
    here = signed_in()
    caplog.clear()

    assert here.get("/api/private/").status_code == 200
    assert here.get("/api/recent/").status_code == 200

    assert refusals(caplog) == []


@pytest.mark.parametrize(
    ("level", "handlers", "propagate", "expected"),
    [
        (logging.INFO, [logging.StreamHandler()], False, False),
        (logging.WARNING, [logging.StreamHandler()], False, True),
        (logging.INFO, [logging.NullHandler()], False, True),
        (logging.INFO, [], False, True),
        (logging.INFO, [], True, False),
    ],
)
def test_a_log_that_shows_no_login_is_found(
    level: int, handlers: list[logging.Handler], propagate: bool, expected: bool, monkeypatch: Any
) -> None:
    logger = logging.getLogger("session_auth.security")
    monkeypatch.setattr(logger, "handlers", handlers)
    monkeypatch.setattr(logger, "propagate", propagate)
    level_before = logger.level
    logger.setLevel(level)  # which also clears what isEnabledFor() has cached

    try:
        found = deployed()
    finally:
        logger.setLevel(level_before)

    assert ("session_auth.W114" in found) is expected


def test_a_handler_above_may_be_too_deaf(monkeypatch: Any) -> None:
    deaf = logging.StreamHandler()
    deaf.setLevel(logging.WARNING)
    monkeypatch.setattr(logging.getLogger("session_auth.security"), "handlers", [deaf])
    monkeypatch.setattr(logging.getLogger(), "handlers", [])

    assert "session_auth.W114" in deployed()
