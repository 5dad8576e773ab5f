"""The strict JSON reader, through a view that echoes what it read."""

import io
import json
from typing import Any

import pytest
from django.http import HttpRequest, UnreadablePostError
from django.test import Client, RequestFactory, override_settings
from hypothesis import given
from hypothesis import strategies as st

from session_auth.answers import wants_json
from session_auth.exceptions import MalformedJSON, NotFound
from session_auth.http import MAX_BODY_BYTES, error_response, read_json
from tests.api_client import AUTH, ApiClient

MALFORMED = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a string": b'"text"',
    "a number": b"1",
    "not JSON": b"{text: 1}",
    "two objects": b"{}{}",
    "a trailing comma": b'{"text": "a",}',
    "NaN": b'{"ratio": NaN}',
    "Infinity": b'{"ratio": -Infinity}',
    "an infinite float": b'{"ratio": 1e999}',
    "an integer beyond 2**53": b'{"count": 9007199254740993}',
    "a huge integer": b'{"count": ' + b"9" * 5000 + b"}",
    "a key twice": b'{"text": "a", "text": "b"}',
    "a nested key twice": b'{"text": {"a": 1, "a": 2}}',
    "deep nesting": b"[" * MAX_BODY_BYTES,
    "deep nesting of objects": b'{"text":' * 2000,
    "invalid UTF-8": b'{"text": "\xff"}',
    "UTF-16": '{"text": "a"}'.encode("utf-16"),
    "UTF-32": '{"text": "a"}'.encode("utf-32"),
    "a byte order mark": b'\xef\xbb\xbf{"text": "a"}',
    "a raw NUL": b'{"text": "\0"}',
}
REFUSED = {
    "an unknown key": ({"other": 1}, {"other": ["Unknown field."]}),
    "null for text": ({"text": None}, {"text": ["Must be a string."]}),
    "a number for text": ({"text": 12345}, {"text": ["Must be a string."]}),
    "a list for text": ({"text": ["a"]}, {"text": ["Must be a string."]}),
    "an object for text": ({"text": {}}, {"text": ["Must be a string."]}),
    "a string for a flag": ({"flag": "true"}, {"flag": ["Must be true or false."]}),
    "a number for a flag": ({"flag": 1}, {"flag": ["Must be true or false."]}),
    "a flag for an integer": ({"count": True}, {"count": ["Must be an integer."]}),
    "a float for an integer": ({"count": 1.0}, {"count": ["Must be an integer."]}),
    "a flag for a float": ({"ratio": True}, {"ratio": ["Must be a number."]}),
    "text for a list": ({"names": "a"}, {"names": ["Must be a list of strings."]}),
    "a list of numbers": ({"names": ["a", 1]}, {"names": ["Must be a list of strings."]}),
    "a list in a list": ({"names": [["a"]]}, {"names": ["Must be a list of strings."]}),
    "NUL": ({"text": "a\0b"}, {"text": ["Must not contain characters that cannot be stored."]}),
    "a lone surrogate": (
        {"text": "\ud800"},
        {"text": ["Must not contain characters that cannot be stored."]},
    ),
    "NUL in a list": (
        {"names": ["a", "\0"]},
        {"names": ["Must not contain characters that cannot be stored."]},
    ),
    "a lone surrogate as a key": ({"\ud800": 1}, {"\ud800": ["Unknown field."]}),
}


def send(body: bytes, content_type: str = "application/json", **headers: str) -> Any:
    return Client().generic("POST", "/api/echo/", body, headers=headers, CONTENT_TYPE=content_type)


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_one_json_object_is_malformed(body: bytes) -> None:
    response = send(body)

    assert response.status_code == 400
    assert response.json()["code"] == "malformed_json"


def test_what_a_developer_has_to_do_stands_apart_from_the_sentence_for_people() -> None:
    error = NotFound("There is no such article.", hint="Run make_articles first.")

    assert json.loads(error_response(error).content) == {
        "error": "There is no such article.",
        "code": "not_found",
        "hint": "Run make_articles first.",
    }
    assert str(error) == "There is no such article. Run make_articles first."
    assert "hint" not in json.loads(error_response(NotFound()).content)


@pytest.mark.parametrize(("body", "fields"), REFUSED.values(), ids=REFUSED)
def test_a_field_that_is_unknown_or_of_another_type_is_named(
    body: object, fields: dict[str, list[str]]
) -> None:
    response = send(json.dumps(body).encode())

    assert response.status_code == 400
    assert response.json() == {
        "error": "Some fields are missing or not valid.",
        "code": "invalid_request",
        "fields": fields,
    }


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonp",
    ],
)
def test_anything_but_utf8_json_is_the_wrong_media_type(content_type: str) -> None:
    response = send(b'{"text": "a"}', content_type)

    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize("path", ["/api/echo/", AUTH + "login/", AUTH + "logout/"])
@pytest.mark.parametrize("where", ["in the header", "in the form"])
def test_a_form_is_the_wrong_media_type_wherever_its_token_is(
    browser: ApiClient, path: str, where: str
) -> None:
    """Django's CSRF check reads the form, for the token."""
    browser.get(AUTH + "csrf/")
    token = browser.csrf_token()
    in_form = where == "in the form"

    for data in ({}, {"text": "a"}):
        response = browser.post(
            path,
            data | ({"csrfmiddlewaretoken": token} if in_form else {}),
            headers={} if in_form else {"X-CSRFToken": token},
        )
        assert response.status_code == 415


def test_a_compressed_body_is_not_unpacked() -> None:
    assert send(b"{}", **{"Content-Encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=UTF-8", "Application/JSON"]
)
def test_media_types_are_read_as_http_says(content_type: str) -> None:
    assert send(b'{"text": "a"}', content_type).json() == {"text": "a"}


def test_a_body_of_16_kib_is_read_and_one_byte_more_is_not() -> None:
    fits = b'{"text": "' + b"a" * (MAX_BODY_BYTES - 12) + b'"}'

    assert len(fits) == MAX_BODY_BYTES
    assert send(fits).status_code == 200
    too_large = send(fits + b" ")
    assert too_large.status_code == 413
    assert too_large.json()["code"] == "payload_too_large"


@pytest.mark.parametrize(("opened", "closed"), [('{"a":', "}"), ('{"a":[', "]}")])
def test_an_object_is_nested_ten_deep_at_most(opened: str, closed: str) -> None:
    """ASVS 15.2.2: a field that takes an object takes one of any size, within the body."""

    def read(depth: int) -> object:
        body = '{"data": ' + opened * depth + "1" + closed * depth + "}"
        request = RequestFactory().post("/", body, content_type="application/json")
        return read_json(request, {"data": dict})

    levels = len(opened.replace('"a":', ""))
    assert read(9 // levels)
    with pytest.raises(MalformedJSON):
        read(10 // levels + 1)


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10)
def test_djangos_own_limit_is_a_413_too() -> None:
    assert send(b'{"text": "abcdef"}').status_code == 413


def test_a_body_that_breaks_off_is_malformed() -> None:
    class Broken(io.BytesIO):
        def read(self, *args: object) -> bytes:
            raise OSError("The client went away.")

    request = RequestFactory().post("/", b"{}", content_type="application/json")
    request._stream = Broken()

    with pytest.raises(MalformedJSON, match="did not arrive") as caught:
        read_json(request, {"text": str})
    assert isinstance(caught.value.__cause__, UnreadablePostError)


scalars: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    "flag": st.booleans(),
    "count": st.integers(-(2**53) + 1, 2**53 - 1),
    "ratio": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-100, 100),
}
scalars["names"] = st.lists(scalars["text"], max_size=5)


@given(st.fixed_dictionaries({}, optional=scalars))
def test_what_is_valid_arrives_as_it_was_sent(body: dict[str, object]) -> None:
    assert send(json.dumps(body).encode()).json() == body


@given(st.binary(max_size=64) | st.text(max_size=64).map(lambda text: text.encode()))
def test_no_body_at_all_makes_the_server_fail(body: bytes) -> None:
    assert send(body).status_code in {200, 400}


def test_an_api_is_known_by_its_path_or_its_view(rf: RequestFactory) -> None:
    def at(path: str) -> HttpRequest:
        return rf.get(path)

    assert wants_json(at("/api/x/"))
    assert not wants_json(at("/apis/"))
    with override_settings(SESSION_AUTH_API_PATHS=["/v1/", "/v2/"]):
        assert wants_json(at("/v2/x/"))
        assert not wants_json(at("/api/x/"))
