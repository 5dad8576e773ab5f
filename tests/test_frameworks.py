"""One error contract and one CSRF check: plain views, Django REST framework and Django Ninja."""

import json
import re
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

from session_auth.contrib.ninja import add_exception_handlers
from session_auth.models import Session
from tests import frameworks
from tests.api_client import PASSWORD, ApiClient
from tests.frameworks import assert_refused, raised
from tests.outage import unreachable_database

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.urls("tests.frameworks"),
    pytest.mark.usefixtures("drf_handler"),
]
ALL = ("plain", "drf", "ninja", "ninja-async")
SYNC = ("plain", "drf", "ninja")
ARTICLE = {"title": "Hello"}


@pytest.fixture
def here(alice: User, browser: ApiClient) -> ApiClient:
    browser.log_in()
    return browser


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


def test_drf_says_why_nobody_is_logged_in_where_machines_come_in_too(here: ApiClient) -> None:
    url = "/api/drf/machines/articles/"
    known = here.get(url)
    Session.objects.all().delete()
    answers = [Client().get(url), here.get(url)]

    assert known.json() == {"reader": "alice"}
    assert [answer.json()["code"] for answer in answers] == ["not_authenticated", "session_ended"]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Token, Session"}


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
