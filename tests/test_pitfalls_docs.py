"""Each message that the page about pitfalls quotes is what comes of walking into the pit.

Those of the JavaScript client, which begin with the name of an error, are tested in js/test.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client, override_settings
from django.urls import URLPattern, path
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView

from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.clock import NOON
from tests.doctor_site import SETTINGS, doctor, served
from tests.guessing import caller, guess

urlpatterns: list[URLPattern] = []  # of a project that includes none of ours
pytestmark = pytest.mark.django_db(transaction=True)

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "pitfalls.md").read_text()
PITFALLS = {
    heading: re.findall(r"^> (.*)$", text, re.MULTILINE)
    for heading, text in re.findall(r"^### (.*?)\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
}
LOGIN = AUTH + "login/"
CREDENTIALS = {"username": "alice", "password": PASSWORD}
BEHIND_PROXY = {"SECURE_PROXY_SSL_HEADER": None, "SESSION_AUTH_TRUSTED_PROXIES": ["127.0.0.1"]}


def answer(response: Any) -> str:
    body = response.json()
    told = f"{response.status_code} `{body['code']}`: {body.get('hint', body['error'])}"
    return told.replace("testserver", "example.org")  # the page has a host that readers know


def check(found_id: str, *, deploy: bool = False, **settings: Any) -> str:
    """Return what the check says of these settings."""
    with override_settings(**settings):
        found = {message.id: message for message in run_checks(include_deployment_checks=deploy)}
    return f"`{found_id}`: {found[found_id].msg}"


def no_cookie(browser: ApiClient, **fixtures: Any) -> list[str]:
    headers = {"X-CSRFToken": "a" * 64}
    login = browser.post(LOGIN, CREDENTIALS, "application/json", headers=headers)
    return [answer(login), answer(browser.get("/api/private/"))]


def another_origin(browser: ApiClient, **fixtures: Any) -> list[str]:
    headers = {"Origin": "http://localhost:3000"}
    return [answer(browser.call("POST", LOGIN, CREDENTIALS, headers=headers))]


def no_token(browser: ApiClient, **fixtures: Any) -> list[str]:
    browser.get(AUTH + "csrf/")
    return [answer(browser.post(LOGIN, CREDENTIALS, "application/json"))]


def old_token(browser: ApiClient, **fixtures: Any) -> list[str]:
    browser.get(AUTH + "csrf/")
    headers = {"X-CSRFToken": browser.csrf_token()}
    browser.log_in()
    return [answer(browser.call("POST", AUTH + "logout/", headers=headers))]


def hidden_token(**fixtures: Any) -> list[str]:
    hidden: dict[str, Any] = {"CSRF_COOKIE_HTTPONLY": True, "ROOT_URLCONF": __name__}
    return [check("session_auth.E103", deploy=True, **hidden)]


def refused_cookie(browser: ApiClient, **fixtures: Any) -> list[str]:
    named: dict[str, Any] = {"SESSION_COOKIE_NAME": "__Host-sessionid"}
    browser.log_in()
    del browser.cookies["sessionid"]  # which the browser did not take
    return [answer(browser.get("/api/private/")), check("session_auth.E009", **named)]


def two_cookies(**fixtures: Any) -> list[str]:
    return [answer(Client(headers={"Cookie": "sessionid=a; sessionid=b"}).get(AUTH + "user/"))]


def changed_host(browser: ApiClient, **fixtures: Any) -> list[str]:
    headers = {"Origin": "http://localhost:5173", "Host": "localhost:8000"}
    return [answer(browser.call("POST", LOGIN, CREDENTIALS, headers=headers))]


def unknown_host(browser: ApiClient, **fixtures: Any) -> list[str]:
    return [answer(browser.get(AUTH + "user/", headers={"Host": "192.168.1.5:8000"}))]


def unseen_https(browser: ApiClient, certificate: Path, **fixtures: Any) -> list[str]:
    headers = {"Origin": "https://testserver"}
    refused = answer(browser.call("POST", LOGIN, CREDENTIALS, headers=headers))
    with (
        override_settings(**SETTINGS),
        served(certificate, drops=["X-Forwarded-Proto"]) as url,
    ):
        [finding] = [f for f in doctor(url, certificate) if f["id"] == "csrf.accepted"]
    seen = re.sub(r"localhost:\d+", "localhost:PORT", finding["seen"])
    told = f"{finding['level'].upper()} `{finding['id']}`: {finding['subject']}: {seen}"
    return [refused, check("session_auth.I101", deploy=True, **BEHIND_PROXY), told]


def misspelt_origin(**fixtures: Any) -> list[str]:
    return [check("session_auth.E010", CSRF_TRUSTED_ORIGINS=["https://app.example.org/"])]


def no_referrer(browser: ApiClient, **fixtures: Any) -> list[str]:
    refused = browser.call("POST", LOGIN, CREDENTIALS, secure=True)
    return [check("session_auth.W006", SECURE_REFERRER_POLICY="no-referrer"), answer(refused)]


def no_json(browser: ApiClient, **fixtures: Any) -> list[str]:
    form = "application/x-www-form-urlencoded"
    return [
        answer(browser.call("POST", LOGIN, b"username=alice", CONTENT_TYPE=form)),
        answer(browser.call("POST", LOGIN, b"[object Object]")),
    ]


def other_field(**fixtures: Any) -> list[str]:
    body = {"oldPassword": PASSWORD, "newPassword": "another long password"}
    response = signed_in().call("POST", AUTH + "password/change/", body)
    assert "oldPassword" in response.json()["fields"]
    return [answer(response)]


def no_slash(browser: ApiClient, **fixtures: Any) -> list[str]:
    redirect = browser.call("POST", AUTH + "login", CREDENTIALS)
    return [answer(browser.get(redirect.headers["Location"]))]  # as a browser follows it


def no_image(browser: ApiClient, **fixtures: Any) -> list[str]:
    return [answer(browser.get(AUTH + "user/", headers={"Sec-Fetch-Dest": "image"}))]


def long_ago(clock: Any, **fixtures: Any) -> list[str]:
    browser = signed_in()
    clock.move_to(NOON + timedelta(minutes=16))
    return [answer(browser.call("DELETE", AUTH + "sessions/"))]


def somebody_else(browser: ApiClient, bob: User, **fixtures: Any) -> list[str]:
    browser.log_in("bob")
    reference = browser.get(AUTH + "user/").json()["session"]["user_ref"]
    browser.log_in()
    return [answer(browser.call("POST", "/api/echo/", headers={"Session-User": reference}))]


def seldom_seen(clock: Any, **fixtures: Any) -> list[str]:
    browser = signed_in()
    timeouts: dict[str, Any] = {
        "SESSION_AUTH_IDLE_TIMEOUT": timedelta(minutes=5),
        "SESSION_AUTH_LAST_SEEN_INTERVAL": timedelta(minutes=10),
    }
    with override_settings(**timeouts):
        clock.move_to(NOON + timedelta(minutes=4))
        assert browser.get("/api/private/").status_code == 200
        clock.move_to(NOON + timedelta(minutes=6))
        return [answer(browser.get("/api/private/")), check("session_auth.E013", **timeouts)]


def one_address(**fixtures: Any) -> list[str]:
    proxy = {"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}
    with override_settings(SESSION_AUTH_GUESSES_PER_ADDRESS=1):
        guess(caller(), 2, "bob")
        refused = caller().log_in()
    return [answer(refused), check("session_auth.W103", deploy=True, **proxy)]


def another_framework(browser: ApiClient, **fixtures: Any) -> list[str]:
    class Articles(APIView):
        authentication_classes = (SessionAuthentication,)
        permission_classes = (IsAuthenticated,)

    class Urls:
        urlpatterns = (path("api/articles/", Articles.as_view()),)

    with override_settings(ROOT_URLCONF=Urls):
        response = browser.get("/api/articles/")
    assert response.status_code == 403
    assert response.content.decode() in PAGE.replace('": "', '":"')
    return [check("session_auth.W007", ROOT_URLCONF=Urls)]


WALKS: dict[str, Callable[..., list[str]]] = {
    "The browser sends no cookie": no_cookie,
    "The page is on another origin": another_origin,
    "The token is missing": no_token,
    "The token is old": old_token,
    "Scripts find no token": hidden_token,
    "The login succeeds, and nobody is logged in": refused_cookie,
    "All requests are refused with 400": two_cookies,
    "Every POST is refused in development": changed_host,
    "Every POST is refused behind the proxy": unseen_https,
    "Another name of the site is refused": unknown_host,
    "A trusted origin is not trusted": misspelt_origin,
    "Forms are refused, scripts are not": no_referrer,
    "The body is no JSON": no_json,
    "A field has another name": other_field,
    "The slash at the end is missing": no_slash,
    "An endpoint is no image": no_image,
    "Nobody is logged in, and the answer is 403": another_framework,
    "A call asks for the password again": long_ago,
    "The tab shows somebody else": somebody_else,
    "Users are logged out while they work": seldom_seen,
    "Everybody waits when one user mistypes a password": one_address,
}


def of_the_server(quotes: list[str]) -> list[str]:
    return [quote for quote in quotes if not re.match(r"`\w*Error: ", quote)]


@pytest.mark.parametrize("heading", WALKS)
def test_who_walks_into_a_pit_reads_what_the_page_quotes(
    heading: str, browser: ApiClient, alice: User, bob: User, clock: Any, certificate: Path
) -> None:
    messages = WALKS[heading](browser=browser, bob=bob, clock=clock, certificate=certificate)

    assert of_the_server(PITFALLS[heading]) == messages


def test_each_quote_is_one_that_a_test_has_seen() -> None:
    assert {heading for heading, quotes in PITFALLS.items() if of_the_server(quotes)} == set(WALKS)
    assert all(PITFALLS.values())
