"""What the engines of Safari and Firefox do with the cookies and headers that we rely on."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.browser.firefox import Firefox, running_firefox
from tests.browser.foreign_sites import CROSS_SITE, SIBLING, ForeignSites
from tests.browser.pages import PASSWORD, WAIT_SECONDS
from tests.browser.production_server import HOST, ORIGIN, Cookie, Production, Request
from tests.browser.proxy import running_proxy
from tests.browser.webkit import WebKit, running_webkit

Engine = WebKit | Firefox

pytestmark = pytest.mark.parametrize("production", ["gunicorn"], indirect=True)

ME = "document.querySelector('#me').textContent"
ERROR = "document.querySelector('#login .error').textContent"
FORGE_LOGOUT = f"""void fetch("{ORIGIN}/api/auth/logout/", {{
    method: "POST", mode: "no-cors", credentials: "include", body: "{{}}",
}})"""


@pytest.fixture(scope="module", params=[running_webkit, running_firefox], ids=["webkit", "firefox"])
def engine(
    request: pytest.FixtureRequest, production: Production, foreign: ForeignSites
) -> Iterator[Engine]:
    ports = {HOST: production.https_port, "*": foreign.https_port}
    with running_proxy(ports) as proxy, request.param(production.folder, proxy) as engine:
        yield engine


def wait_for(engine: Engine, expression: str) -> None:
    """Wait until an expression is true in the page."""
    deadline = time.monotonic() + WAIT_SECONDS
    while engine.run(expression) is not True:
        assert time.monotonic() < deadline, engine.run("document.body.innerText")
        time.sleep(0.05)


def wait_for_posts(production: Production, *, after: int, count: int) -> list[Request]:
    """Wait until that many have been answered, and return all but the offers of passkeys."""

    def arrived() -> list[Request]:
        posts = [r for r in production.requests()[after:] if r.method == "POST"]
        return [r for r in posts if r.path != "/api/auth/passkeys/options/"]

    deadline = time.monotonic() + WAIT_SECONDS
    while len(arrived()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return arrived()


def sign_in(engine: Engine) -> None:
    engine.open(f"{ORIGIN}/app/")
    engine.forget_cookies()
    engine.open(f"{ORIGIN}/app/")
    submit_form(engine)
    wait_for(engine, f"{ME} === 'alice'")


def submit_form(engine: Engine) -> None:
    wait_for(engine, "document.querySelector('[data-for=anonymous]').hidden === false")
    fields = json.dumps({"username": "alice", "password": PASSWORD})
    engine.run(
        f"""(() => {{
            for (const [id, value] of Object.entries({fields})) {{
                document.getElementById(id).value = value;
            }}
            document.querySelector("#login").requestSubmit();
        }})()"""
    )


def test_the_cookies_have_the_flags_and_the_calls_the_headers_that_we_rely_on(
    engine: Engine, production: Production
) -> None:
    before = len(production.requests())
    sign_in(engine)
    cookies = engine.cookies()
    seen_by_scripts = engine.run("document.cookie")
    engine.run("document.querySelector('#logout').click()")
    wait_for(engine, f"{ME} === ''")

    hidden = Cookie(domain=HOST, path="/", secure=True, http_only=True, same_site="Lax")
    readable = Cookie(domain=HOST, path="/", secure=True, http_only=False, same_site="Lax")
    challenge = Cookie(domain=HOST, path="/", secure=True, http_only=True, same_site="Strict")
    # Of a browser that offers passkeys as soon as it sees the form.
    assert cookies.pop("__Host-sessionid_challenge", challenge) == challenge
    assert cookies == {
        "__Host-sessionid": hidden,
        "__Host-sessionid_device": hidden,
        "__Host-csrftoken": readable,
    }
    assert seen_by_scripts.startswith("__Host-csrftoken=")
    assert ";" not in seen_by_scripts
    assert "__Host-sessionid" not in engine.cookies()
    # nginx writes requests down once it has answered them.
    sent = wait_for_posts(production, after=before, count=2)
    assert [(r.path, r.status, r.origin, r.site) for r in sent] == [
        ("/api/auth/login/", 200, ORIGIN, "same-origin"),
        ("/api/auth/logout/", 200, ORIGIN, "same-origin"),
    ]


@pytest.mark.parametrize(
    ("origin", "site", "has_cookie"),
    [(CROSS_SITE, "cross-site", False), (SIBLING, "same-site", True)],
)
def test_a_forged_request_says_where_it_comes_from_and_has_no_effect(
    engine: Engine,
    production: Production,
    foreign: ForeignSites,
    origin: str,
    site: str,
    has_cookie: bool,
) -> None:
    before = len(production.requests())
    sign_in(engine)
    foreign.serve("")

    engine.open(f"{origin}/")
    engine.run(FORGE_LOGOUT)
    login, logout = wait_for_posts(production, after=before, count=2)
    engine.open(f"{ORIGIN}/app/")
    wait_for(engine, f"{ME} === 'alice'")

    assert (login.path, logout.path) == ("/api/auth/login/", "/api/auth/logout/")
    assert logout.status in {403, 415}
    assert (logout.origin, logout.site) == (origin, site)
    assert ("__Host-sessionid=" in logout.cookie) is has_cookie


@pytest.mark.parametrize("running", [running_webkit, running_firefox], ids=["webkit", "firefox"])
def test_a_browser_that_keeps_no_cookies_is_told_of_it(
    running: Callable[..., AbstractContextManager[Engine]],
    production: Production,
    foreign: ForeignSites,
) -> None:
    with (
        running_proxy({HOST: production.https_port, "*": foreign.https_port}) as proxy,
        running(production.folder, proxy, cookies=False) as engine,
    ):
        engine.open(f"{ORIGIN}/app/")
        before = len(production.requests())
        submit_form(engine)

        posts = wait_for_posts(production, after=before, count=2)
        assert [(post.path, post.status) for post in posts] == [("/api/auth/login/", 403)] * 2
        wait_for(engine, f"{ERROR} === 'Allow this site to keep cookies. cookie_not_kept'")
        assert engine.run(ME) == ""
