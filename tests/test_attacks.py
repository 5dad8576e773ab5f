"""Attacks, named by what must hold, each sent as an attacker would send it.

The numbers are those of the project's catalogue of attacks; each keeps its number for good.
"""

import json

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from session_auth.models import Session
from tests.api_client import AUTH, PASSWORD, ApiClient

pytestmark = pytest.mark.django_db

LOGIN, LOGOUT = AUTH + "login/", AUTH + "logout/"


def credentials(username: str = "alice", **more: object) -> dict[str, object]:
    return {"username": username, "password": PASSWORD} | more


def raw(template: bytes, username: str = "alice") -> bytes:
    return template.replace(b"USER", username.encode())


# A35 to A48: input that is not what the contract says.

BODIES: dict[str, tuple[bytes, int, str]] = {
    "A35 nesting": (b"[" * 16_000, 400, "malformed_json"),
    "A35 nesting in a field": (
        b'{"username": "USER", "password": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        413,
        "payload_too_large",
    ),
    "A36 a huge integer": (
        b'{"username": "USER", "password": ' + b"9" * 5_000 + b"}",
        400,
        "malformed_json",
    ),
    "A37 NaN": (b'{"username": "USER", "password": NaN}', 400, "malformed_json"),
    "A37 Infinity": (b'{"username": "USER", "password": Infinity}', 400, "malformed_json"),
    "A38 a key twice": (
        b'{"username": "USER", "password": "x", "password": "%b"}' % PASSWORD.encode(),
        400,
        "malformed_json",
    ),
    "A39 invalid UTF-8": (b'{"username": "USER", "password": "\xff"}', 400, "malformed_json"),
    "A39 UTF-16": (json.dumps(credentials()).encode("utf-16"), 400, "malformed_json"),
    "A39 a byte order mark": (
        b"\xef\xbb\xbf" + json.dumps(credentials()).encode(),
        400,
        "malformed_json",
    ),
    "A40 a lone surrogate": (
        b'{"username": "USER", "password": "\\ud800"}',
        400,
        "invalid_request",
    ),
    "A41 NUL in the username": (
        b'{"username": "USER\\u0000", "password": "x"}',
        400,
        "invalid_request",
    ),
    "A42 a number": (b'{"username": "USER", "password": 12345}', 400, "invalid_request"),
    "A42 true": (b'{"username": "USER", "password": true}', 400, "invalid_request"),
    "A42 a list": (b'{"username": "USER", "password": ["x"]}', 400, "invalid_request"),
    "A42 null": (b'{"username": "USER", "password": null}', 400, "invalid_request"),
    "A42 an object": (b'{"username": {"$ne": 1}, "password": "x"}', 400, "invalid_request"),
    "A43 null": (b"null", 400, "malformed_json"),
    "A43 a list": (b'[{"username": "USER"}]', 400, "malformed_json"),
    "A43 a string": (b'"USER"', 400, "malformed_json"),
    "A44 three megabytes": (b"x" * 3_000_000, 413, "payload_too_large"),
    "A45 a password of 2 MB": (
        b'{"username": "USER", "password": "' + b"x" * 2_000_000 + b'"}',
        413,
        "payload_too_large",
    ),
    "A46 more than was asked for": (
        json.dumps(credentials("USER", is_staff=True, backend="x")).encode(),
        400,
        "invalid_request",
    ),
}


@pytest.mark.parametrize("username", ["alice", "nobody"])
@pytest.mark.parametrize(("body", "status", "code"), BODIES.values(), ids=BODIES)
def test_bad_input_at_login_gets_the_contracts_answer_and_stores_nothing(
    browser: ApiClient, alice: User, username: str, body: bytes, status: int, code: str
) -> None:
    response = browser.call("POST", LOGIN, raw(body, username))

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert "sessionid" not in response.cookies
    assert Session.objects.count() == 0


@pytest.mark.parametrize(("body", "status", "code"), BODIES.values(), ids=BODIES)
def test_bad_input_at_logout_gets_the_contracts_answer_and_ends_nothing(
    browser: ApiClient, alice: User, body: bytes, status: int, code: str
) -> None:
    browser.log_in()

    response = browser.call("POST", LOGOUT, raw(body))

    assert response.status_code == status
    assert response.json()["code"] in {code, "invalid_request"}
    assert browser.user() == {"id": alice.pk, "username": "alice"}


@pytest.mark.parametrize(("body", "status", "code"), BODIES.values(), ids=BODIES)
def test_known_and_unknown_users_get_the_same_bytes(
    browser: ApiClient, alice: User, body: bytes, status: int, code: str
) -> None:
    """A42, A50"""
    known = browser.call("POST", LOGIN, raw(body, "alice"))
    unknown = browser.call("POST", LOGIN, raw(body, "nobody"))

    assert known.content == unknown.content
    assert dict(known.headers) == dict(unknown.headers)


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""],
)
@pytest.mark.parametrize("logged_in", [False, True])
def test_a_form_of_another_site_cannot_log_a_visitor_in(
    browser: ApiClient, alice: User, content_type: str, logged_in: bool
) -> None:
    """A11, A12: even with the token, which such a form does not have."""
    if logged_in:
        browser.log_in()
    rows = Session.objects.count()

    response = browser.call(
        "POST", LOGIN, json.dumps(credentials()).encode(), CONTENT_TYPE=content_type
    )

    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"
    assert "sessionid" not in response.cookies
    assert Session.objects.count() == rows


def test_a_form_of_another_site_without_the_token_is_refused(alice: User) -> None:
    """A11"""
    client = Client(enforce_csrf_checks=True)

    response = client.post(
        LOGIN, credentials(), "application/json", headers={"Origin": "https://evil.example"}
    )

    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    assert not response.cookies


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip"])
def test_a_compressed_body_is_not_unpacked(browser: ApiClient, encoding: str) -> None:
    """A34"""
    response = browser.call("POST", LOGIN, b"\x1f\x8b", headers={"Content-Encoding": encoding})

    assert response.status_code == 415


@pytest.mark.parametrize("hostile", ["a\r\nSet-Cookie: x=1", "a\nINFO ok", "\x1b[31m", "<script>"])
def test_what_a_client_sends_does_not_end_up_in_headers(
    browser: ApiClient, alice: User, hostile: str
) -> None:
    """A47"""
    response = browser.call("POST", LOGIN, credentials(hostile), headers={"User-Agent": "x"})

    assert response.status_code == 401
    assert hostile not in str(dict(response.headers))
    assert hostile.encode() not in response.content


def test_credentials_in_the_query_are_not_read(browser: ApiClient, alice: User) -> None:
    """A48"""
    query = f"?username=alice&password={PASSWORD}"

    assert browser.get(LOGIN + query).status_code == 405
    assert browser.call("POST", LOGIN + query, {}).status_code == 400
    assert Session.objects.count() == 0


# Sessions and their keys.


def test_a_session_key_counts_in_its_cookie_only(browser: ApiClient, alice: User) -> None:
    """A5"""
    browser.log_in()
    key = str(browser.session_key())
    stranger = Client()

    for response in (
        stranger.get(f"{AUTH}user/?sessionid={key}"),
        stranger.get(AUTH + "user/", headers={"X-Session-Id": key, "Authorization": key}),
        stranger.get(AUTH + "user/", headers={"Cookie": f"SESSIONID={key}"}),
    ):
        assert response.json() == {"user": None}


def test_a_stolen_database_opens_no_session(browser: ApiClient, alice: User) -> None:
    """A6"""
    browser.log_in()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM session_auth_session")
        [row] = cursor.fetchall()

    for value in map(str, row):
        thief = Client()
        thief.cookies["sessionid"] = value
        assert thief.get(AUTH + "user/").json() == {"user": None}


def test_no_answer_and_no_log_holds_a_key_or_a_password(
    browser: ApiClient, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    """A9"""
    caplog.set_level("DEBUG")
    answers = [
        browser.log_in(password=PASSWORD + "x"),
        browser.log_in(),
        browser.get(AUTH + "user/"),
        browser.call("POST", LOGOUT, headers={"X-CSRFToken": "x"}),
        browser.get("/api/ended-meanwhile/"),
        browser.get("/api/private/"),
        browser.log_out(),
    ]
    secrets = [PASSWORD, str(answers[1].cookies["sessionid"].value)]

    texts = [answer.content.decode() + str(dict(answer.headers)) for answer in answers]
    for text in [*texts, caplog.text]:
        assert not [secret for secret in secrets if secret in text]


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_cannot_be_overridden(browser: ApiClient, alice: User, header: str) -> None:
    """A21"""
    browser.log_in()

    response = browser.get(LOGOUT, headers={header: "POST"})

    assert response.status_code == 405
    assert browser.user() is not None


@pytest.mark.parametrize("endpoint", ["csrf/", "login/", "logout/", "user/"])
def test_reads_change_nothing(browser: ApiClient, alice: User, endpoint: str) -> None:
    """A13, A22"""
    browser.log_in()

    for method in ("GET", "HEAD", "OPTIONS", "TRACE"):
        response = browser.call(method, AUTH + endpoint)
        assert "sessionid" not in response.cookies
        if method == "TRACE":
            assert response.status_code == 405
    assert browser.user() is not None


def test_no_other_origin_is_let_in_by_cors(browser: ApiClient, alice: User) -> None:
    """A19"""
    browser.log_in()
    evil = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

    for response in (
        browser.get(AUTH + "user/", headers=evil),
        browser.get(AUTH + "csrf/", headers=evil),
        browser.options(LOGIN, headers=evil),
    ):
        assert not [name for name in response.headers if name.startswith("Access-Control")]
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_late_answer_does_not_delete_a_fresh_cookie(browser: ApiClient, alice: User) -> None:
    """A31: the request left before the login, with the cookie that the login replaced."""
    browser.call("POST", "/api/note/?cart=1")
    old_key = browser.session_key()
    browser.log_in()
    late = ApiClient()
    late.cookies["sessionid"] = old_key

    for path in (AUTH + "user/", "/api/private/", "/page/"):
        assert "sessionid" not in late.get(path).cookies


def test_anonymous_callers_fill_no_store(browser: ApiClient) -> None:
    """A33"""
    for path in (AUTH + "user/", AUTH + "csrf/", "/api/private/", "/page/"):
        Client().get(path)
        browser.call("POST", path)

    assert Session.objects.count() == 0


@pytest.mark.parametrize(
    "cookie",
    [
        "sessionid=" + "x" * 100_000,
        "; ".join(f"c{n}=1" for n in range(5_000)),
        "sessionid=\xff\x00",
    ],
    ids=["one of 100 kB", "5000 of them", "bytes that are no text"],
)
def test_a_bomb_of_cookies_is_anonymous(cookie: str) -> None:
    """A30"""
    response = Client().get(AUTH + "user/", HTTP_COOKIE=cookie)

    assert (response.status_code, response.json()) == (200, {"user": None})


def test_the_paths_of_the_endpoints_are_exact(browser: ApiClient, alice: User) -> None:
    """A84: a cache that goes by file endings is not fooled."""
    browser.log_in()

    for path in ("user/x.css", "user/.css", "user//", "user/%2e%2e/user.css"):
        assert browser.get(AUTH + path).status_code == 404
