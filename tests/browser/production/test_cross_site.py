"""Pages of others attack the demo in production, in the browser of somebody who is signed in there.

The browser's own defences count: what matters is what the server has stored afterwards, and what
the page of the attacker has got to see. bob is the attacker, alice the victim.
"""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response

from tests.browser.foreign_sites import CROSS_SITE, SIBLING, ForeignSites
from tests.browser.pages import PASSWORD, Demo, wait_until
from tests.browser.production_server import ORIGIN, Production, Request

UNSAFE_PATHS = ["/api/auth/login/", "/api/auth/logout/", "/api/articles/"]
PLAIN = SIBLING.replace("https:", "http:")
FOREIGN = [CROSS_SITE, SIBLING]
SESSION_COOKIE = "__Host-sessionid"
CSRF_COOKIE = "__Host-csrftoken"

# One form for each endpoint and each type of body that a form can have, each sent into a frame.
# The names and values make JSON of text/plain: name=value.
FORMS = """<body><script>
  const bodies = {
    "/api/auth/login/": [['{"username": "bob", "password": "PASSWORD", "x": "', '"}'],
        ["username", "bob"], ["password", "PASSWORD"]],
    "/api/auth/logout/": [['{"x": "', '"}']],
    "/api/articles/": [['{"title": "Forged", "body": "', '"}'],
        ["title", "Forged"], ["body", "Forged"]],
  };
  const types = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
  for (const [path, fields] of Object.entries(bodies)) {
    for (const type of types) {
      const frame = document.createElement("iframe");
      frame.name = path + type;
      const form = document.createElement("form");
      Object.assign(form, { method: "POST", action: `ORIGIN${path}`, enctype: type });
      form.target = frame.name;
      for (const [name, value] of type === "text/plain" ? fields.slice(0, 1) : fields) {
        const input = document.createElement("input");
        Object.assign(input, { name, value, type: "hidden" });
        form.append(input);
      }
      document.body.append(frame, form);
      form.submit();
    }
  }
</script>""".replace("PASSWORD", PASSWORD).replace("ORIGIN", ORIGIN)
SANDBOXED = """<iframe id=box sandbox="allow-scripts allow-forms"></iframe>
<script>box.srcdoc = FORMS</script>""".replace("FORMS", json.dumps(FORMS).replace("</", "<\\/"))

# What scripts can send: bodies that need no preflight, and bodies that need one.
CALLS = """async ([origin, password]) => {
    const bodies = {
        "/api/auth/login/": { username: "bob", password },
        "/api/auth/logout/": {},
        "/api/articles/": { title: "Forged", body: "Forged" },
    };
    const outcomes = {};
    for (const [path, data] of Object.entries(bodies)) {
        const json = JSON.stringify(data);
        const form = new FormData();
        for (const [name, value] of Object.entries(data)) form.append(name, value);
        const attempts = {
            text: { mode: "no-cors", body: json },
            untyped: { mode: "no-cors", body: new Blob([json]) },
            form: { mode: "no-cors", body: new URLSearchParams(data) },
            multipart: { mode: "no-cors", body: form },
            readable: { mode: "cors", body: json },
            json: { mode: "cors", body: json, headers: { "Content-Type": "application/json" } },
            token: { mode: "cors", body: json, headers: { "X-CSRFToken": "a".repeat(32) } },
            kept: { mode: "no-cors", body: json, keepalive: true },
        };
        for (const [name, init] of Object.entries(attempts)) {
            const request = { method: "POST", credentials: "include", ...init };
            outcomes[`${name} ${path}`] = await fetch(origin + path, request).then(
                (response) => `${response.type} ${response.status}`, (error) => error.name);
        }
        navigator.sendBeacon(origin + path, json);
    }
    return outcomes;
}"""

READS = """async ([origin]) => {
    const outcomes = {};
    const paths = ["user/", "sessions/", "csrf/", "logout/"];
    const embeds = { img: "src", script: "src", link: "href", object: "data", video: "src" };
    for (const path of paths) {
        const url = `${origin}/api/auth/${path}`;
        for (const mode of ["no-cors", "cors"]) {
            outcomes[`${mode} ${path}`] = await fetch(url, { mode, credentials: "include" }).then(
                (response) => `${response.type} ${response.status}`, (error) => error.name);
        }
        for (const [tag, attribute] of Object.entries(embeds)) {
            const element = document.createElement(tag);
            if (tag === "link") element.rel = "stylesheet";
            element[attribute] = url;
            outcomes[`${tag} ${path}`] = await new Promise((resolve) => {
                for (const type of ["load", "loadedmetadata", "error"]) {
                    element.addEventListener(type, () => resolve(type));
                }
                document.body.append(element);
            });
        }
    }
    return outcomes;
}"""


@dataclass(frozen=True, kw_only=True)
class Victim:
    """Somebody's browser, whose user visits the page of an attacker."""

    context: BrowserContext
    foreign: ForeignSites
    production: Production
    alices: list[Any]

    def sign_in(self) -> None:
        self.context.add_cookies(self.alices)

    def visit(self, origin: str, html: str = "", *, cookies: tuple[str, ...] = ()) -> Page:
        """Open the page of an attacker, which is all that a victim has to do."""
        self.foreign.serve(html, cookies=cookies)
        page = self.context.new_page()
        page.goto(f"{origin}/")
        return page

    def user(self) -> str | None:
        """Return whom the server takes this browser's user for, or None."""
        page = self.context.new_page()
        answer = page.goto(f"{ORIGIN}/api/auth/user/")
        assert answer is not None
        assert answer.status == 200, answer.text()
        user = answer.json()["user"]
        page.close()
        return user and str(user["username"])

    def cookies(self) -> dict[str, str]:
        """Return the cookies that this browser sends us."""
        return {cookie["name"]: cookie["value"] for cookie in self.context.cookies(ORIGIN)}

    def stored(self) -> tuple[list[tuple[object, ...]], ...]:
        """Return all that an attack could have changed on the server."""
        return (
            self.production.sql("SELECT id, title FROM articles_article ORDER BY id"),
            self.production.sql("SELECT id, user_id FROM session_auth_session ORDER BY id"),
        )


def cookies_of(username: str, browser: Browser) -> list[Any]:
    """Sign in with a fresh browser profile and return its cookies."""
    context = browser.new_context()
    site = Demo(context.new_page(), ORIGIN)
    site.open("/app/")
    site.sign_in(username)
    site.expect_signed_in(username)
    cookies = context.cookies()
    context.close()
    return cookies


@pytest.fixture(scope="module")
def alices(internet: Browser) -> list[Any]:
    return cookies_of("alice", internet)


@pytest.fixture(scope="module")
def bobs(internet: Browser) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in cookies_of("bob", internet)}


@pytest.fixture
def victim(
    visitor: BrowserContext,
    foreign: ForeignSites,
    production: Production,
    alices: list[Any],
) -> Victim:
    return Victim(context=visitor, foreign=foreign, production=production, alices=alices)


def wait_for_posts(page: Page, production: Production, *, after: int, count: int) -> list[Request]:
    """Wait until that many unsafe requests have been answered, and return all there are."""

    def arrived() -> list[Request]:
        return [r for r in production.requests()[after:] if r.method == "POST"]

    wait_until(page, lambda: len(arrived()) >= count)
    return arrived()


@pytest.mark.parametrize("origin", [*FOREIGN, "null"])
@pytest.mark.parametrize("signed_in", [True, False], ids=["victim", "visitor"])
def test_no_form_of_another_page_has_an_effect(
    victim: Victim, production: Production, origin: str, signed_in: bool
) -> None:
    if signed_in:
        victim.sign_in()
    stored, cookies = victim.stored(), victim.cookies()
    before = len(production.requests())

    page = victim.visit(
        SIBLING if origin == "null" else origin, SANDBOXED if origin == "null" else FORMS
    )
    arrived = wait_for_posts(page, production, after=before, count=9)

    assert sorted(r.path for r in arrived) == sorted(UNSAFE_PATHS * 3)
    assert {r.origin for r in arrived} == {origin}
    assert {r.status for r in arrived} <= {403, 415}
    # The cookies come along from the same site, so nothing but the server stands in the way.
    came = {SESSION_COOKIE in request.cookie for request in arrived}
    assert came == {signed_in and origin == SIBLING}
    assert victim.stored() == stored
    assert victim.cookies() == cookies
    assert victim.user() == ("alice" if signed_in else None)


def answers_to(page: Page) -> list[Response]:
    """Return a list to which each answer that the page gets from now on is added.

    Not ``expect_navigation()``, after which coverage sees no line of the test any more.
    """
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    return answers


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("path", UNSAFE_PATHS)
def test_no_form_that_takes_the_whole_tab_has_an_effect(
    victim: Victim, origin: str, path: str
) -> None:
    victim.sign_in()
    stored = victim.stored()
    page = victim.visit(
        origin,
        f"""<form method=post action={ORIGIN}{path} enctype=text/plain>
        <input name='{{"title": "Forged", "body": "' value='"}}'></form>""",
    )

    answers = answers_to(page)
    page.evaluate("document.forms[0].submit()")
    wait_until(page, lambda: bool(answers))

    assert answers[0].status in {403, 415}
    assert victim.stored() == stored
    assert victim.user() == "alice"


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("signed_in", [True, False], ids=["victim", "visitor"])
def test_no_script_of_another_page_has_an_effect_or_an_answer(
    victim: Victim, production: Production, origin: str, signed_in: bool
) -> None:
    if signed_in:
        victim.sign_in()
    stored, cookies = victim.stored(), victim.cookies()
    before = len(production.requests())
    page = victim.visit(origin)

    outcomes = page.evaluate(CALLS, [ORIGIN, PASSWORD])
    # Five bodies, keepalive and a beacon need no preflight; the type or a header of JSON does.
    arrived = wait_for_posts(page, production, after=before, count=3 * 7)

    assert set(outcomes.values()) == {"TypeError"}
    assert len(outcomes) == 3 * 8
    assert len(arrived) == 3 * 7
    assert {r.status for r in arrived} <= {403, 415}
    assert victim.stored() == stored
    assert victim.cookies() == cookies
    assert victim.user() == ("alice" if signed_in else None)


@pytest.mark.parametrize("origin", FOREIGN)
def test_nothing_can_be_read_or_embedded(victim: Victim, origin: str) -> None:
    victim.sign_in()
    stored = victim.stored()
    page = victim.visit(origin)

    outcomes = page.evaluate(READS, [ORIGIN])

    assert len(outcomes) == 4 * 7
    assert {k: v for k, v in outcomes.items() if v not in {"TypeError", "error"}} == {}
    assert victim.stored() == stored
    assert victim.user() == "alice"


@pytest.mark.parametrize("origin", FOREIGN)
def test_nothing_is_shown_in_a_frame(victim: Victim, origin: str) -> None:
    victim.sign_in()
    paths = ["/api/auth/user/", "/api/auth/sessions/", "/articles/", "/app/", "/admin/"]

    page = victim.visit(
        origin, "".join(f'<iframe src="{ORIGIN}{path}"></iframe>' for path in paths)
    )
    page.wait_for_load_state("networkidle")

    _, *frames = page.frames
    assert [frame.url for frame in frames] == ["chrome-error://chromewebdata/"] * len(paths)
    assert [frame for frame in frames if "alice" in frame.content()] == []


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_that_was_opened_by_another_cannot_be_driven_by_it(
    victim: Victim, origin: str
) -> None:
    victim.sign_in()
    page = victim.visit(origin)

    opened: list[Page] = []
    page.on("popup", lambda popup: opened.append(popup))
    page.evaluate("url => { window.theirs = open(url); }", f"{ORIGIN}/articles/")
    wait_until(page, lambda: bool(opened))
    Demo(opened[0], ORIGIN).expect_signed_in()

    assert opened[0].evaluate("window.opener") is None
    assert page.evaluate("[theirs.closed, theirs.length]") == [True, 0]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize(
    "path",
    [
        "/api/auth/logout/",
        f"/api/auth/login/?username=bob&password={PASSWORD}",
        "/api/auth/logout/?_method=POST",
    ],
)
def test_a_link_changes_nothing(victim: Victim, origin: str, path: str) -> None:
    victim.sign_in()
    stored = victim.stored()
    page = victim.visit(origin, f'<a href="{ORIGIN}{path}">A kitten</a>')

    answers = answers_to(page)
    page.get_by_text("A kitten").click()
    wait_until(page, lambda: bool(answers))

    assert answers[0].status in {403, 405}
    assert victim.stored() == stored
    assert victim.user() == "alice"


# Cookies planted by a subdomain. {key} is the key of the attacker's session.
REFUSED_BY_BROWSERS = [
    "__Host-sessionid={key}; Secure; Path=/; Domain=example.org",
    "__Host-sessionid={key}; Path=/; Domain=example.org",
    "__host-sessionid={key}; Secure; Path=/; Domain=example.org",
    "__HOST-SESSIONID={key}; Secure; Path=/; Domain=example.org",
    "=__Host-sessionid={key}; Secure; Path=/; Domain=example.org",
    "__Host-sessionid={key}; Secure; Path=/",  # taken, but for the subdomain itself
]
TAKEN_AND_IGNORED = [
    "sessionid={key}; Secure; Path=/; Domain=example.org",
    "csrftoken=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; Secure; Path=/; Domain=example.org",
    "__Secure-sessionid={key}; Secure; Path=/; Domain=example.org",
]
# Names that are ours only once a server has decoded them, and taken away spaces.
DISGUISED = [
    f"{space}__Host-sessionid={{key}}; Secure; Path=/; Domain=example.org"
    for space in ("\u2000", "\u3000", "\u0085", "\udc85", "\udca0")  # the last two are bytes
]
WRITE = """async (_, token) => {
    const answer = await fetch("/api/articles/", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": token },
        body: JSON.stringify({ title: "Forged", body: "Forged" }),
    });
    return [answer.status, (await answer.json()).code];
}"""


def plant(victim: Victim, bobs: dict[str, str], cookie: str, *, origin: str = SIBLING) -> None:
    """Plant a cookie from a subdomain, by the server's header and by a script."""
    planted = cookie.format(key=bobs[SESSION_COOKIE])
    page = victim.visit(origin, cookies=(planted,))
    page.evaluate("cookie => { document.cookie = cookie; }", planted)


@pytest.mark.parametrize("cookie", REFUSED_BY_BROWSERS)
@pytest.mark.parametrize("origin", [SIBLING, PLAIN])
def test_no_subdomain_plants_our_cookies(
    victim: Victim, bobs: dict[str, str], cookie: str, origin: str
) -> None:
    plant(victim, bobs, cookie, origin=origin)

    assert victim.cookies() == {}
    assert victim.user() is None


@pytest.mark.parametrize("cookie", [*TAKEN_AND_IGNORED, *DISGUISED], ids=ascii)
@pytest.mark.parametrize("signed_in", [True, False], ids=["victim", "visitor"])
def test_a_cookie_that_a_subdomain_plants_makes_nobody_the_attacker(
    victim: Victim, bobs: dict[str, str], cookie: str, signed_in: bool
) -> None:
    if signed_in:
        victim.sign_in()

    plant(victim, bobs, cookie)

    assert len(victim.cookies()) > (3 if signed_in else 0)  # the browser has taken it
    page = victim.context.new_page()
    answer = page.goto(f"{ORIGIN}/api/auth/user/")
    assert answer is not None
    assert "bob" not in answer.text()


@pytest.mark.parametrize("whose", ["another user's", "from before the login"])
def test_a_token_of_another_session_is_refused_with_its_cookie_too(
    victim: Victim, bobs: dict[str, str], whose: str
) -> None:
    """If an attacker got past the cookie's name and the origin, the token would still stop them."""
    site = Demo(victim.context.new_page(), ORIGIN)
    site.open("/password/")
    before_the_login = site.run("() => fetch('/api/auth/csrf/').then((answer) => answer.json())")
    planted = {
        "another user's": bobs[CSRF_COOKIE],
        "from before the login": victim.cookies()[CSRF_COOKIE],
    }
    victim.sign_in()
    stored = victim.stored()
    victim.context.add_cookies(
        [{"name": CSRF_COOKIE, "value": planted[whose], "url": ORIGIN, "secure": True}]
    )

    outcomes = [site.run(WRITE, token) for token in (planted[whose], before_the_login["csrfToken"])]

    assert outcomes == [[403, "csrf_failed"]] * 2
    assert victim.stored() == stored
