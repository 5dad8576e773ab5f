"""A login of a project's own, in a view that a refusal rolls back (ATOMIC_REQUESTS)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import path

from session_auth import flows
from session_auth.exceptions import PermissionDenied
from tests import urls
from tests.api_client import AUTH, ApiClient, signed_in
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    code_of,
    half_way,
    make_codes,
    options_for,
    register,
    second_factor,
    set_up_app,
    told,
)
from tests.factors.test_attacks import WITH_TERMS, terms_are_due

pytestmark = pytest.mark.django_db(transaction=True)

OWN = "/api/own/"


def own(request: HttpRequest) -> HttpResponse:
    """Pass a stage, or refuse whatever was proven."""
    data = json.loads(request.body)
    user = flows.pass_stage(request, method=data.pop("method"), data=data)
    if request.headers.get("X-Refuse"):
        raise PermissionDenied
    return JsonResponse({"user": user.get_username()})


urlpatterns = [*urls.urlpatterns, path("api/own/", own)]


@pytest.fixture(autouse=True)
def atomic(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    with override_settings(ROOT_URLCONF=__name__):
        yield


def by_app(owner: ApiClient) -> dict[str, str]:
    return {"method": "totp", "code": code_of(set_up_app(owner))}


def by_code(owner: ApiClient) -> dict[str, str]:
    set_up_app(owner)
    return {"method": "recovery", "code": make_codes(owner)[0]}


@pytest.mark.parametrize("way", [by_app, by_code])
def test_what_was_used_up_stays_so(clock: Any, alice: User, way: Any) -> None:
    proof = way(signed_in())

    refusal = half_way().call("POST", OWN, proof, headers={"X-Refuse": "1"})
    again = second_factor(half_way(), **proof)

    assert [told(refusal), told(again)] == [
        (403, "permission_denied"),
        (401, "invalid_credentials"),
    ]


def test_a_challenge_that_was_answered_stays_so(alice: User) -> None:
    passkey = Authenticator()
    register(signed_in(), passkey)
    browser = half_way()
    options = options_for(browser, "stage")
    good, bad = passkey.get(options), passkey.get(options)
    bad["response"]["signature"] = good["response"]["clientDataJSON"]

    answers = [
        told(browser.call("POST", OWN, {"method": "passkey", "credential": credential}))
        for credential in (bad, good)
    ]

    assert answers == [(401, "invalid_credentials")] * 2


def test_a_right_code_logs_in(clock: Any, alice: User) -> None:
    proof = by_app(signed_in())
    browser = half_way()

    assert browser.call("POST", OWN, proof).status_code == 200
    assert browser.user()["username"] == "alice"


@WITH_TERMS
def test_a_login_of_several_stages_needs_another_view(clock: Any, alice: User) -> None:
    """Its refusal would roll back that the first stage was passed."""
    proof = by_app(signed_in())
    with terms_are_due():
        browser = half_way()
        with pytest.raises(ImproperlyConfigured, match="non_atomic_requests"):
            browser.call("POST", OWN, proof)

        response = browser.call("POST", AUTH + "login/second-factor/", proof)
    assert told(response) == (401, "terms_required")
