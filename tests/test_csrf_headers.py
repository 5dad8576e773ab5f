"""What a browser says about the page that sent a request: Fetch metadata and Origin."""

from functools import partial
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from session_auth.csrf import verify
from session_auth.exceptions import CsrfFailed
from session_auth.signals import csrf_token_needed
from tests.api_client import AUTH, ApiClient, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
OWN = "http://testserver"
TRUSTED = "https://app.example.org"


def note(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("api/note/", note),
    path("api/exempt/", csrf_exempt(note)),
]


@pytest.fixture
def here(alice: User) -> ApiClient:
    return signed_in()


@pytest.fixture(params=["/api/note/", AUTH + "logout/"], ids=["the middleware", "our own views"])
def unsafe(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def needed() -> Any:
    """The requests for which the token was needed."""
    seen: list[HttpRequest] = []

    def note(request: HttpRequest, **kwargs: object) -> None:
        seen.append(request)

    csrf_token_needed.connect(note)
    yield seen
    csrf_token_needed.disconnect(note)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something new"])
@pytest.mark.parametrize("origin", [None, OWN], ids=["no Origin", "a good Origin"])
def test_what_comes_from_elsewhere_is_refused_with_the_right_token(
    here: ApiClient, unsafe: str, site: str, origin: str | None
) -> None:
    """A17"""
    headers = {"Sec-Fetch-Site": site} | ({"Origin": origin} if origin else {})

    response = here.call("POST", unsafe, headers=headers)

    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    assert "another origin" in response.json()["hint"]
    assert here.user() is not None


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_comes_from_here_needs_its_token(here: ApiClient, unsafe: str, site: str) -> None:
    headers = {"Sec-Fetch-Site": site}

    without = here.post(unsafe, content_type="application/json", headers=headers)
    assert without.status_code == 403
    assert here.call("POST", unsafe, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("trusted", "status"),
    [
        ([TRUSTED], 200),
        (["https://*.example.org"], 200),
        (["https://other.example.org"], 403),
        (["http://*.example.org"], 403),
        ([], 403),
    ],
)
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_an_origin_that_the_project_trusts_may_call(
    here: ApiClient, unsafe: str, site: str, trusted: list[str], status: int
) -> None:
    with override_settings(CSRF_TRUSTED_ORIGINS=trusted):
        response = here.call(
            "POST", unsafe, headers={"Origin": TRUSTED, "Sec-Fetch-Site": site}, secure=True
        )

    assert response.status_code == status


@pytest.mark.parametrize("origin", ["null", "https://[", "http://x", "https://testserver.evil"])
@override_settings(CSRF_TRUSTED_ORIGINS=["https://*.example.org"])
def test_strange_origins_are_foreign(here: ApiClient, unsafe: str, origin: str) -> None:
    """A14"""
    for more in ({}, {"Sec-Fetch-Site": "same-site"}):
        response = here.call("POST", unsafe, headers={"Origin": origin} | more)

        assert response.status_code == 403
    assert here.user() is not None


def test_an_exempt_view_stays_exempt(here: ApiClient, needed: list[HttpRequest]) -> None:
    response = here.post("/api/exempt/", headers={"Sec-Fetch-Site": "cross-site"})

    assert response.status_code == 200
    assert needed == []


def test_djangos_test_client_stays_exempt(needed: list[HttpRequest]) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}

    assert Client().post("/api/note/", headers=headers).status_code == 200
    assert needed == []


@pytest.mark.parametrize("destination", ["script", "image", "iframe", "object", "style", "audio"])
@pytest.mark.parametrize("endpoint", ["user/", "csrf/", "sessions/"])
def test_our_answers_are_for_scripts_alone(
    here: ApiClient, endpoint: str, destination: str
) -> None:
    """A20"""
    response = here.get(
        AUTH + endpoint + "?callback=x",
        headers={"Sec-Fetch-Dest": destination, "Sec-Fetch-Site": "same-origin"},
    )

    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    assert "Call fetch()" in response.json()["hint"]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_another_site_cannot_even_read(here: ApiClient, site: str, method: str) -> None:
    """A20: the size and the time of an answer would tell who is logged in."""
    response = here.generic(method, AUTH + "user/", headers={"Sec-Fetch-Site": site})

    assert response.status_code == 403
    assert b"alice" not in response.content


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document"},
    ],
    ids=["no browser, or an old one", "fetch()", "the address bar"],
)
def test_our_own_pages_and_people_can_read(here: ApiClient, headers: dict[str, str]) -> None:
    assert here.get(AUTH + "user/", headers=headers).json()["user"] is not None


@override_settings(CSRF_TRUSTED_ORIGINS=[TRUSTED])
def test_a_trusted_origin_can_read(here: ApiClient) -> None:
    headers = {"Sec-Fetch-Site": "same-site", "Origin": TRUSTED}

    assert here.get(AUTH + "user/", headers=headers).status_code == 200


# A proxy that changes scheme or host, as a tunnel does

BEHIND_A_PROXY = ["https://testserver", "https://x.example", "http://localhost:8000", "null"]


@pytest.mark.parametrize("origin", BEHIND_A_PROXY)
@pytest.mark.parametrize("secure", [False, True])
def test_the_browsers_word_counts_more_than_an_origin_that_a_proxy_makes_look_foreign(
    here: ApiClient, unsafe: str, origin: str, secure: bool
) -> None:
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}

    assert here.call("POST", unsafe, headers=headers, secure=secure).status_code == 200


@pytest.mark.parametrize("origin", BEHIND_A_PROXY)
def test_its_word_does_not_replace_the_token_unless_asked(
    here: ApiClient, unsafe: str, origin: str
) -> None:
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    post = partial(here.post, unsafe, content_type="application/json", headers=headers)

    assert post().status_code == 403
    with override_settings(SESSION_AUTH_CSRF="headers"):
        assert post().status_code == 200


def test_over_https_its_word_needs_no_referer(here: ApiClient, unsafe: str) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}

    assert here.call("POST", unsafe, secure=True).status_code == 403
    assert here.call("POST", unsafe, headers=headers, secure=True).status_code == 200


@pytest.mark.parametrize("mode", ["token", "headers"])
@pytest.mark.parametrize("site", [None, "none", "same-site", "cross-site", "Same-Origin", ""])
def test_no_other_word_lets_a_foreign_origin_in(
    here: ApiClient, unsafe: str, site: str | None, mode: str
) -> None:
    headers = {"Origin": "https://x.example"} | ({} if site is None else {"Sec-Fetch-Site": site})

    with override_settings(SESSION_AUTH_CSRF=mode):
        assert here.call("POST", unsafe, headers=headers).status_code == 403


@pytest.mark.parametrize("site", [None, "cross-site"])
@override_settings(CSRF_TRUSTED_ORIGINS=[TRUSTED, "https://*.example.net"])
def test_a_refusal_names_the_origin_that_was_seen_and_those_that_would_be_taken(
    here: ApiClient, unsafe: str, site: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Origin": "https://x.example"} | ({} if site is None else {"Sec-Fetch-Site": site})

    hint = here.call("POST", unsafe, headers=headers).json()["hint"]

    assert "from another origin: https://x.example. " in hint
    assert f"Taken here: {OWN}, those in CSRF_TRUSTED_ORIGINS. " in hint
    assert f"origin=https://x.example own_origin={OWN}" in caplog.text


@override_settings(CSRF_TRUSTED_ORIGINS=[TRUSTED, "https://*.example.net"], DEBUG=True)
def test_under_debug_it_names_the_trusted_origins_too(here: ApiClient, unsafe: str) -> None:
    hint = here.call("POST", unsafe, headers={"Origin": "https://x.example"}).json()["hint"]

    assert f"Taken here: {OWN}, {TRUSTED}, https://*.example.net. " in hint


def test_a_request_that_no_server_has_made_is_refused_too() -> None:
    """As those of other protocols are, which have no host."""
    request = HttpRequest()
    request.method = "POST"

    with pytest.raises(CsrfFailed, match="no CSRF cookie"):
        verify(request)
    request.META = {"HTTP_ORIGIN": "https://x.example", "HTTP_SEC_FETCH_SITE": "cross-site"}
    with pytest.raises(CsrfFailed, match=r"Taken here: none\."):
        verify(request)


def test_a_refusal_for_its_referer_names_the_origin_of_that_and_no_path(
    here: ApiClient, unsafe: str
) -> None:
    headers = {"Referer": "https://x.example/reset/a-secret/"}

    hint = here.call("POST", unsafe, headers=headers, secure=True).json()["hint"]

    assert "of this site: https://x.example. Taken here: https://testserver. " in hint
    assert "secret" not in hint


def test_a_refusal_repeats_no_more_than_a_part_of_what_was_sent(
    here: ApiClient, unsafe: str
) -> None:
    hint = here.call("POST", unsafe, headers={"Origin": "x" * 5000}).json()["hint"]

    assert len(hint) < 600


# SESSION_AUTH_CSRF = "headers"

ENOUGH: dict[str, dict[str, str]] = {
    "Fetch metadata": {"Sec-Fetch-Site": "same-origin"},
    "both": {"Sec-Fetch-Site": "same-origin", "Origin": OWN},
    "an Origin": {"Origin": OWN},
}
NOT_ENOUGH: dict[str, dict[str, str]] = {
    "nothing": {},
    "the address bar": {"Sec-Fetch-Site": "none"},
    "contradiction": {"Sec-Fetch-Site": "none", "Origin": OWN},
    "another scheme": {"Origin": "https://testserver"},
    "another site": {"Sec-Fetch-Site": "cross-site", "Origin": OWN},
    "a sibling": {"Sec-Fetch-Site": "same-site", "Origin": "http://evil.testserver"},
    "an opaque origin": {"Origin": "null"},
}


@pytest.mark.parametrize("headers", ENOUGH.values(), ids=ENOUGH)
def test_headers_do_not_replace_the_token_unless_asked(
    here: ApiClient, unsafe: str, headers: dict[str, str]
) -> None:
    response = here.post(unsafe, content_type="application/json", headers=headers)

    assert response.status_code == 403


@override_settings(SESSION_AUTH_CSRF="headers")
@pytest.mark.parametrize("headers", ENOUGH.values(), ids=ENOUGH)
def test_headers_can_replace_the_token(
    here: ApiClient, unsafe: str, headers: dict[str, str], needed: list[HttpRequest]
) -> None:
    response = here.post(unsafe, content_type="application/json", headers=headers)

    assert response.status_code == 200
    assert needed == []


@override_settings(SESSION_AUTH_CSRF="headers")
def test_over_https_no_referer_is_asked_for_then(here: ApiClient, unsafe: str) -> None:
    headers = {"Sec-Fetch-Site": "same-origin"}

    response = here.post(unsafe, content_type="application/json", headers=headers, secure=True)

    assert response.status_code == 200


@override_settings(SESSION_AUTH_CSRF="headers")
@pytest.mark.parametrize("headers", NOT_ENOUGH.values(), ids=NOT_ENOUGH)
def test_without_good_headers_the_token_is_needed(
    here: ApiClient, unsafe: str, headers: dict[str, str]
) -> None:
    response = here.post(unsafe, content_type="application/json", headers=headers)

    assert response.status_code == 403
    assert here.user() is not None


@override_settings(
    SESSION_AUTH_CSRF="headers",
    ALLOWED_HOSTS=["example.org"],
    CSRF_TRUSTED_ORIGINS=[TRUSTED],
    MIDDLEWARE=[name for name in settings.MIDDLEWARE if "Common" not in name],  # refuses the host
)
def test_a_host_that_is_not_ours_is_no_origin(unsafe: str) -> None:
    browser = Client(enforce_csrf_checks=True)

    response = browser.post(unsafe, content_type="application/json", headers={"Origin": TRUSTED})

    assert response.status_code == 403


@pytest.mark.parametrize("mode", ["token", "headers"])
def test_a_project_can_count_who_still_needs_the_token(
    here: ApiClient, unsafe: str, needed: list[HttpRequest], mode: str
) -> None:
    with override_settings(SESSION_AUTH_CSRF=mode):
        assert here.call("POST", unsafe, headers={"Origin": OWN}).status_code == 200
        assert needed == []
        here.log_in()
        needed.clear()
        assert here.call("POST", unsafe).status_code == 200

    assert [request.path for request in needed] == [unsafe]


def test_a_receiver_that_raises_stops_nothing(here: ApiClient, unsafe: str) -> None:
    def fail(signal: Signal, **kwargs: object) -> None:
        raise RuntimeError("The receiver fails.")

    csrf_token_needed.connect(fail)
    try:
        assert here.call("POST", unsafe).status_code == 200
    finally:
        csrf_token_needed.disconnect(fail)
