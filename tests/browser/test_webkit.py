"""What Safari's engine does with the cookies and headers that all of this relies on."""

from collections.abc import Iterator

import pytest

from tests.browser.foreign_sites import CROSS_SITE, SIBLING, ForeignSites
from tests.browser.pages import PASSWORD
from tests.browser.production_server import HOST, ORIGIN, Production
from tests.browser.webkit import WebKit, running_webkit

pytestmark = pytest.mark.parametrize("production", ["gunicorn"], indirect=True)

FORGED_LOGOUT = f"""<title>Forged</title>
<form method=post enctype=text/plain action="{ORIGIN}/api/auth/logout/"></form>"""


@pytest.fixture(scope="module")
def webkit(production: Production, foreign: ForeignSites) -> Iterator[WebKit]:
    ports = {HOST: production.https_port, "*": foreign.https_port}
    with running_webkit(production.folder, ports) as webkit:
        yield webkit


def sign_in(webkit: WebKit) -> None:
    webkit.open(f"{ORIGIN}/app/")
    webkit.call("DELETE", "cookie")  # all of them
    webkit.open(f"{ORIGIN}/app/")
    webkit.wait_for("return document.querySelector('[data-for=anonymous]').hidden === false")
    webkit.type("#username", "alice")
    webkit.type("#password", PASSWORD)
    webkit.click("#login button")
    webkit.wait_for("return document.querySelector('#me').textContent === 'alice'")


def test_webkit_signs_in_and_out_with_the_flags_and_headers_that_we_rely_on(
    webkit: WebKit, production: Production
) -> None:
    before = len(production.requests())
    sign_in(webkit)
    cookies = webkit.cookies()
    seen_by_scripts = webkit.run("return document.cookie")
    webkit.click("#logout")
    webkit.wait_for("return document.querySelector('#me').textContent === ''")

    flags = ("domain", "path", "secure", "httpOnly", "sameSite")
    assert {name: tuple(c[flag] for flag in flags) for name, c in cookies.items()} == {
        "__Host-sessionid": (HOST, "/", True, True, "Lax"),
        "__Host-sessionid_device": (HOST, "/", True, True, "Lax"),
        "__Host-csrftoken": (HOST, "/", True, False, "Lax"),
    }
    assert seen_by_scripts == f"__Host-csrftoken={cookies['__Host-csrftoken']['value']}"
    assert set(webkit.cookies()) == {"__Host-sessionid_device", "__Host-csrftoken"}
    sent = [r for r in production.requests()[before:] if r.method == "POST"]
    assert [(r.path, r.status, r.origin, r.site) for r in sent] == [
        ("/api/auth/login/", 200, ORIGIN, "same-origin"),
        ("/api/auth/logout/", 200, ORIGIN, "same-origin"),
    ]


@pytest.mark.parametrize(
    ("origin", "site", "has_cookie"),
    [(CROSS_SITE, "cross-site", False), (SIBLING, "same-site", True)],
)
def test_webkit_says_where_a_forged_request_comes_from(
    webkit: WebKit,
    production: Production,
    foreign: ForeignSites,
    origin: str,
    site: str,
    has_cookie: bool,
) -> None:
    sign_in(webkit)
    before = len(production.requests())
    foreign.serve(FORGED_LOGOUT)

    webkit.open(f"{origin}/")
    webkit.run("document.forms[0].submit()")
    webkit.wait_for("return document.title !== 'Forged'")
    webkit.open(f"{ORIGIN}/app/")
    webkit.wait_for("return document.querySelector('#me').textContent === 'alice'")

    [forged] = [r for r in production.requests()[before:] if r.method == "POST"]
    assert forged.status in {403, 415}
    assert (forged.origin, forged.site) == (origin, site)
    assert ("__Host-sessionid=" in forged.cookie) is has_cookie
