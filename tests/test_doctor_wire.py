"""URLs and cookies, as the doctor reads them."""

import pytest

from session_auth.doctor.wire import Cookie, Site


@pytest.mark.parametrize(
    ("url", "origin", "plain"),
    [
        ("https://example.org", "https://example.org", "http://example.org"),
        ("https://Example.org:443/", "https://example.org", "http://example.org"),
        ("https://example.org:8443", "https://example.org:8443", None),
        ("http://example.org:80", "http://example.org", None),
        ("https://[::1]", "https://[::1]", "http://[::1]"),
        ("https://bücher.example", "https://xn--bcher-kva.example", "http://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(
    url: str, origin: str, plain: str | None
) -> None:
    site = Site.at(url, "/api/auth/")
    over_http = site.over_plain_http()

    assert site.origin == origin
    assert (over_http and over_http.origin) == plain


@pytest.mark.parametrize(
    ("url", "expected"),
    [("http://localhost:8000", True), ("http://[::1]", True), ("http://example.org", False)],
)
def test_this_machine_is_known(url: str, expected: bool) -> None:
    assert Site.at(url, "/").is_loopback is expected


def test_a_cookie_is_read_whatever_the_case_and_the_spaces() -> None:
    cookie = Cookie.parse("__Host-a=b=c ;Secure; SAMESITE = Lax;path=/")

    assert (cookie.name, cookie.value) == ("__Host-a", "b=c")
    assert cookie.attributes == {"secure": "", "samesite": "Lax", "path": "/"}
    assert cookie.has("secure")
    assert not cookie.has("httponly")
    assert "b=c" not in repr(cookie)
