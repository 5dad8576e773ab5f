"""Cookies that can be read in two ways are refused: one of them may be an attacker's."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django import VERSION
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIHandler
from django.test import AsyncClient, Client, override_settings

from session_auth.cookie_header import is_ambiguous
from tests.api_client import AUTH, ApiClient, signed_in

NAMES = ("__Host-sessionid", "__Host-csrftoken")

CLEAR: dict[str, str] = {
    "none": "",
    "others": "a=1; b=2; a=3; \u2000c=4",
    "one": "__Host-sessionid=a",
    "both": "__Host-sessionid=a; __Host-csrftoken=b",
    "beside a longer name": "__Host-sessionid=a; __Host-sessionid_device=b",
    "beside a shorter name": "sessionid=a; __Host-sessionid=b; csrftoken=c; __Host-csrftoken=d",
    "in a value": "x=__Host-sessionid=a; __Host-sessionid=b",
    "in another case": "__host-sessionid=a; __Host-sessionid=b",
    "without a name": "=__Host-sessionid=a; __Host-sessionid=b",
    "without a value": "__Host-sessionid",
    "without a space": "__Host-sessionid=a;__Host-csrftoken=b",
}
AMBIGUOUS: dict[str, str] = {
    "twice": "__Host-sessionid=a; __Host-sessionid=b",
    "twice the same": "__Host-sessionid=a; __Host-sessionid=a",
    "the other twice": "__Host-csrftoken=a; __Host-sessionid=b; __Host-csrftoken=c",
    "twice beside a value": "x=__Host-sessionid=a; __Host-sessionid=b; __Host-sessionid=c",
    "a space of Unicode": "__Host-sessionid=a; \u2000__Host-sessionid=b",
    "alone, with a space of Unicode": "\u2000__Host-sessionid=b",
    "bytes of a space of Unicode": "__Host-sessionid=a; \xe2\x80\x80__Host-sessionid=b",
    "a no-break space": "__Host-sessionid=a; \xa0__Host-sessionid=b",
    "a tab": "__Host-sessionid=a; \t__Host-sessionid=b",
    "a vertical tab": "__Host-sessionid=a;\x0b__Host-sessionid=b",
    "a unit separator": "__Host-sessionid=a; \x1f__Host-sessionid=b",
    "two spaces": "__Host-sessionid=a;  __Host-sessionid=b",
    "a space after it": "__Host-sessionid=a; __Host-sessionid =b",
    "a space after the only one": "__Host-sessionid =b",
}


@pytest.mark.parametrize("header", CLEAR.values(), ids=CLEAR)
def test_one_cookie_of_a_name_is_clear(header: str) -> None:
    assert not is_ambiguous(header, *NAMES)


@pytest.mark.parametrize("header", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_two_cookies_of_a_name_are_ambiguous(header: str) -> None:
    """A26, A27, A28"""
    assert is_ambiguous(header, *NAMES)


def latin(header: str) -> str:
    """Return the header as WSGI hands it over: its bytes as Latin-1."""
    return header.encode().decode("latin-1") if "\u2000" in header else header


@pytest.mark.django_db
@override_settings(SESSION_COOKIE_NAME=NAMES[0], CSRF_COOKIE_NAME=NAMES[1])
@pytest.mark.parametrize("header", AMBIGUOUS.values(), ids=AMBIGUOUS)
@pytest.mark.parametrize("path", ["/api/private/", AUTH + "user/", "/page/untouched/"])
def test_such_a_request_is_refused_under_wsgi(
    header: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = Client().get(path, HTTP_COOKIE=latin(header))

    assert response.status_code == 400
    assert not response.cookies
    assert "ambiguous_cookie" in caplog.text
    if path.startswith("/api/"):
        assert response.json()["code"] == "invalid_request"
        assert "twice" in response.json()["error"]
    else:
        assert response.headers["Content-Type"] == "text/plain"


@pytest.mark.django_db
@override_settings(SESSION_COOKIE_NAME=NAMES[0], CSRF_COOKIE_NAME=NAMES[1])
@pytest.mark.parametrize("header", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_such_a_request_is_refused_under_asgi(header: str) -> None:
    response: Any = async_to_sync(AsyncClient().get)(
        "/page/untouched-async/", headers={"cookie": latin(header)}
    )

    assert response.status_code == 400


@pytest.mark.django_db(transaction=True)
@override_settings(SESSION_COOKIE_NAME=NAMES[0], CSRF_COOKIE_NAME=NAMES[1])
def test_two_headers_are_one_under_asgi() -> None:
    """HTTP/2 may split cookies over several headers (RFC 9113, 8.2.3)."""
    one, two = (b"cookie", b"__Host-sessionid=a"), (b"cookie", b"__Host-csrftoken=b")

    assert status_under_asgi([one, two]) == 200
    # Django 5.2 joins them by commas, to one cookie that opens nothing.
    assert status_under_asgi([one, two, one]) == (400 if VERSION >= (6, 0) else 200)


@pytest.mark.django_db
def test_the_cookies_of_a_user_are_clear(alice: User) -> None:
    here: ApiClient = signed_in()

    assert {"sessionid", "csrftoken", "sessionid_device"} == set(here.cookies)
    assert here.user() is not None


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["__HOST-sessionid", "Sessionid", '"sessionid"', "$sessionid"])
def test_a_name_that_is_only_like_it_is_another(alice: User, name: str) -> None:
    """A29"""
    key = signed_in().session_key()

    response = Client().get(AUTH + "user/", HTTP_COOKIE=f"$Version=1; {name}={key}")

    assert response.json() == {"user": None}


def status_under_asgi(headers: list[tuple[bytes, bytes]]) -> int:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/page/untouched-async/",
        "query_string": b"",
        "headers": [(b"host", b"testserver"), *headers],
    }
    messages: list[Any] = [{"type": "http.request"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.Future()

    async def send(message: Any) -> None:
        sent.append(message)

    async_to_sync(ASGIHandler())(scope, receive, send)
    return int(sent[0]["status"])
