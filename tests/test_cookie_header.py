"""Cookies that can be read in two ways are refused: one of them may be an attacker's."""

import asyncio
from email.message import Message
from http.cookiejar import CookieJar
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request

import pytest
from asgiref.sync import async_to_sync
from django import VERSION
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIHandler
from django.test import AsyncClient, Client, override_settings

from session_auth.cookie_header import twins, without_near_names
from tests.api_client import AUTH, ApiClient, signed_in
from tests.settings import MIDDLEWARE
from tests.storing import SessionStore

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
TWICE: dict[str, str] = {
    "twice": "__Host-sessionid=a; __Host-sessionid=b",
    "twice the same": "__Host-sessionid=a; __Host-sessionid=a",
    "the other twice": "__Host-csrftoken=a; __Host-sessionid=b; __Host-csrftoken=c",
    "twice beside a value": "x=__Host-sessionid=a; __Host-sessionid=b; __Host-sessionid=c",
    "twice beside a near name": "__Host-sessionid=a; \u2000__Host-sessionid=b; __Host-sessionid=c",
}
NEAR: dict[str, str] = {
    "a space of Unicode": "{}; \u2000__Host-sessionid=b",
    "a space of Unicode, first": "\u2000__Host-sessionid=b; {}",
    "bytes of a space of Unicode": "{}; \xe2\x80\x80__Host-sessionid=b",
    "a no-break space": "{}; \xa0__Host-sessionid=b",
    "a no-break space, no value": "\xa0__Host-sessionid; {}",
    "a tab": "{}; \t__Host-sessionid=b",
    "a vertical tab": "{};\x0b__Host-sessionid=b",
    "a unit separator": "{}; \x1f__Host-sessionid=b",
    "two spaces": "{};  __Host-sessionid=b",
    "a space after it": "{}; __Host-sessionid =b",
    "a space before the only one": "\u2000__Host-sessionid=b",
    "a space after the only one": "__Host-sessionid =b",
    "for the CSRF cookie": "{}; \u2000__Host-csrftoken=b",
}


@pytest.mark.parametrize("header", CLEAR.values(), ids=CLEAR)
def test_one_cookie_of_a_name_is_clear(header: str) -> None:
    assert twins(header, *NAMES) == []
    assert without_near_names(header, *NAMES) == header


@pytest.mark.parametrize("header", TWICE.values(), ids=TWICE)
def test_two_cookies_of_a_name_are_twins(header: str) -> None:
    """A28"""
    assert twins(header, *NAMES) == [NAMES["csrf" in header]]


@pytest.mark.parametrize("header", NEAR.values(), ids=NEAR)
def test_a_name_that_would_become_ours_by_stripping_is_left_out(header: str) -> None:
    """A26, A27"""
    left = without_near_names(header.format("__Host-sessionid=a"), *NAMES)

    assert left.strip("; ") == ("__Host-sessionid=a" if "{}" in header else "")


def latin(header: str) -> str:
    """Return the header as WSGI hands it over: its bytes as Latin-1."""
    return header.encode().decode("latin-1") if "\u2000" in header else header


@pytest.mark.django_db
@override_settings(SESSION_COOKIE_NAME=NAMES[0], CSRF_COOKIE_NAME=NAMES[1])
@pytest.mark.parametrize("header", TWICE.values(), ids=TWICE)
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
        assert "twice" in response.json()["hint"]
    else:
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.django_db
@override_settings(SESSION_COOKIE_NAME=NAMES[0], CSRF_COOKIE_NAME=NAMES[1])
@pytest.mark.parametrize("debug", [False, True])
def test_on_a_page_the_hint_is_for_those_who_debug(debug: bool) -> None:
    with override_settings(DEBUG=debug):
        response = Client().get("/page/untouched/", HTTP_COOKIE=f"{NAMES[0]}=a; {NAMES[0]}=b")

    assert "clear the cookies of this site." in response.content.decode()
    assert ("stands twice" in response.content.decode()) is debug


@pytest.mark.django_db
@override_settings(SESSION_COOKIE_NAME=NAMES[0], CSRF_COOKIE_NAME=NAMES[1])
@pytest.mark.parametrize("header", TWICE.values(), ids=TWICE)
def test_such_a_request_is_refused_under_asgi(header: str) -> None:
    response: Any = async_to_sync(AsyncClient().get)(
        "/page/untouched-async/", headers={"cookie": latin(header)}
    )

    assert response.status_code == 400


@pytest.mark.django_db(transaction=True)
@override_settings(SESSION_COOKIE_NAME=NAMES[0], CSRF_COOKIE_NAME=NAMES[1])
@pytest.mark.parametrize("header", NEAR.values(), ids=NEAR)
@pytest.mark.parametrize("path", ["/api/both-users/", AUTH + "user/", "/page/"])
def test_beside_a_near_name_a_user_stays_logged_in(
    alice: User, header: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = logged_in_key(alice)
    sent = latin(header.format(f"__Host-sessionid={key}"))

    under_wsgi = Client().get(path, HTTP_COOKIE=sent)
    for status, body in (
        (under_wsgi.status_code, under_wsgi.content),
        under_asgi(path, [(b"cookie", sent.encode("latin-1"))]),
    ):
        if "{}" in header:
            assert status == 200
            assert b"alice" in body or b"true" in body
        else:
            assert b"alice" not in body
    assert "ambiguous_cookie" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("planted", ["\u2000sessionid", "\xa0sessionid", "\u2000csrftoken"])
def test_under_any_name_of_the_cookie_a_near_one_is_left_out(alice: User, planted: str) -> None:
    key = logged_in_key(alice)

    response = Client().get(
        AUTH + "user/", HTTP_COOKIE=latin(f"{planted}={'x' * 43}; sessionid={key}")
    )

    assert response.json()["user"]["username"] == "alice"


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


# What heals it


class Jar:
    """The cookies of a browser, as the standard library keeps them by domain and path."""

    def __init__(self, url: str) -> None:
        self.cookies, self.url = CookieJar(), url

    def take(self, *lines: str) -> None:
        answer = Message()
        for line in lines:
            answer["Set-Cookie"] = line
        self.cookies.extract_cookies(SimpleNamespace(info=lambda: answer), self.request())  # type: ignore[arg-type]  # all that it looks at

    def request(self) -> Request:
        return Request(self.url)  # noqa: S310 # for the jar to read, and for nobody to send

    def header(self) -> str:
        request = self.request()
        self.cookies.add_cookie_header(request)
        return request.get_header("Cookie") or ""

    def get(self) -> Any:
        url = urlsplit(self.url)
        response = Client().get(url.path, HTTP_HOST=url.netloc, HTTP_COOKIE=self.header())
        self.take(*(morsel.OutputString() for morsel in response.cookies.values()))
        return response


OURS_AT_DOMAIN = {
    "SESSION_COOKIE_DOMAIN": ".example.org",
    "SESSION_COOKIE_PATH": "/api",
    "CSRF_COOKIE_DOMAIN": ".example.org",
}
STRANGERS = [
    "Domain=example.org; Path=/",
    "Domain=app.example.org; Path=/",
    "Domain=example.org; Path=/api",
    "Domain=example.org; Path=/api/",
    "Domain=app.example.org; Path=/api/auth/user",
    "Path=/api/auth/",
]


@pytest.mark.django_db
@override_settings(ALLOWED_HOSTS=["*"])
@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("name", ["sessionid", "csrftoken"])
def test_a_browser_forgets_a_planted_twin_and_its_user_stays_logged_in(
    alice: User, name: str, stranger: str
) -> None:
    jar = Jar("http://app.example.org/api/auth/user/")
    here = signed_in()
    for ours in ("sessionid", "csrftoken"):
        jar.take(f"{ours}={here.cookies[ours].value}; Path=/")
    before = jar.header()
    jar.take(f"{name}=planted; {stranger}")

    refused, healed = jar.get(), jar.get()

    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert healed.json()["user"]["username"] == "alice"
    assert jar.header() == before


@pytest.mark.django_db
@override_settings(ALLOWED_HOSTS=[".example.org"], **OURS_AT_DOMAIN)
def test_where_ours_has_a_domain_and_a_path_all_others_are_forgotten(alice: User) -> None:
    jar = Jar("http://app.example.org/api/auth/user/")
    jar.take(
        f"sessionid={logged_in_key(alice)}; Domain=example.org; Path=/api",
        "sessionid=old; Path=/",
        "sessionid=old; Domain=example.org; Path=/",
    )

    assert jar.get().status_code == 400
    assert jar.get().json()["user"]["username"] == "alice"


@pytest.mark.django_db
@override_settings(ALLOWED_HOSTS=["*"])
@pytest.mark.parametrize(
    ("host", "domains"),
    [
        ("127.0.0.1:8000", {""}),
        ("[::1]:8000", {""}),
        ("localhost", {""}),
        ("APP.Example.org:8000", {"", "app.example.org", "example.org"}),
    ],
)
def test_only_domains_are_named_that_the_host_may_set_cookies_for(
    host: str, domains: set[str]
) -> None:
    twice = Client().get("/page/untouched/", HTTP_HOST=host, HTTP_COOKIE="sessionid=a; sessionid=b")

    morsels = list(twice.cookies.values())
    assert {morsel["domain"] for morsel in morsels} == domains
    assert {morsel.key for morsel in morsels} == {"sessionid"}
    assert all((morsel.value, morsel["max-age"]) == ("", "0") for morsel in morsels)
    assert all(morsel["domain"] or morsel["path"] != "/" for morsel in morsels)  # which is ours


@pytest.mark.django_db
@override_settings(ALLOWED_HOSTS=["*"])
def test_no_proxy_has_to_take_more_headers_than_it_can() -> None:
    both = "sessionid=a; sessionid=b; csrftoken=a; csrftoken=b"
    host = ".".join("abcdefgh") + ".example.org"

    response = Client().get("/api/" + "ü/" * 500, HTTP_HOST=host, HTTP_COOKIE=both)

    lines = [morsel.OutputString() for morsel in response.cookies.values()]
    assert response.status_code == 400
    assert all(line.isascii() for line in lines)
    assert sum(map(len, lines)) < 3500


@pytest.mark.django_db
@override_settings(SESSION_COOKIE_NAME="__Secure-sessionid")
def test_what_browsers_take_over_https_alone_is_expired_so() -> None:
    twice = "__Secure-sessionid=a; __Secure-sessionid=b"

    response = Client().get("/page/untouched/", HTTP_COOKIE=twice, secure=True)

    assert response.cookies
    assert all(morsel["secure"] for morsel in response.cookies.values())


@pytest.mark.django_db
@override_settings(MIDDLEWARE=[name for name in MIDDLEWARE if "Common" not in name])
def test_for_a_host_that_is_not_ours_nothing_is_expired() -> None:
    response = Client().get(
        "/page/untouched/", HTTP_HOST="evil.example", HTTP_COOKIE="sessionid=a; sessionid=b"
    )

    assert response.status_code == 400
    assert not response.cookies


def logged_in_key(user: User) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "session_auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def status_under_asgi(headers: list[tuple[bytes, bytes]]) -> int:
    return under_asgi("/page/untouched-async/", headers)[0]


def under_asgi(path: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
    """Return the status and the body, for headers that are sent just as they are."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
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
    return sent[0]["status"], sent[1]["body"]
