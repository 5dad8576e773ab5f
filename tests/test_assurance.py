"""What a session has proven, what that adds up to, and how users prove more."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView

from session_auth import flows, testing
from session_auth.contrib.rest_framework import HasRecentLogin, SessionAuthentication
from session_auth.decorators import recent_login_required
from session_auth.models import Session
from session_auth.sessions import assurance, end_sessions, list_sessions
from session_auth.sessions.base import session_of
from tests import urls
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.clock import NOON
from tests.stages import KEY, PIN, pin
from tests.storing import SessionStore

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("stages"),
    pytest.mark.urls("tests.test_assurance"),
]


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def told(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"assurance": assurance(session_of(request))})


def prove(request: HttpRequest) -> HttpResponse:
    flows.prove(request, method=request.GET["method"])
    return HttpResponse()


async def aprove(request: HttpRequest) -> HttpResponse:
    await flows.aprove(request, method=request.GET["method"])
    return HttpResponse()


async def aprove_by_stage(request: HttpRequest) -> HttpResponse:
    data = {"code": PIN, "trust": False}
    await flows.areauthenticate_by(request, method="pin", data=data)
    return HttpResponse()


async def afinish(request: HttpRequest) -> JsonResponse:
    data = {"code": PIN, "trust": False}
    user = await flows.apass_stage(request, method="pin", data=data)
    return JsonResponse({"user": user.get_username()})


class Recent(APIView):
    authentication_classes = (SessionAuthentication,)
    permission_classes: Any = (type("HasTwo", (HasRecentLogin,), {"level": 2}),)

    def get(self, request: Any) -> Response:
        return Response({})

    def get_exception_handler(self) -> Any:
        from session_auth.contrib.rest_framework import exception_handler

        return exception_handler


class Forbidding(Recent):
    permission_classes: Any = (HasRecentLogin,)

    def get(self, request: Any) -> Response:
        self.permission_denied(request, message="Not today.")
        raise AssertionError  # pragma: no cover # the line above raises


urlpatterns = [
    *urls.urlpatterns,
    path("api/told/", told),
    path("api/one/", recent_login_required(plain)),
    path("api/two/", recent_login_required(level=2)(plain)),
    path("api/all/", recent_login_required(level=None)(plain)),
    path("api/two-drf/", Recent.as_view()),
    path("api/forbidding-drf/", Forbidding.as_view()),
    path("api/prove/", prove),
    path("api/aprove/", aprove),
    path("api/aprove-by-stage/", aprove_by_stage),
    path("api/afinish/", afinish),
]


def reauthenticate(browser: ApiClient, **body: object) -> Any:
    return browser.call("POST", AUTH + "reauthenticate/", body)


def with_methods(user: User, *methods: str, **more: Any) -> ApiClient:
    return testing.log_in(ApiClient(), user, methods=methods, **more)


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ([], 1),
        (["password"], 1),
        (["pin"], 1),
        (["password", "pin"], 2),
        (["saml", "pin"], 2),
        (["password", "saml"], 1),
        (["key"], 2),
        (["mfa"], 2),
        (["terms", "password"], 1),
        (["terms", "pin"], 1),
        (["session_auth.backends.ModelBackend", "pin"], 2),
    ],
)
def test_the_level_is_what_the_methods_add_up_to(
    alice: User, methods: Collection[str], expected: int
) -> None:
    browser = with_methods(alice, *methods)

    assert browser.get("/api/told/").json() == {"assurance": expected}
    [session] = list_sessions(alice)
    assert assurance(session) == expected


def test_without_its_stage_a_method_is_worth_one_factor(alice: User, settings: Any) -> None:
    with_methods(alice, "password", "pin")
    [session] = list_sessions(alice)
    settings.SESSION_AUTH_STAGES = []

    assert assurance(session) == 1


def test_nobody_has_proven_anything_in_an_anonymous_session() -> None:
    assert assurance(SessionStore()) == 1


# Recent, at a level


def refusal(browser: ApiClient, path: str) -> Any:
    response = browser.get(path)
    assert response.status_code == 403
    return {key: value for key, value in response.json().items() if key != "error"}


REQUIRED = {"code": "reauthentication_required"}
MISSING = {"code": "second_factor_missing"}


def test_two_factors_that_were_proven_recently_are_enough(clock: Any, holder: User) -> None:
    browser = with_methods(holder, "password", "pin")
    for path_ in ("one", "two", "all", "two-drf"):
        assert browser.get(f"/api/{path_}/").status_code == 200


@pytest.mark.parametrize("path_", ["two", "all", "two-drf"])
def test_the_other_factor_is_asked_for_until_both_are_fresh(
    clock: Any, holder: User, path_: str
) -> None:
    browser = with_methods(holder, "password", "pin", age=timedelta(hours=1))
    both = refusal(browser, f"/api/{path_}/")
    assert both == REQUIRED | {"methods": ["password", "pin"]}

    assert reauthenticate(browser, password=PASSWORD).status_code == 200
    assert browser.get("/api/one/").status_code == 200
    assert refusal(browser, f"/api/{path_}/") == REQUIRED | {"methods": ["pin"]}

    assert reauthenticate(browser, method="pin", code=PIN).status_code == 200
    assert browser.get(f"/api/{path_}/").status_code == 200


def test_a_code_alone_is_one_factor(clock: Any, holder: User) -> None:
    browser = with_methods(holder, "password", "pin", age=timedelta(hours=1))
    reauthenticate(browser, method="pin", code=PIN)

    assert browser.get("/api/one/").status_code == 200
    assert refusal(browser, "/api/two/") == REQUIRED | {"methods": ["password"]}


def test_a_key_that_is_two_factors_is_enough_alone(clock: Any, alice: User) -> None:
    alice.last_name = "key"
    alice.set_unusable_password()
    alice.save()
    browser = with_methods(alice, "key", age=timedelta(hours=1))
    assert refusal(browser, "/api/one/") == REQUIRED | {"methods": ["key"]}

    assert reauthenticate(browser, method="key", credential=KEY).status_code == 200
    assert browser.get("/api/two/").status_code == 200


@pytest.mark.parametrize("path_", ["two", "two-drf"])
def test_whoever_has_no_second_factor_is_told_so(clock: Any, alice: User, path_: str) -> None:
    browser = with_methods(alice, "password")

    assert refusal(browser, f"/api/{path_}/") == MISSING


def test_the_highest_level_of_a_user_without_a_factor_is_the_first(clock: Any, alice: User) -> None:
    browser = with_methods(alice, "password")
    assert browser.get("/api/all/").status_code == 200

    clock.shift(3600)
    assert refusal(browser, "/api/all/") == REQUIRED | {"methods": ["password"]}


def test_single_sign_on_alone_is_not_the_highest_level_of_who_has_a_factor(
    clock: Any, holder: User
) -> None:
    holder.set_unusable_password()
    holder.save()
    browser = with_methods(holder, "saml")
    assert browser.get("/api/one/").status_code == 200
    assert refusal(browser, "/api/all/") == REQUIRED | {"methods": ["pin"]}

    assert reauthenticate(browser, method="pin", code=PIN).status_code == 200
    assert browser.get("/api/all/").status_code == 200


def test_the_sentence_names_the_password_only_if_that_is_what_is_asked_for(
    clock: Any, holder: User
) -> None:
    browser = with_methods(holder, "password", "pin", age=timedelta(hours=1))

    assert browser.get("/api/one/").json()["error"] == (
        "Confirm again that it is you: the last time was too long ago."
    )


def test_another_refusal_of_rest_framework_stays_what_it_is(clock: Any, alice: User) -> None:
    browser = with_methods(alice, "password")

    assert browser.get("/api/forbidding-drf/").json() == {
        "error": "Not today.",
        "code": "permission_denied",
    }


# Proofs


@pytest.mark.parametrize(
    "body",
    [
        {"method": "terms", "accept": True},
        {"method": "key", "credential": KEY},
        {"method": "password", "password": PASSWORD},
        {"method": ["pin"]},
    ],
)
def test_what_proves_nothing_or_is_not_the_users_is_not_taken(holder: User, body: Any) -> None:
    browser = with_methods(holder, "password")

    assert reauthenticate(browser, **body).json()["fields"] == {
        "method": ["This method is not offered."]
    }


def test_a_wrong_code_is_no_proof(clock: Any, holder: User) -> None:
    browser = with_methods(holder, "password", age=timedelta(hours=1))
    key = browser.session_key()

    assert reauthenticate(browser, method="pin", code="1357").status_code == 401
    assert browser.session_key() == key
    assert browser.get("/api/one/").status_code == 403


def test_a_proof_renews_the_key(holder: User) -> None:
    browser = with_methods(holder, "password")
    key = browser.session_key()

    assert reauthenticate(browser, method="pin", code=PIN).status_code == 200
    assert browser.session_key() != key
    assert browser.get("/api/told/").json() == {"assurance": 2}


@pytest.mark.parametrize("path_", ["prove", "aprove"])
def test_single_sign_on_can_prove_too(clock: Any, alice: User, path_: str) -> None:
    browser = with_methods(alice, "saml", age=timedelta(hours=1))
    assert browser.get(f"/api/{path_}/?method=mfa").status_code == 200

    assert browser.get("/api/two/").status_code == 200
    [session] = list_sessions(alice)
    assert session.methods == {"saml": NOON - timedelta(hours=1), "mfa": NOON}


def test_nobody_proves_anything_who_is_not_logged_in(browser: ApiClient, db: None) -> None:
    assert browser.get("/api/prove/?method=mfa").status_code == 401


def test_async_views_have_the_same(holder: User, browser: ApiClient) -> None:
    browser.log_in()

    assert browser.get("/api/afinish/").json() == {"user": "alice"}
    Session.objects.update(methods="{}")
    assert browser.get("/api/aprove-by-stage/").status_code == 200
    [session] = list_sessions(holder)
    assert set(session.methods) == {"pin"}


# Logins of other kinds


def logged_in(rf: Any, user: User, **how: Any) -> SessionStore:
    request = rf.post("/")
    request.session = SessionStore()
    how.setdefault("method", "saml")
    flows.log_in(request, user, **how)
    session: SessionStore = request.session
    session.save()
    return session


def test_several_methods_may_be_said(clock: Any, alice: User, rf: Any) -> None:
    session = logged_in(rf, alice, methods=["saml", "mfa"])

    assert session.info is not None
    assert session.info.methods == {"saml": NOON, "mfa": NOON}
    assert assurance(session) == 2


def test_a_login_that_was_proven_nobody_knows_when_is_not_recent(
    clock: Any, alice: User, rf: Any
) -> None:
    session = logged_in(rf, alice, methods=["saml"], recent=False)

    assert session.info is not None
    assert session.info.methods == {"saml": None}
    assert session.info.authenticated_at is None
    browser = ApiClient()
    browser.cookies["sessionid"] = str(session.session_key)
    assert browser.get(AUTH + "user/").json()["session"]["methods"] == {"saml": None}
    assert refusal(browser, "/api/one/") == REQUIRED | {"methods": ["password"]}
    assert reauthenticate(browser, password=PASSWORD).status_code == 200
    assert browser.get("/api/one/").status_code == 200


def test_it_ends_with_all_sessions_of_the_user(clock: Any, alice: User, rf: Any) -> None:
    session = logged_in(rf, alice, recent=False)
    end_sessions(alice)
    clock.shift(1)
    assert not SessionStore().exists(session.session_key)

    assert SessionStore().exists(logged_in(rf, alice, recent=False).session_key)


def test_with_a_fresh_second_factor_it_is_recent_for_one_factor(
    clock: Any, holder: User, rf: Any
) -> None:
    browser = ApiClient()
    with override_settings(ROOT_URLCONF="tests.test_assurance"):
        browser.get("/api/sso/")
    assert pin(browser).status_code == 200

    [session] = list_sessions(holder)
    assert session.methods == {"saml": None, "pin": NOON}
    assert session.authenticated_at == NOON
    assert browser.get("/api/one/").status_code == 200
    assert refusal(browser, "/api/two/") == REQUIRED | {"methods": ["password"]}


def sso(request: HttpRequest) -> HttpResponse:
    flows.log_in(request, User.objects.get(), method="saml", recent=False)
    return HttpResponse()  # pragma: no cover # a stage is due


urlpatterns.append(path("api/sso/", sso))
