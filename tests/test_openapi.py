"""The OpenAPI document says what this project's endpoints take and answer: no less, and no more."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from typing import Any, ClassVar, TypedDict

import pytest
from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import AbstractBaseUser, User
from django.core.management import call_command
from django.test import override_settings
from django.urls import include, path, re_path
from ninja import NinjaAPI

from session_auth import exceptions
from session_auth.contrib.ninja import SessionAuth
from session_auth.exceptions import NotFound
from session_auth.http import FormView, JSONView
from session_auth.openapi import add_endpoints, document
from session_auth.operations import Caller, Operation
from session_auth.stages import Method
from session_auth.urls import urlpatterns as endpoints
from session_auth.views import LoginView, OpenAPIView, PasswordResetView, UserView
from tests.api_client import AUTH, ApiClient, signed_in
from tests.stages import SecondFactor

TEXT = {"type": "string"}
STORABLE = {"type": "string", "pattern": r"^[^\x00]*$"}


def codes(operation: Mapping[str, Any], status: int) -> Any:
    """Return the codes of an answer; ``None`` if it may have any."""
    answer = operation["responses"][str(status)]
    if "$ref" in answer:
        answer = document()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema = answer["content"]["application/json"]["schema"]
    return schema["properties"]["code"].get("enum")


def operation_at(url: str, method: str = "post") -> Any:
    return document()["paths"][url][method]


def body_at(url: str) -> Any:
    return operation_at(url)["requestBody"]["content"]["application/json"]["schema"]


class TenantForm(AuthenticationForm):
    tenant = forms.CharField(max_length=20, help_text="Your company.")
    seats = forms.IntegerField(min_value=1, required=False)
    note = forms.CharField(required=False)
    team = forms.MultipleChoiceField(choices=[("a", "A")], required=False)


class VerifiedForm(AuthenticationForm):
    error_messages = {  # noqa: RUF012 # as Django's form has it
        **AuthenticationForm.error_messages,
        "email_not_verified": "Verify your address first.",
    }


class Vote(TypedDict):
    title: str


class VoteForm(forms.Form):
    title = forms.CharField(min_length=3)


class VoteView(FormView):
    """``POST vote/<id>/``: a vote. ``PUT``: nobody may."""

    form_class = VoteForm
    operations: Mapping[str, Operation] = {
        "post": Operation(answer=Vote, caller=Caller.USER, refusals=(NotFound,))
    }


class ShownView(UserView):
    """What it shows of a user is its own."""

    def describe_user(self, user: AbstractBaseUser) -> dict[str, Any]:
        return {"name": str(user)}


class ShownLogin(LoginView):
    describe_user = ShownView.describe_user


class Undescribed(JSONView):
    """It has no ``operations``."""


urlpatterns = [
    path("api/auth/login/", LoginView.as_view(form_class=TenantForm)),
    path("api/verified/", LoginView.as_view(form_class=VerifiedForm)),
    path("api/auth/openapi.json", OpenAPIView.as_view(is_public=True)),
    path("api/auth/", include("session_auth.urls")),
    re_path(r"^api/votes/(?P<vote_id>[0-9]{1,9})/$", VoteView.as_view(), name="vote"),
    path("api/shown/", ShownView.as_view()),
    path("api/shown-login/", ShownLogin.as_view()),
    path("api/undescribed/", Undescribed.as_view()),
]
own_urls = override_settings(ROOT_URLCONF="tests.test_openapi")


def test_each_method_of_each_endpoint_is_in_it() -> None:
    shown = {
        (url, method.upper()) for url, methods in document()["paths"].items() for method in methods
    }

    there = {
        ("/api/auth/" + str(pattern.pattern).replace("<str:session_id>", "{session_id}"), name)
        for pattern in endpoints
        for name in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if hasattr(pattern.callback.view_class, name.lower())  # type: ignore[attr-defined] # of as_view()
        and issubclass(pattern.callback.view_class, JSONView)  # type: ignore[attr-defined] # likewise
    }
    assert shown == there


def test_no_code_is_missing_and_none_is_invented() -> None:
    classes = [each for each in vars(exceptions).values() if isinstance(each, type)]
    there = {vars(each)["code"] for each in classes if "code" in vars(each)}

    assert document()["components"]["schemas"]["ErrorCode"]["enum"] == sorted(map(str, there))


def test_what_an_operation_may_refuse_is_in_the_list_of_all_codes() -> None:
    shown = document()

    told = json.dumps(shown["paths"]) + json.dumps(shown["components"]["responses"])
    everything = set(shown["components"]["schemas"]["ErrorCode"]["enum"])
    for methods in shown["paths"].values():
        for operation in methods.values():
            for status in operation["responses"]:
                assert int(status) < 400 or set(codes(operation, int(status))) <= everything
    for name in everything - {"https_required", "second_factor_missing", "login_expired"}:
        assert f'"{name}"' in told or name in {"second_factor_required", "unknown_passkey"}, name


def test_the_codes_of_a_login() -> None:
    login = operation_at("/api/auth/login/")

    assert codes(login, 400) == ["invalid_request", "malformed_json"]
    assert codes(login, 401) == ["invalid_credentials", "session_ended"]
    assert codes(login, 403) == ["csrf_failed"]
    assert codes(login, 429) == ["throttled"]
    assert login["responses"]["429"]["$ref"].endswith("/Throttled")


def headers_of(url: str, status: str, method: str = "post") -> set[str]:
    """Return the headers that an answer always has."""
    shown = document()
    answer = shown["paths"][url][method]["responses"][status]
    if "$ref" in answer:
        answer = shown["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    known = shown["components"]["headers"]
    named = {name: each["$ref"].rpartition("/")[2] for name, each in answer["headers"].items()}
    return {name for name, each in named.items() if known[each].get("required")}


def test_the_headers_of_an_answer() -> None:
    always = {"Cache-Control", "Vary"}

    assert headers_of("/api/auth/login/", "200") == always | {"Set-Cookie"}
    assert headers_of("/api/auth/login/", "401") == always | {"WWW-Authenticate"}
    assert headers_of("/api/auth/login/", "429") == always | {"Retry-After"}
    assert headers_of("/api/auth/login/", "503") == always | {"Retry-After"}
    assert headers_of("/api/auth/password/change/", "200") == always | {"Set-Cookie"}
    assert headers_of("/api/auth/logout/", "200") == always
    assert headers_of("/api/auth/sessions/{session_id}/", "204", "delete") == always
    user = operation_at("/api/auth/user/", "get")["responses"]
    assert set(user["200"]["headers"]) == always | {"Session-User", "Set-Cookie"}
    changed = document()["components"]["responses"]["UserChanged"]
    assert set(changed["headers"]) == always | {"Set-Cookie"}


@pytest.mark.django_db
@pytest.mark.usefixtures("alice")
def test_the_headers_that_any_call_may_have() -> None:
    named = {each["name"] for each in document()["components"]["parameters"].values()}
    assert named == {"Session-User", "Session-Activity"}
    browser = signed_in()
    shown = browser.get(AUTH + "user/").json()["session"]["user_ref"]

    for value, status in ((shown, 200), ("none", 409)):
        answer = browser.get(AUTH + "sessions/", headers={"Session-User": value})
        assert answer.status_code == status
        assert str(status) in operation_at("/api/auth/sessions/", "get")["responses"]


@override_settings(
    SESSION_COOKIE_NAME="__Host-sessionid",
    CSRF_COOKIE_NAME="__Host-csrftoken",
    CSRF_HEADER_NAME="HTTP_X_XSRF_TOKEN",
    SECURE_SSL_REDIRECT=True,
)
def test_it_has_the_names_of_the_project() -> None:
    schemes = document()["components"]["securitySchemes"]

    assert {name: (each["in"], each["name"]) for name, each in schemes.items()} == {
        "session": ("cookie", "__Host-sessionid"),
        "csrf": ("header", "X-Xsrf-Token"),
    }
    assert "__Host-csrftoken" in schemes["csrf"]["description"]
    cookies = document()["components"]["headers"]["Cookies"]["description"]
    assert "`__Host-sessionid`" in cookies
    assert "`__Host-csrftoken`" in cookies
    assert "https_required" in codes(operation_at("/api/auth/user/", "get"), 403)


@override_settings(CSRF_USE_SESSIONS=True)
def test_without_a_csrf_cookie_the_token_is_from_the_last_answer() -> None:
    assert "csrfToken" in document()["components"]["securitySchemes"]["csrf"]["description"]
    assert "csrftoken" not in document()["components"]["headers"]["Cookies"]["description"]


def test_what_a_call_has_to_bring_along() -> None:
    assert operation_at("/api/auth/csrf/", "get")["security"] == []
    assert operation_at("/api/auth/user/", "get")["security"] == [{"session": []}, {}]
    assert operation_at("/api/auth/login/")["security"] == [{"csrf": []}]
    assert operation_at("/api/auth/sessions/", "delete")["security"] == [
        {"session": [], "csrf": []}
    ]


@override_settings(SESSION_AUTH_CSRF="headers")
def test_no_token_has_to_be_there_where_headers_are_enough() -> None:
    change = operation_at("/api/auth/password/change/")

    assert change["security"] == [{"session": [], "csrf": []}, {"session": []}]


@own_urls
def test_a_body_is_what_the_form_declares() -> None:
    body = body_at("/api/auth/login/")

    assert body["properties"] == {
        "username": {**STORABLE, "minLength": 1},
        "password": {**STORABLE, "minLength": 1, "format": "password"},
        "tenant": {**STORABLE, "description": "Your company.", "minLength": 1, "maxLength": 20},
        "seats": {"type": "integer", "minimum": 1},
        "note": STORABLE,
        "team": {"type": "array", "items": STORABLE},
        "remember": {"type": "boolean"},
    }
    assert body["required"] == ["username", "password", "tenant"]
    assert body["additionalProperties"] is False


@own_urls
def test_a_form_of_the_projects_has_its_own_codes() -> None:
    assert codes(operation_at("/api/auth/login/"), 400) is None  # clean() may have any
    assert codes(operation_at("/api/verified/"), 400) == [
        *("email_not_verified", "invalid_request", "malformed_json"),
    ]


@own_urls
def test_a_view_of_the_projects_is_in_it_if_it_says_what_it_answers() -> None:
    vote = document()["paths"]["/api/votes/{vote_id}/"]

    assert vote["post"]["parameters"] == [
        {"name": "vote_id", "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}},
        {"$ref": "#/components/parameters/SessionActivity"},
        {"$ref": "#/components/parameters/SessionUser"},
    ]
    assert vote["post"]["operationId"] == "vote_post"
    assert vote["post"]["summary"] == "A vote"
    assert codes(vote["post"], 404) == ["not_found"]
    assert body_at("/api/votes/{vote_id}/")["properties"] == {"title": {**STORABLE, "minLength": 3}}
    assert "/api/undescribed/" not in document()["paths"]


@own_urls
@pytest.mark.parametrize(
    ("url", "method", "shown"),
    [
        ("/api/shown/", "get", {"type": ["object", "null"]}),
        ("/api/shown-login/", "post", {"type": "object"}),
    ],
)
def test_a_view_that_shows_another_user_says_so(url: str, method: str, shown: object) -> None:
    answer = operation_at(url, method)["responses"]["200"]["content"]["application/json"]

    assert ShownView().describe_user(User(username="alice")) == {"name": "alice"}
    assert answer["schema"]["properties"]["user"] == shown


def test_what_a_refusal_of_a_view_adds_is_in_it() -> None:
    class Odd(PasswordResetView):
        operations: Mapping[str, Operation] = {
            "post": replace(PasswordResetView.operations["post"], refusals=(NotFound,)),
        }
        describe_user = ShownView.describe_user

    odd = type("odd", (), {"urlpatterns": [path("odd/", Odd.as_view())]})
    with override_settings(ROOT_URLCONF=odd):
        assert codes(operation_at("/odd/"), 404) == ["not_found"]


@pytest.mark.usefixtures("stages")
def test_stages_have_their_methods_and_codes() -> None:
    second, proof = (f"/api/auth/{name}/" for name in ("login/second-factor", "reauthenticate"))

    assert set(codes(operation_at("/api/auth/login/"), 401)) == {
        *("invalid_credentials", "session_ended"),
        *("second_factor_required", "terms_required"),
    }
    assert "permission_denied" in codes(operation_at("/api/auth/login/"), 403)
    assert body_at(second)["required"] == ["method"]
    assert set(body_at(second)["properties"]["method"]["enum"]) > set(
        body_at(proof)["properties"]["method"]["enum"]
    )
    assert "password" in body_at(proof)["properties"]
    assert operation_at(proof)["requestBody"]["required"]  # {} at least: nothing is no JSON


class Numbered(forms.Form):
    code = forms.IntegerField()


class Lettered(forms.Form):
    code = forms.CharField(max_length=3)


class Odds(SecondFactor):
    methods: ClassVar[Mapping[str, Method]] = {
        "numbered": Method(form_class=Numbered),
        "lettered": Method(form_class=Lettered),
        "long": Method(form_class=type("Long", (forms.Form,), {"code": forms.CharField()})),
    }


@override_settings(SESSION_AUTH_STAGES=["tests.test_openapi.Odds"])
def test_a_key_that_methods_take_differently_is_as_wide_as_they_are() -> None:
    shown = body_at("/api/auth/login/second-factor/")

    assert shown["properties"]["code"] == {}
    assert shown["required"] == ["code", "method"]


@pytest.mark.django_db
def test_staff_alone_may_read_it(alice: User) -> None:
    assert ApiClient().get(AUTH + "openapi.json").json()["code"] == "not_authenticated"
    browser = signed_in()
    assert browser.get(AUTH + "openapi.json").json()["code"] == "permission_denied"
    alice.is_staff = True
    alice.save()

    assert browser.get(AUTH + "openapi.json").json() == document()


@pytest.mark.parametrize("changed", [{"DEBUG": True}, {"ROOT_URLCONF": "tests.test_openapi"}])
def test_anybody_may_read_it_under_debug_or_where_the_project_says_so(changed: Any) -> None:
    with override_settings(**changed):
        response = ApiClient().get(AUTH + "openapi.json")

    assert response.status_code == 200


def test_the_command_prints_it() -> None:
    out = StringIO()
    call_command("session_auth_openapi", stdout=out)

    assert json.loads(out.getvalue()) == document()


def test_the_endpoints_are_added_to_the_document_of_a_project() -> None:
    own = {"summary": "The project's."}
    cookie = {"type": "apiKey", "in": "cookie", "name": "sessionid"}
    ways: list[dict[str, list[str]]] = [{"cookieAuth": []}, {"keyAuth": []}]
    note = {"get": {"security": [{"cookieAuth": []}]}, "post": {"security": ways}}
    merged = add_endpoints(
        {
            "paths": {"/api/note/": note, "/api/auth/csrf/": {"get": own}},
            "components": {
                "schemas": {"User": {"type": "object"}},
                "securitySchemes": {"cookieAuth": cookie, "keyAuth": {"type": "http"}},
            },
        }
    )

    assert merged["paths"]["/api/auth/csrf/"] == {"get": own}
    assert merged["paths"]["/api/note/"]["get"]["security"] == [{"cookieAuth": []}]
    assert ways == [{"cookieAuth": [], "csrf": []}, {"keyAuth": []}]
    assert merged["components"]["schemas"]["User"] == {"type": "object"}
    assert set(merged["components"]["securitySchemes"]) == {
        *("cookieAuth", "keyAuth", "session", "csrf"),
    }
    for kind, name in re.findall(r'"#/components/(\w+)/(\w+)"', json.dumps(merged)):
        assert name in merged["components"][kind]


def test_they_are_a_document_alone_too() -> None:
    assert set(add_endpoints({})["paths"]) == set(document()["paths"])


def test_ninja_takes_them() -> None:
    api = NinjaAPI(auth=SessionAuth(), urls_namespace="openapi")
    api.post("/note/")(lambda request: None)

    merged = add_endpoints(api.get_openapi_schema(path_prefix="/api/"))

    [way] = merged["paths"]["/api/note/"]["post"]["security"]
    assert set(way) == {"SessionAuth", "csrf"}
