"""django-cas-ng: the CAS server logs users in, and out."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from session_auth.models import Session
from tests.api_client import ApiClient

pytestmark = pytest.mark.django_db


class CasServer:
    """What cas-ng asks of python-cas, without the network."""

    def verify_ticket(self, ticket: str) -> tuple[str, dict[str, str], None]:
        return "casuser", {}, None

    def get_saml_slos(self, request: str) -> list[Any]:
        return [SimpleNamespace(text=request)]

    def get_login_url(self) -> str:
        return "https://cas.example.org/login"


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("backends", "views"):
        monkeypatch.setattr(f"django_cas_ng.{module}.get_cas_client", lambda **kwargs: CasServer())


@pytest.fixture(params=[False, True], ids=["no session before", "a session before"])
def here(request: pytest.FixtureRequest, browser: ApiClient) -> ApiClient:
    if request.param:
        browser.get("/cas/login/?next=/api/auth/user/")  # which it keeps in the session
        assert browser.session_key()
    browser.get("/cas/login/?ticket=ST-1")
    return browser


def test_a_ticket_logs_in(here: ApiClient) -> None:
    assert here.user()["username"] == "casuser"
    assert Session.objects.count() == 1


def test_a_single_logout_ends_the_session_of_its_ticket_alone(here: ApiClient) -> None:
    other = ApiClient()
    other.get("/cas/login/?ticket=ST-2")

    Client().post("/cas/login/", {"logoutRequest": "ST-1"})

    assert here.user() is None
    assert other.user()["username"] == "casuser"
