"""One error contract and one CSRF check: plain views, Django REST framework and Django Ninja."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from ninja import NinjaAPI
from ninja.errors import ValidationError as NinjaValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from session_auth.contrib.ninja import add_exception_handlers
from session_auth.contrib.rest_framework import SessionAuthentication, exception_handler
from session_auth.models import Session
from tests import frameworks
from tests.api_client import PASSWORD, ApiClient
from tests.outage import unreachable_database

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.frameworks")]
ALL = ("plain", "drf", "ninja", "ninja-async")
SYNC = ("plain", "drf", "ninja")
ARTICLE = {"title": "Hello"}
HANDLER = "session_auth.contrib.rest_framework.exception_handler"


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    with override_settings(REST_FRAMEWORK={"EXCEPTION_HANDLER": HANDLER}):
        yield


@pytest.fixture
def here(alice: User, browser: ApiClient) -> ApiClient:
    browser.log_in()
    return browser


def raised(client: Client, framework: str, name: str) -> Any:
    return client.get(f"/api/{framework}/raise/{name}/")


def assert_refused(response: Any, status: int, error: str, code: str, **more: object) -> None:
    assert response.status_code == status
    assert response.json() == {"error": error, "code": code, **more}
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers.get("WWW-Authenticate") == ("Session" if status == 401 else None)


@pytest.mark.parametrize("framework", ALL)
def test_a_user_reads_and_writes(framework: str, here: ApiClient) -> None:
    path = f"/api/{framework}/articles/"

    assert here.get(path).json() == {"reader": "alice"}
    assert here.call("POST", path, ARTICLE).json() == {"author": "alice", **ARTICLE}


@pytest.mark.parametrize("framework", SYNC)
def test_an_authenticated_request_costs_one_statement(framework: str, here: ApiClient) -> None:
    with CaptureQueriesContext(connection) as queries:
        here.get(f"/api/{framework}/articles/")

    assert len(queries) == 1


@pytest.mark.parametrize("framework", ALL)
def test_a_caller_without_a_cookie_is_asked_to_log_in(framework: str) -> None:
    response = Client().get(f"/api/{framework}/articles/")

    assert_refused(
        response,
        401,
        "Log in first.",
        "not_authenticated",
        hint="If you have logged in, the request carried no session cookie: call fetch() with "
        "credentials: 'same-origin'.",
    )


@pytest.mark.parametrize("framework", ALL)
def test_a_caller_whose_session_has_ended_is_told_so(framework: str, here: ApiClient) -> None:
    Session.objects.all().delete()

    response = here.get(f"/api/{framework}/articles/")

    assert_refused(response, 401, "Your session has ended. Log in again.", "session_ended")


@pytest.mark.parametrize("framework", ALL)
def test_a_request_without_the_token_is_refused(framework: str, here: ApiClient) -> None:
    response = here.post(f"/api/{framework}/articles/", ARTICLE, content_type="application/json")

    assert_refused(
        response,
        403,
        "The request could not be verified. Reload the page, and try again.",
        "csrf_failed",
        hint="CSRF check failed: the token is missing. Send the value of the CSRF cookie, or the "
        "token from the csrf endpoint, in the header X-CSRFToken.",
    )


@pytest.mark.parametrize("framework", ALL)
def test_a_request_of_another_site_is_refused_whatever_it_carries(
    framework: str, here: ApiClient
) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    response = here.call("POST", f"/api/{framework}/articles/", ARTICLE, headers=headers)

    assert response.status_code == 403
    assert response.json()["code"] == "csrf_failed"


@pytest.mark.parametrize("framework", ALL)
def test_a_planted_pair_of_cookie_and_token_is_refused(framework: str, here: ApiClient) -> None:
    here.cookies["csrftoken"] = "f" * 32

    response = here.call("POST", f"/api/{framework}/articles/", ARTICLE)

    assert response.status_code == 403
    assert response.json()["code"] == "csrf_failed"


@pytest.mark.parametrize("framework", ["drf", "ninja"])
def test_their_own_check_lets_a_planted_pair_pass(framework: str, here: ApiClient) -> None:
    """What W007 and W008 warn of; if this fails, docs/frameworks.md has good news to tell."""
    here.cookies["csrftoken"] = "f" * 32

    response = here.call("POST", f"/api/{framework}/own/articles/", ARTICLE)

    assert response.json() == {"author": "alice", **ARTICLE}


@pytest.mark.parametrize("framework", SYNC)
def test_a_login_of_the_projects_own_is_checked_too(
    framework: str, alice: User, browser: ApiClient
) -> None:
    path, body = f"/api/{framework}/login/", {"username": "alice", "password": PASSWORD}

    refused = browser.post(path, body, content_type="application/json")
    foreign = browser.call("POST", path, body, headers={"Sec-Fetch-Site": "same-site"})

    assert [refused.status_code, foreign.status_code] == [403, 403]
    assert Session.objects.count() == 0
    assert browser.call("POST", path, body).json() == {"username": "alice"}
    assert browser.user()["username"] == "alice"


@pytest.mark.parametrize("framework", SYNC)
def test_a_login_of_the_projects_own_is_refused_as_ours(
    framework: str, alice: User, browser: ApiClient
) -> None:
    body = {"username": "alice", "password": "wrong"}

    response = browser.call("POST", f"/api/{framework}/login/", body)

    assert_refused(response, 401, "Invalid credentials", "invalid_credentials")


@pytest.mark.parametrize("framework", SYNC)
def test_who_has_not_logged_in_lately_is_asked_to(
    framework: str, here: ApiClient, clock: Any
) -> None:
    here.log_in()
    path = f"/api/{framework}/recent/"
    assert here.get(path).json() == {"reader": "alice"}

    clock.shift(timedelta(minutes=16))

    assert_refused(
        here.get(path),
        403,
        "Enter your password again: the last time was too long ago.",
        "reauthentication_required",
        methods=["password"],
    )
    assert Client().get(path).json()["code"] == "not_authenticated"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("framework", ALL)
def test_when_the_store_is_down_nobody_is_anonymous(framework: str, here: ApiClient) -> None:
    with unreachable_database():
        response = here.get(f"/api/{framework}/articles/")

    assert_refused(
        response,
        503,
        "Sessions are not available at the moment. Try again shortly.",
        "store_unavailable",
    )
    assert response.headers["Retry-After"] == "5"
    assert not response.cookies


@pytest.mark.parametrize("framework", ALL)
def test_what_is_no_json_is_refused(framework: str, here: ApiClient) -> None:
    response = here.call("POST", f"/api/{framework}/articles/", b"{")

    assert response.status_code == 400
    assert response.json()["code"] == "malformed_json"


@pytest.mark.parametrize("framework", ALL)
def test_a_missing_field_is_named(framework: str, here: ApiClient) -> None:
    response = here.call("POST", f"/api/{framework}/articles/", {})

    more = {"hint": "title: Field required."} if framework.startswith("ninja") else {}
    assert_refused(
        response,
        400,
        "Some fields are missing or not valid.",
        "invalid_request",
        fields={"title": ["This field is required."]},
        **more,
    )


@pytest.mark.parametrize("framework", SYNC)
def test_what_is_not_there_is_404(framework: str, here: ApiClient) -> None:
    response = raised(here, framework, "missing")

    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


@pytest.mark.parametrize("framework", ["drf", "ninja"])
def test_what_is_not_allowed_is_403(framework: str, here: ApiClient) -> None:
    plain, explained = (raised(here, framework, name) for name in ("forbidden", "why-forbidden"))

    assert [plain.status_code, explained.status_code] == [403, 403]
    assert plain.json()["code"] == "permission_denied"
    assert plain.json()["error"].endswith(".")
    assert explained.json() == {"error": "Only editors may do this.", "code": "permission_denied"}


@pytest.mark.parametrize("framework", ["drf", "ninja"])
def test_an_exception_of_ours_is_answered_as_anywhere(framework: str, here: ApiClient) -> None:
    response = raised(here, framework, "refused")

    assert response.status_code == 409
    assert response.json()["code"] == "user_changed"


@pytest.mark.parametrize("framework", ["drf", "ninja"])
def test_what_is_throttled_says_until_when(framework: str, here: ApiClient) -> None:
    response = here.get(f"/api/{framework}/throttled/")

    assert response.status_code == 429
    assert response.json()["code"] == "throttled"
    assert response.headers["Retry-After"] == str(frameworks.WAIT)


@pytest.mark.parametrize("framework", ["drf", "ninja"])
def test_a_fault_is_no_refusal(framework: str, here: ApiClient) -> None:
    with pytest.raises(RuntimeError, match="The view fails"):
        raised(here, framework, "broken")


# Django REST framework


def test_drf_without_the_handler_answers_refusals_too(here: ApiClient) -> None:
    with override_settings(REST_FRAMEWORK={}):
        response = here.post("/api/drf/articles/", ARTICLE, content_type="application/json")

    assert response.status_code == 403
    assert response.json()["code"] == "csrf_failed"


@pytest.mark.django_db(transaction=True)
def test_drf_undoes_what_a_refused_request_has_done(
    here: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    response = here.get("/api/drf/rename-and-refuse/")

    alice.refresh_from_db()
    assert response.json()["code"] == "user_changed"
    assert alice.first_name == ""


def test_drf_asks_for_a_login_as_recent_as_the_view_says(here: ApiClient, clock: Any) -> None:
    here.log_in()
    clock.shift(timedelta(minutes=6))

    assert here.get("/api/drf/recent/").status_code == 200
    assert here.get("/api/drf/recent-5/").json()["code"] == "reauthentication_required"


def test_a_machine_gets_its_token_without_one_for_csrf(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As REST framework's ``ObtainAuthToken``, whose app need not be installed."""

    class ObtainAuthToken(APIView):
        authentication_classes = (SessionAuthentication,)

        def get_exception_handler(self) -> Any:
            return exception_handler

        def post(self, request: Request) -> Response:
            return Response({"user": str(request.user)})

    post = RequestFactory().post
    assert ObtainAuthToken.as_view()(post("/")).status_code == 403

    monkeypatch.setattr(ObtainAuthToken, "__module__", "rest_framework.authtoken.views")

    assert ObtainAuthToken.as_view()(post("/")).data == {"user": "AnonymousUser"}


def test_drf_methods_that_are_not_there_are_named(here: ApiClient) -> None:
    response = here.call("DELETE", "/api/drf/articles/")

    hint = 'Method "DELETE" not allowed.'
    assert_refused(response, 405, "This cannot be done here.", "method_not_allowed", hint=hint)
    assert response.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_ninjas_methods_that_are_not_there_are_named(here: ApiClient) -> None:
    response = here.call("DELETE", "/api/ninja/articles/")

    allowed = response.headers["Allow"]
    hint = f"This method is not allowed here. Use {allowed}."
    assert_refused(response, 405, "This cannot be done here.", "method_not_allowed", hint=hint)
    assert set(allowed.split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("message", {"__all__": ["The article is closed."]}),
        ("field", {"title": ["Too long."]}),
        ("nested", {"lines.1.title": ["Too long."], "__all__": ["The article is closed."]}),
    ],
)
def test_drf_messages_go_by_their_fields(
    name: str, fields: dict[str, list[str]], here: ApiClient
) -> None:
    response = raised(here, "drf", name)

    assert_refused(
        response,
        400,
        "Some fields are missing or not valid.",
        "invalid_request",
        fields=fields,
    )


@pytest.mark.parametrize(("name", "body"), [("own", {"reason": "teapot"}), ("list", ["teapot"])])
def test_drf_bodies_of_somebody_elses_form_are_left_alone(
    name: str, body: object, here: ApiClient
) -> None:
    response = raised(here, "drf", name)

    assert response.status_code == 500
    assert response.json() == body


def test_drf_views_that_say_nobody_is_logged_in_are_believed(here: ApiClient) -> None:
    response = raised(here, "drf", "nobody")

    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"
    assert response.headers["WWW-Authenticate"] == "Session"


def test_drf_views_that_ask_for_no_session_are_told_of_none() -> None:
    response = raised(Client(), "drf", "nobody")
    without = Client().get("/api/drf/raise-without-sessions/nobody/")

    assert "credentials: 'same-origin'" in response.json()["hint"]
    assert without.status_code == 403
    assert without.json() == {
        "error": "Log in first.",
        "code": "not_authenticated",
        "hint": "Authentication credentials were not provided.",
    }


def test_drf_failures_of_another_scheme_keep_their_code(here: ApiClient) -> None:
    response = raised(here, "drf", "failed")

    assert_refused(response, 401, "The token is not known.", "authentication_failed")


# Django Ninja


@pytest.mark.parametrize(
    ("name", "status", "error", "code"),
    [
        ("not-known", 401, "Log in first.", "not_authenticated"),
        ("http-400", 400, "This is no date.", "invalid_request"),
        ("http-401", 401, "The token is not known.", "not_authenticated"),
        ("http-404", 404, "No such article.", "not_found"),
        ("http-418", 418, "A teapot.", "error"),
    ],
)
def test_ninja_errors_keep_their_status(
    name: str, status: int, error: str, code: str, here: ApiClient
) -> None:
    response = raised(here, "ninja", name)

    assert_refused(response, status, error, code)


def test_ninja_names_what_is_wrong_in_a_query(here: ApiClient) -> None:
    response = here.get("/api/ninja/page/?number=x")

    assert response.status_code == 400
    assert list(response.json()["fields"]) == ["number"]


def test_ninja_leaves_unchecked_what_its_view_exempts(here: ApiClient) -> None:
    response = here.post("/api/ninja/unchecked/", {}, content_type="application/json")

    assert response.json() == {"author": "alice"}


# In German


@pytest.mark.parametrize("framework", ["drf", "ninja"])
def test_a_german_site_is_answered_in_german(framework: str, here: ApiClient) -> None:
    apps = [*settings.INSTALLED_APPS, "rest_framework"]  # which has a catalogue of its own
    with override_settings(LANGUAGE_CODE="de", INSTALLED_APPS=apps):
        missing = here.call("POST", f"/api/{framework}/articles/", {})
        wrong = here.call("POST", f"/api/{framework}/articles/", {"title": [1]})
        unread = here.call("POST", f"/api/{framework}/articles/", b"{")
        nowhere = raised(here, framework, "missing")
        unknown = Client().get(f"/api/{framework}/articles/")

    told = [response.json() for response in (missing, wrong, unread, nowhere, unknown)]
    for body in told:
        texts = [body["error"], *(t for ts in body.get("fields", {}).values() for t in ts)]
        assert not re.search(r"\b(the|is|field|valid|not)\b", " ".join(texts), re.IGNORECASE)


def test_drf_says_in_german_how_long_to_wait(here: ApiClient) -> None:
    apps = [*settings.INSTALLED_APPS, "rest_framework"]
    with override_settings(LANGUAGE_CODE="de", INSTALLED_APPS=apps):
        response = here.get("/api/drf/throttled/")

    assert response.json()["error"] == (
        "Die Anfrage wurde gedrosselt. Erwarte Verfügbarkeit in 7 Sekunden."
    )


@pytest.mark.parametrize(
    ("kind", "message", "told"),
    [
        ("int_parsing", "Input should be a valid integer", "Enter a whole number."),
        ("decimal_type", "Decimal input should be a string", "Enter a number."),
        (
            "datetime_from_date_parsing",
            "Input should be a valid datetime",
            "Enter a valid date/time.",
        ),
        ("model_attributes_type", "Input should be a dictionary", "Must be an object."),
        ("value_error", "Value error, No such town.", "No such town."),
        ("string_too_short", "String should have at least 3 characters", "Enter a valid value."),
    ],
)
def test_what_pydantic_says_is_told_to_people(kind: str, message: str, told: str) -> None:
    error = NinjaValidationError([{"type": kind, "msg": message, "loc": ("body", "it", "a")}])

    api = NinjaAPI(urls_namespace=kind)
    add_exception_handlers(api)
    response = api.on_exception(RequestFactory().get("/"), error)

    body = json.loads(response.content)

    assert (body["fields"], body["hint"]) == ({"a": [told]}, f"a: {message}.")
