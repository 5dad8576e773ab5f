"""What docs/subdomains.md, webviews.md and servers-in-front.md say of origins is what happens."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings

from tests.api_client import PASSWORD

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = "https://app.example.org"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("alice")]


def log_in(secure: bool = True, **headers: str) -> Any:
    """Do what the snippets of the pages do: ask for a token, and log in with it."""
    client = Client(enforce_csrf_checks=True, headers=headers)
    asked = client.get("/api/auth/csrf/", secure=secure)
    token = asked.json().get("csrfToken", "")
    return client.post(
        "/api/auth/login/",
        {"username": "alice", "password": PASSWORD},
        content_type="application/json",
        secure=secure,
        headers={"X-CSRFToken": token},
    )


@pytest.mark.parametrize(("trusted", "status"), [([PAGES], 200), ([], 403)])
def test_a_page_on_a_subdomain_logs_in_where_its_origin_is_trusted(
    trusted: list[str], status: int
) -> None:
    with override_settings(CSRF_TRUSTED_ORIGINS=trusted, ALLOWED_HOSTS=["api.example.org"]):
        answer = log_in(host="api.example.org", origin=PAGES, sec_fetch_site="same-site")

    assert answer.status_code == status


def test_an_app_without_pages_says_which_site_it_means() -> None:
    assert log_in(origin="https://testserver").status_code == 200
    assert log_in().json()["code"] == "csrf_failed"


def test_the_pages_of_an_app_are_refused_with_the_message_of_the_docs() -> None:
    answer = log_in(origin="capacitor://localhost", sec_fetch_site="cross-site")

    told = answer.json()["hint"].replace("testserver", "example.org")
    assert told in (DOCS / "webviews.md").read_text()


def test_a_server_asks_with_the_cookies_of_a_visitor_as_node_sends_them() -> None:
    visitor = Client()
    visitor.login(username="alice", password=PASSWORD)
    server = Client(
        headers={"Sec-Fetch-Mode": "cors", "Accept-Language": "*", "User-Agent": "node"}
    )
    cookies = f"sessionid={visitor.cookies['sessionid'].value}"

    answer = server.get(
        "/api/auth/user/", headers={"Cookie": cookies, "Session-Activity": "passive"}
    )

    assert answer.json()["user"]["username"] == "alice"


@pytest.mark.parametrize(
    ("believed", "headers", "status"),
    [
        (False, {}, 403),
        (False, {"sec_fetch_site": "same-origin"}, 200),
        (True, {}, 200),
    ],
)
def test_a_server_in_front_may_have_another_name(
    believed: bool, headers: dict[str, str], status: int
) -> None:
    seen = {"host": "127.0.0.1:8000", "x_forwarded_host": "shop.test:3000"}
    with override_settings(USE_X_FORWARDED_HOST=believed, ALLOWED_HOSTS=["127.0.0.1", "shop.test"]):
        answer = log_in(secure=False, origin="http://shop.test:3000", **seen, **headers)

    assert answer.status_code == status
