"""The demo as production serves it: over HTTPS, behind nginx, under WSGI and ASGI."""

import json
from collections import Counter
from contextlib import closing
from http.client import HTTPConnection

import pytest
from playwright.sync_api import BrowserContext, CDPSession, Error, Route, expect

from session_auth.keys import digest
from tests.browser.pages import PASSWORD, Demo, wait_until
from tests.browser.production_server import ORIGIN, Production, unit_command

LOG_IN = "({ createSessionClient }, credentials) => createSessionClient().login(credentials)"
CALL_TWENTY_TIMES = """async ({ createSessionClient }) => {
    const client = createSessionClient();
    const write = (_, index) => client.json("/api/articles/", {
        method: "POST",
        body: { title: `At once ${index}`, body: "Text" },
    }).then(({ author }) => author, String);
    window.outcomes = Promise.all(Array.from({ length: 20 }, write));
}"""


def sign_in(site: Demo, path: str = "/app/") -> str:
    """Sign in as alice on a page and return the key of the session."""
    site.open(path)
    site.sign_in()
    site.expect_signed_in()
    [cookie] = [c for c in site.page.context.cookies() if c["name"] == "__Host-sessionid"]
    return cookie["value"]


def slow_down(network: CDPSession, *, offline: bool = False) -> None:
    """Let each answer take 400 ms longer, at the speed of a bad mobile network, or for ever."""
    speed = {"downloadThroughput": 50_000, "uploadThroughput": 20_000}
    network.send("Network.emulateNetworkConditions", {"latency": 400, "offline": offline} | speed)


def test_signing_in_writing_an_article_and_signing_out(site: Demo) -> None:
    sign_in(site)
    site.write("Written over HTTPS")
    site.expect_article("Written over HTTPS")
    site.page.reload()
    site.expect_signed_in()

    site.sign_out()

    site.expect_signed_out()


def test_the_browser_keeps_the_cookies_for_this_host_and_https_alone(
    site: Demo, visitor: BrowserContext
) -> None:
    with site.page.expect_response("**/passkeys/options/"):  # a login would stop the offer
        site.open("/app/")
    site.sign_in()
    site.expect_signed_in()

    cookies = {cookie["name"]: cookie for cookie in visitor.cookies()}
    assert {
        name: (c["domain"], c["path"], c["secure"], c["httpOnly"], c["sameSite"])
        for name, c in cookies.items()
    } == {
        "__Host-sessionid": ("app.example.org", "/", True, True, "Lax"),
        "__Host-sessionid_device": ("app.example.org", "/", True, True, "Lax"),
        # For the passkeys that the page has offered.
        "__Host-sessionid_challenge": ("app.example.org", "/", True, True, "Strict"),
        "__Host-csrftoken": ("app.example.org", "/", True, False, "Lax"),
    }
    token = cookies["__Host-csrftoken"]["value"]
    assert site.page.evaluate("document.cookie") == f"__Host-csrftoken={token}"


def test_plain_http_leads_to_https_and_the_browser_remembers(
    site: Demo, production: Production
) -> None:
    before = len(production.requests())
    for told_by in ({"server": "nginx/"}, {"non-authoritative-reason": "HSTS"}):
        answer = site.page.goto("http://app.example.org/articles/?from=mail")

        assert answer is not None
        assert answer.request.redirected_from is not None
        redirect = answer.request.redirected_from.response()
        assert redirect is not None
        [(header, value)] = told_by.items()
        assert redirect.headers[header].startswith(value)
        assert site.page.url == f"{ORIGIN}/articles/?from=mail"
        # The server has told the browser: for a year, for subdomains, too.
        hsts = answer.headers["strict-transport-security"]
        assert hsts == "max-age=31536000; includeSubDomains"

    def asked() -> list[int]:
        return [r.status for r in production.requests()[before:] if r.path == "/articles/"]

    wait_until(site.page, lambda: len(asked()) >= 3)  # nginx writes it down once it has answered
    assert asked() == [301, 200, 200]


@pytest.mark.parametrize(
    "request_line", ["POST /admin/login/", "POST /api/auth/login/", "GET /api/auth/user/"]
)
def test_plain_http_redirects_no_password(production: Production, request_line: str) -> None:
    method, path = request_line.split()
    with closing(HTTPConnection("127.0.0.1", production.http_port)) as connection:
        connection.request(method, path, headers={"Host": "app.example.org"})
        answer = connection.getresponse()

    assert (answer.status, answer.getheader("Location")) == (403, None)


def test_static_files_are_served_by_nginx_with_the_headers_of_the_rest(
    production: Production,
) -> None:
    script = production.ask("GET /static/session_auth/session-auth.js")
    page = production.ask("GET /app/")

    assert script.status == 200
    assert script.headers["Content-Type"] == "application/javascript"
    assert script.headers["Cache-Control"] == "no-cache"
    for name in ("Strict-Transport-Security", "X-Content-Type-Options"):
        assert script.headers.get_all(name) == page.headers.get_all(name)
        assert len(page.headers.get_all(name, [])) == 1


def test_another_host_is_refused(production: Production) -> None:
    """DNS rebinding: a page of another site whose name now leads here."""
    answer = production.ask("GET /api/auth/user/", Host="attacker.example.net")

    assert answer.status == 400


def test_the_list_of_sessions_has_the_address_that_nginx_saw(
    site: Demo, production: Production
) -> None:
    key = sign_in(site)
    sessions = site.page.get_by_role("listitem")
    site.open("/sessions/")
    expect(sessions.first).to_contain_text("127.0.0.1 ")
    # A thief has the session now, calls from another address, and pretends to have this one.
    production.sql("UPDATE session_auth_session SET last_seen_at = datetime('now', '-1 hour')")

    production.ask(
        "GET /api/auth/user/",
        source="127.0.0.2",
        Cookie=f"__Host-sessionid={key}",
        X_Forwarded_For="192.0.2.1, 127.0.0.1",
        X_Real_IP="192.0.2.1",
        Forwarded="for=192.0.2.1",
    )
    [seen] = production.sql("SELECT ip FROM session_auth_session WHERE id = ?", digest(key))

    assert seen == ("127.0.0.2",)


def test_a_reload_of_the_server_loses_no_request_and_no_session(
    site: Demo, production: Production
) -> None:
    header = f"__Host-sessionid={sign_in(site)}"
    [pid] = production.server_pids

    production.run(unit_command("ExecReload", "kill").replace("$MAINPID", str(pid)))
    answers = [production.ask("GET /api/auth/user/", Cookie=header) for _ in range(100)]

    assert {answer.status for answer in answers} == {200}
    assert {json.loads(answer.body)["user"]["username"] for answer in answers} == {"alice"}


def test_the_timer_deletes_what_has_expired(site: Demo, production: Production) -> None:
    session_id = digest(sign_in(site))
    mine = "SELECT id FROM session_auth_session WHERE id = ?"
    prune = unit_command("ExecStart", "python")
    production.run(prune)
    assert production.sql(mine, session_id)
    production.sql(
        "UPDATE session_auth_session SET last_seen_at = ?, expires_at = ? WHERE id = ?",
        *("2026-01-01 00:00:00", "2026-01-15 00:00:00", session_id),
    )

    production.run(prune)

    assert production.sql(mine, session_id) == []
    site.write("Too late")
    expect(site.page.locator("#notice")).to_contain_text("Your session was ended from elsewhere.")
    site.expect_signed_out()


def test_a_page_from_the_back_forward_cache_shows_nobody_after_a_sign_out(site: Demo) -> None:
    sign_in(site)
    site.page.evaluate("addEventListener('pageshow', (e) => { window.kept = e.persisted; })")
    other = Demo(site.page.context.new_page(), ORIGIN)
    site.page.goto(f"{ORIGIN}/password/")
    other.open("/app/")
    other.sign_out()
    other.expect_signed_out()

    site.page.evaluate("history.back()")

    expect(site.page).to_have_url(f"{ORIGIN}/app/")
    wait_until(site.page, lambda: site.page.evaluate("window.kept") is True)
    site.expect_signed_out()
    assert "alice" not in site.page.locator("#me").inner_text()


@pytest.mark.parametrize("path", ["/articles/", "/mixed/"])
def test_pages_with_the_users_name_are_kept_by_no_cache(site: Demo, path: str) -> None:
    sign_in(site, path)
    site.page.reload()
    site.expect_signed_in()
    site.open("/password/")
    site.run("({ createSessionClient }) => createSessionClient().logout()")
    site.page.context.set_offline(True)

    with pytest.raises(Error, match=r"ERR_CACHE_MISS|ERR_INTERNET_DISCONNECTED"):
        site.page.go_back()

    expect(site.page.get_by_text("alice")).to_have_count(0)
    expect(site.page.get_by_text("Articles")).to_have_count(0)


def test_twenty_calls_that_a_login_in_another_tab_overtakes_all_succeed(
    site: Demo, production: Production
) -> None:
    """The calls leave the page with a token, and the login replaces it before they arrive."""
    sign_in(site)
    other = Demo(site.page.context.new_page(), ORIGIN)
    other.open("/password/")
    on_their_way: list[Route] = []

    def hold(route: Route) -> None:
        if len(on_their_way) < 20:
            on_their_way.append(route)
        else:
            route.continue_()

    site.page.route("**/api/articles/", hold)
    before = len(production.requests())

    site.run(CALL_TWENTY_TIMES)
    wait_until(site.page, lambda: len(on_their_way) == 20)
    other.run(LOG_IN, {"username": "alice", "password": PASSWORD})
    for route in on_their_way:
        route.continue_()
    outcomes = site.page.evaluate("window.outcomes")

    assert outcomes == ["alice"] * 20

    def statuses() -> Counter[tuple[str, int]]:
        arrived = production.requests()[before:]
        return Counter((r.path, r.status) for r in arrived if r.method == "POST")

    wait_until(site.page, lambda: statuses().total() >= 41)  # written down after the answers
    assert statuses() == {
        ("/api/auth/login/", 200): 1,
        ("/api/articles/", 403): 20,
        ("/api/articles/", 201): 20,
    }


def test_a_slow_and_broken_connection_is_told_and_survived(site: Demo) -> None:
    site.open("/app/")
    site.page.wait_for_load_state("networkidle")
    network = site.page.context.new_cdp_session(site.page)
    slow_down(network)
    held: list[Route] = []
    site.page.route("**/api/auth/login/", lambda route: held.append(route))
    site.sign_in()
    wait_until(site.page, lambda: bool(held))
    expect(site.page.get_by_role("button", name="Sign in")).to_be_disabled()
    held[0].continue_()
    site.expect_signed_in()
    slow_down(network, offline=True)
    site.write("Written in a tunnel")
    site.expect_refusal("The server could not be reached.", "network_error")
    site.expect_signed_in()

    slow_down(network)
    site.page.get_by_role("button", name="Publish").click()

    site.expect_article("Written in a tunnel")
    expect(site.page.get_by_text("could not be reached")).to_have_count(0)
