"""A person uses the examples: in production, as runserver serves them, and through Vite's proxy."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, Response, Route, expect

from tests.browser.conftest import SCREENSHOTS, launch
from tests.browser.demo_server import ROOT, free_port, running_demo, wait_for
from tests.browser.pages import PASSWORD, wait_until
from tests.browser.production_server import (
    HOST,
    ORIGIN,
    Certificate,
    Production,
    running_production,
)
from tests.browser.profiles import new_profile
from tests.browser.test_passkeys import AUTHENTICATOR
from tests.factors.calls import code_of, from_base32

EXAMPLES = ["react", "vue"]
LOG_IN = """async (credentials) => {
    const token = document.cookie.match(/__Host-csrftoken=([^;]+)/)[1];
    const headers = { "Content-Type": "application/json", "X-CSRFToken": token };
    const body = JSON.stringify(credentials);
    return (await fetch("/api/auth/login/", { method: "POST", headers, body })).status;
}"""


def project_of(name: str) -> Path:
    project = ROOT / "examples" / name
    assert (project / "dist" / "index.html").exists(), "Run scripts/build_examples.sh first."
    return project


@contextmanager
def running_vite(name: str, folder: Path, django: str) -> Iterator[str]:
    """Start Vite in front of Django and yield its origin; stop it at the end."""
    port = free_port()
    log = folder / "vite.log"
    vite = ["node_modules/vite/bin/vite.js", "--host=127.0.0.1", f"--port={port}", "--strictPort"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [shutil.which("node") or "node", *vite],
            cwd=project_of(name),
            env=os.environ | {"DJANGO_ORIGIN": django},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module", params=EXAMPLES)
def internet_of_example(
    request: pytest.FixtureRequest,
    playwright: Playwright,
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Browser]:
    """A browser for which our host is at nginx, which serves an example as production does."""
    name = request.param
    production = Production(
        name="gunicorn",
        folder=tmp_path_factory.mktemp(name),
        project=project_of(name),
        settings=f"{name}_site.settings_production",
        uninstalled=(ROOT / "src", ROOT / "demo"),
    )
    with running_production(production, certificate):
        browser = launch(playwright, {f"{HOST}:443": production.https_port}, certificate)
        yield browser
        browser.close()


@pytest.fixture
def app(internet_of_example: Browser) -> Iterator[Page]:
    """A page for an example in production, in a browser profile of its own."""
    with new_profile(internet_of_example) as profile:
        yield profile.new_page()


@pytest.fixture(params=EXAMPLES)
def developed(request: pytest.FixtureRequest, tmp_path: Path, origin: str) -> Iterator[str]:
    """An example as Vite serves it, in front of the demo."""
    with running_vite(request.param, tmp_path, origin) as vite:
        yield vite


@pytest.fixture(params=EXAMPLES)
def soon_over(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An example as ``runserver`` serves it, with sessions that soon need attention."""
    name = request.param
    settings = f"tests.browser.settings_{name}_soon_over"
    with running_demo(tmp_path, settings, project=project_of(name)) as origin:
        yield origin


def section(page: Page, heading: str) -> Locator:
    return page.locator("section").filter(has=page.get_by_role("heading", name=heading, level=2))


def sign_in(page: Page, origin: str, username: str = "alice", password: str = PASSWORD) -> None:
    page.goto(origin)
    fill_in(page, username, password)


def fill_in(page: Page, username: str = "alice", password: str = PASSWORD) -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def expect_signed_in(page: Page, username: str = "alice") -> None:
    expect(page.get_by_role("banner").get_by_role("status")).to_have_text(
        f"Signed in as {username}"
    )
    expect(section(page, "Sessions").get_by_text("(this browser)")).to_be_visible()


def expect_signed_out(page: Page, farewell: str) -> None:
    expect(page.get_by_role("banner").get_by_role("status")).to_have_text(farewell)
    expect(section(page, "Sign in")).to_be_visible()
    expect(section(page, "Sessions")).to_have_count(0)


def write(page: Page, title: str, text: str) -> Locator:
    """Fill in the form of an article and return its button."""
    form = section(page, "Write an article")
    form.get_by_label("Title").fill(title)
    form.get_by_label("Text").fill(text)
    return form.get_by_role("button", name="Publish")


def write_in_two_tabs(page: Page, origin: str) -> Page:
    """Sign in, write an article, see it and the sessions in two tabs; return the other tab."""
    page.goto(origin)
    expect_signed_out(page, "Nobody is signed in.")
    tab = page.context.new_page()
    tab.goto(origin)
    expect_signed_out(tab, "Nobody is signed in.")

    sign_in(page, origin)
    expect_signed_in(page)
    expect_signed_in(tab)
    write(page, "From a front end", "With a build.").click()
    article = page.get_by_role("article").first
    expect(article).to_contain_text("From a front end")
    expect(article).to_contain_text("alice")
    tab.reload()
    expect_signed_in(tab)
    expect(tab.get_by_role("article").first).to_contain_text("From a front end")
    return tab


def sign_out_of_both(page: Page, tab: Page) -> None:
    tab.get_by_role("button", name="Sign out").click()
    expect_signed_out(tab, "You have signed out.")
    expect_signed_out(page, "You have signed out.")


def test_a_person_uses_it_in_production(app: Page) -> None:
    """Under the Content-Security-Policy of its page, which nothing violates; over HTTPS."""
    complaints: list[str] = []
    app.on("console", lambda said: complaints.append(said.text))

    sign_out_of_both(app, write_in_two_tabs(app, ORIGIN))

    assert complaints == []


def test_a_person_uses_it_through_the_proxy_of_vite(developed: str, page: Page) -> None:
    """And the admin, which shares the session and has its style sheet."""
    tab = write_in_two_tabs(page, developed)

    admin = page.context.new_page()
    admin.goto(f"{developed}/admin/")
    expect(admin.get_by_role("link", name="View site")).to_be_visible()
    unstyled = "rgba(0, 0, 0, 0)"
    expect(admin.locator("#header")).not_to_have_css("background-color", unstyled)
    sign_out_of_both(page, tab)


def test_refusals_are_told_where_they_belong(app: Page) -> None:
    sign_in(app, ORIGIN, password="wrong")
    expect(section(app, "Sign in").get_by_role("alert")).to_have_text("Invalid credentials")
    expect(app.get_by_label("Username")).to_have_value("alice")
    app.get_by_label("Password").fill(PASSWORD)
    app.get_by_role("button", name="Sign in").click()
    expect_signed_in(app)

    write(app, " ", "Some text.").click()

    title, text = app.get_by_label("Title"), app.get_by_label("Text")
    expect(title).to_have_accessible_description("This field is required.")
    expect(title).to_have_attribute("aria-invalid", "true")
    expect(title).to_be_focused()
    expect(section(app, "Write an article").get_by_role("alert")).to_be_empty()
    expect(text).to_have_attribute("aria-invalid", "false")
    expect(text).to_have_value("Some text.")

    # A second, impatient click does not send a call that is on its way again.
    calls: list[str] = []
    held: list[Route] = []
    app.on("request", lambda request: calls.append(request.method))
    app.route("**/api/articles/", lambda route: route.continue_() if held else held.append(route))
    publish = write(app, "Only once", "Some text.")
    publish.click()
    expect(publish).to_have_attribute("aria-disabled", "true")
    publish.click(force=True)
    wait_until(app, lambda: bool(held))
    held[0].continue_()

    form = section(app, "Write an article")
    expect(form.get_by_role("status")).to_have_text("Published: Only once")
    expect(app.get_by_role("article").filter(has_text="Only once")).to_have_count(1)
    expect(title).to_have_value("")
    expect(title).to_have_accessible_description("")
    assert calls == ["POST", "GET"]


def test_a_tab_that_shows_somebody_else_publishes_nothing_and_keeps_nothing(app: Page) -> None:
    sign_in(app, ORIGIN)
    expect_signed_in(app)
    tab = app.context.new_page()
    tab.goto(f"{ORIGIN}/static/session_auth/session-auth.js")
    assert tab.evaluate(LOG_IN, {"username": "bob", "password": PASSWORD}) == 200  # no tab is told

    write(app, "In the name of alice", "Not of bob.").click()

    expect_signed_in(app, "bob")
    expect(app.get_by_label("Title")).to_have_value("")
    expect(app.get_by_role("article").first).to_be_visible()
    expect(app.get_by_role("article").filter(has_text="In the name of")).to_have_count(0)


def test_what_is_loading_is_cancelled_when_its_component_goes(app: Page) -> None:
    held: list[Route] = []
    failed: list[str] = []
    app.route("**/api/articles/", lambda route: route.continue_() if held else held.append(route))
    app.on("requestfailed", lambda request: failed.append(request.url))
    app.goto(ORIGIN)
    wait_until(app, lambda: len(held) == 1)

    sign_in_here = section(app, "Sign in")
    sign_in_here.get_by_label("Username").fill("alice")
    sign_in_here.get_by_label("Password").fill(PASSWORD)
    sign_in_here.get_by_role("button", name="Sign in").click()

    expect_signed_in(app)
    expect(app.get_by_role("article").first).to_be_visible()
    wait_until(app, lambda: failed == [f"{ORIGIN}/api/articles/"])


def test_a_session_that_ends_elsewhere_is_told_at_the_next_call(
    app: Page, internet_of_example: Browser
) -> None:
    phone = internet_of_example.new_context(user_agent="Lost phone").new_page()
    sign_in(phone, ORIGIN, "bob")
    expect_signed_in(phone, "bob")
    sign_in(app, ORIGIN, "bob")
    expect_signed_in(app, "bob")
    sessions = section(app, "Sessions")

    sessions.get_by_role("button", name="End the session on Lost phone").click()
    expect(sessions.get_by_role("listitem").filter(has_text="Lost phone")).to_have_count(0)
    expect(sessions.get_by_role("heading")).to_be_focused()
    write(phone, "From a lost phone", "Never published.").click()

    expect_signed_out(phone, "Your session has ended, perhaps from another browser.")


def test_a_person_proves_their_password_and_stays(
    page: Page, chromium: Browser, soon_over: str
) -> None:
    other = chromium.new_context().new_page()
    sign_in(other, soon_over)
    expect_signed_in(other)
    sign_in(page, soon_over)
    sessions = section(page, "Sessions").get_by_role("listitem")
    expect(sessions).to_have_count(2)
    warning = page.get_by_role("region", name="Your session")

    # The session is idle for too long, and then too old, however active it is.
    expect(warning).to_contain_text("You will be signed out within")
    expect(warning.get_by_label("Password")).to_have_count(0)
    warning.get_by_role("button", name="Stay signed in").click()
    warning.get_by_label("Password").fill("wrong")
    warning.get_by_role("button", name="Stay signed in").click()
    expect(warning.get_by_text("This is not your password.")).to_be_visible()

    # By now the login is no longer recent.
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.method))
    dialog = page.get_by_role("dialog", name="Is it you?")
    end_others = page.get_by_role("button", name="End all others")
    end_others.click()
    expect(dialog.get_by_label("Password")).to_be_focused()
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog.get_by_role("alert")).to_have_text("This is not your password.")

    # Cancel counts even while a proof is on its way. Once that is there, the next call needs none.
    held: list[Route] = []
    proven: list[Response] = []
    page.route("**/api/auth/reauthenticate/", lambda route: held.append(route))
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Confirm").click()
    wait_until(page, lambda: len(held) == 1)
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    expect(section(page, "Sessions").get_by_role("alert").last).to_be_empty()
    expect(end_others).to_be_focused()
    page.on("response", lambda answer: proven.append(answer))
    held[0].continue_()
    wait_until(page, lambda: [answer.status for answer in proven[:1]] == [200])
    expect(warning).to_be_hidden()
    expect(sessions).to_have_count(2)
    end_others.click()
    expect(sessions).to_have_count(1)
    expect(dialog).to_be_hidden()
    assert calls.count("DELETE") == 2


def test_it_fits_a_phone(app: Page) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    app.set_viewport_size({"width": 390, "height": 900})
    sign_in(app, ORIGIN)
    expect_signed_in(app)
    name = app.title().split()[-1].lower()
    app.screenshot(path=SCREENSHOTS / f"example-{name}-light.png", full_page=True)
    app.emulate_media(color_scheme="dark")
    app.screenshot(path=SCREENSHOTS / f"example-{name}-dark.png", full_page=True)

    content, screen = app.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert content <= screen


@pytest.fixture(params=EXAMPLES)
def at_localhost(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An example where browsers have passkeys: at the name of a host, not at an address."""
    name = request.param
    with running_demo(tmp_path, f"{name}_site.settings", project=project_of(name)) as origin:
        yield origin.replace("127.0.0.1", "localhost")


def test_a_person_signs_in_with_what_they_have(page: Page, at_localhost: str) -> None:
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable", {"enableUI": False})
    page.set_viewport_size({"width": 375, "height": 800})
    sign_in(page, at_localhost)
    page.get_by_role("link", name="Sign-in methods").click()

    # An app, and codes for when it is lost.
    app, codes = section(page, "Authenticator app"), section(page, "Recovery codes")
    app.get_by_role("button", name="Set up an app").click()
    expect(app.get_by_role("img", name="QR code")).to_be_visible()
    secret = from_base32(app.locator("code").inner_text())
    app.get_by_label("six digits").fill(code_of(secret))
    app.get_by_role("button", name="Confirm the app").click()
    expect(app).to_contain_text("Set up")
    expect(app.get_by_role("heading")).to_be_focused()
    codes.get_by_role("button", name="Make new codes").click()
    expect(codes.get_by_role("listitem")).to_have_count(10)
    unused = codes.get_by_role("listitem").all_inner_texts()
    with page.expect_download() as saved:
        codes.get_by_role("button", name="Save as a file").click()
    assert saved.value.path().read_text().splitlines()[1:] == unused
    look_at(page, "methods")

    # The second step.
    page.get_by_role("button", name="Sign out").click()
    fill_in(page)
    step = section(page, "One more step")
    expect(step.get_by_label("Code")).to_be_focused()
    look_at(page, "step")
    step.get_by_label("Code").fill("000000")
    page.keyboard.press("Enter")
    expect(step.get_by_role("alert")).not_to_be_empty()
    step.get_by_label("Code").fill(unused[0])
    page.keyboard.press("Enter")
    expect(codes).to_contain_text("You have 9 left.")

    # A passkey, alone: by the button, and by the field for the name.
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    passkeys = section(page, "Passkeys")
    passkeys.get_by_label("Name of a new passkey").fill("Phone")
    passkeys.get_by_role("button", name="Add a passkey").click()
    passkeys.get_by_role("button", name="Rename Phone").click()
    passkeys.get_by_label("New name of Phone").fill("My phone")
    page.keyboard.press("Enter")
    expect(passkeys.get_by_role("listitem")).to_contain_text("My phone")
    with page.expect_response("**/login/passkey/"):  # by the field
        page.get_by_role("button", name="Sign out").click()
    expect(passkeys.get_by_role("listitem")).to_contain_text("My phone")

    # A proof that is too old: of both the password and the code, or of the passkey.
    page.route(
        "**/recovery-codes/",
        lambda route: route.fulfill(
            status=403,
            json={
                "error": "Confirm it.",
                "code": "reauthentication_required",
                "methods": ["password", "totp", "recovery", "passkey"],
            },
        ),
        times=1,
    )
    codes.get_by_role("button", name="Make new codes").click()
    dialog = page.get_by_role("dialog", name="Is it you?")
    look_at(page, "dialog")
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_label("Code").fill(code_of(secret, steps=1))  # that of now is used up
    dialog.get_by_role("button", name="Confirm").click()
    expect(codes.get_by_role("listitem")).to_have_count(10)
    expect(dialog).to_be_hidden()


def look_at(page: Page, what: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    name = page.title().split()[-1].lower()
    page.screenshot(path=SCREENSHOTS / f"example-{name}-{what}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
