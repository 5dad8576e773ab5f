"""A person uses the examples, as Django serves what Vite has built, and through Vite's proxy."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import SCREENSHOTS
from tests.browser.demo_server import ROOT, free_port, running_demo, wait_for
from tests.browser.pages import PASSWORD

EXAMPLES = ["react", "vue"]


@contextmanager
def running_example(name: str, folder: Path, settings: str = "backend.settings") -> Iterator[str]:
    """Start Django with what Vite has built and yield its origin; stop it at the end."""
    project = ROOT / "examples" / name
    assert (project / "dist" / "index.html").exists(), "Run scripts/build_examples.sh first."
    with running_demo(folder, settings, project=project) as origin:
        yield origin


@contextmanager
def running_vite(name: str, folder: Path, django: str) -> Iterator[str]:
    """Start Vite in front of Django and yield its origin; stop it at the end."""
    project = ROOT / "examples" / name
    port = free_port()
    log = folder / "vite.log"
    vite = ["node_modules/vite/bin/vite.js", "--host=127.0.0.1", f"--port={port}", "--strictPort"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [shutil.which("node") or "node", *vite],
            cwd=project,
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
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with running_example(request.param, tmp_path_factory.mktemp(request.param)) as origin:
        yield origin


@pytest.fixture(scope="module", params=EXAMPLES)
def developed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, origin: str
) -> Iterator[str]:
    with running_vite(request.param, tmp_path_factory.mktemp(request.param), origin) as vite:
        yield vite


def section(page: Page, heading: str) -> Locator:
    return page.locator("section").filter(has=page.get_by_role("heading", name=heading, level=2))


def sign_in(page: Page, origin: str, username: str = "alice", password: str = PASSWORD) -> None:
    page.goto(origin)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def expect_signed_in(page: Page, username: str = "alice") -> None:
    expect(page.get_by_role("status")).to_have_text(f"Signed in as {username}")
    expect(section(page, "Devices").get_by_text("(this device)")).to_be_visible()


def expect_signed_out(page: Page, farewell: str) -> None:
    expect(page.get_by_role("status")).to_have_text(farewell)
    expect(section(page, "Sign in")).to_be_visible()
    expect(section(page, "Devices")).to_have_count(0)


def publish(page: Page, title: str, text: str) -> None:
    form = section(page, "Write an article")
    form.get_by_label("Title").fill(title)
    form.get_by_label("Text").fill(text)
    form.get_by_role("button", name="Publish").click()


def walk_through(page: Page, origin: str) -> None:
    """Sign in, create an article, see it and the devices in two tabs, sign out of both."""
    page.goto(origin)
    expect_signed_out(page, "Nobody is signed in.")
    tab = page.context.new_page()
    tab.goto(origin)
    expect_signed_out(tab, "Nobody is signed in.")

    sign_in(page, origin)
    expect_signed_in(page)
    expect_signed_in(tab)
    publish(page, "From a front end", "With a build.")
    article = page.get_by_role("article").first
    expect(article).to_contain_text("From a front end")
    expect(article).to_contain_text("alice")
    expect(page.get_by_label("Title")).to_have_value("")
    tab.reload()
    expect_signed_in(tab)
    expect(tab.get_by_role("article").first).to_contain_text("From a front end")

    tab.get_by_role("button", name="Sign out").click()
    expect_signed_out(tab, "You have signed out.")
    expect_signed_out(page, "You have signed out.")


def test_a_person_uses_it_as_django_serves_it(page: Page, built: str) -> None:
    """Under the Content-Security-Policy of its page, which nothing violates."""
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))

    walk_through(page, built)

    assert complaints == []


def test_a_person_uses_it_through_the_proxy_of_vite(page: Page, developed: str) -> None:
    walk_through(page, developed)


def test_the_admin_shares_the_session_through_the_proxy(page: Page, developed: str) -> None:
    sign_in(page, developed)
    expect_signed_in(page)

    page.goto(f"{developed}/admin/")

    expect(page.get_by_role("link", name="View site")).to_be_visible()
    transparent = "rgba(0, 0, 0, 0)"  # without its style sheet
    expect(page.locator("#header")).not_to_have_css("background-color", transparent)


def test_refusals_are_told_where_they_belong(page: Page, built: str) -> None:
    sign_in(page, built, password="wrong")
    expect(section(page, "Sign in").get_by_role("alert")).to_have_text("Invalid credentials")
    expect(page.get_by_label("Username")).to_have_value("alice")

    sign_in(page, built)
    expect_signed_in(page)
    publish(page, "", "Some text.")

    title = page.get_by_label("Title")
    expect(title).to_have_accessible_description("This field is required.")
    expect(title).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Text")).to_have_attribute("aria-invalid", "false")
    expect(page.get_by_label("Text")).to_have_value("Some text.")


def test_a_user_who_signs_in_in_another_tab_sees_nothing_of_the_one_before(
    page: Page, built: str
) -> None:
    sign_in(page, built)
    expect_signed_in(page)
    page.get_by_label("Title").fill("Alice's draft")
    tab = page.context.new_page()
    tab.goto(built)
    tab.get_by_role("button", name="Sign out").click()

    sign_in(tab, built, "bob")
    expect_signed_in(tab, "bob")

    expect_signed_in(page, "bob")
    expect(page.get_by_label("Title")).to_have_value("")


def test_a_session_that_ends_elsewhere_is_told_at_the_next_call(
    page: Page, chromium: Browser, built: str
) -> None:
    phone = chromium.new_context(user_agent="Lost phone").new_page()
    sign_in(phone, built, "bob")
    expect_signed_in(phone, "bob")
    sign_in(page, built, "bob")
    expect_signed_in(page, "bob")
    devices = section(page, "Devices").get_by_role("listitem")

    devices.get_by_role("button", name="End the session on Lost phone").click()
    expect(devices.filter(has_text="Lost phone")).to_have_count(0)
    publish(phone, "From a lost phone", "Never published.")

    expect_signed_out(phone, "Your session has ended, perhaps from another device.")


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_person_proves_their_password_and_stays(
    page: Page, chromium: Browser, tmp_path: Path, name: str
) -> None:
    with running_example(name, tmp_path, "tests.browser.settings_example_expiry") as origin:
        sign_in(chromium.new_context().new_page(), origin)
        sign_in(page, origin)
        devices = section(page, "Devices").get_by_role("listitem")
        expect(devices).to_have_count(2)
        warning = page.get_by_role("region", name="Your session")

        # The session is idle for too long, and then too old, however active it is.
        expect(warning.get_by_role("alert")).to_contain_text("You will be signed out within")
        expect(warning.get_by_label("Password")).to_have_count(0)
        warning.get_by_role("button", name="Stay signed in").click()
        warning.get_by_label("Password").fill(PASSWORD)
        warning.get_by_role("button", name="Stay signed in").click()
        expect(warning).to_be_hidden()

        # The login is no longer recent.
        page.wait_for_timeout(2_100)
        dialog = page.get_by_role("dialog")
        end_others = page.get_by_role("button", name="End all others")
        end_others.click()
        dialog.get_by_label("Password").fill("wrong")
        dialog.get_by_role("button", name="Confirm").click()
        expect(dialog.get_by_role("alert")).to_have_text("Invalid credentials")
        dialog.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()
        expect(devices).to_have_count(2)
        end_others.click()
        expect(dialog.get_by_text("Invalid credentials")).to_have_count(0)
        dialog.get_by_label("Password").fill(PASSWORD)
        dialog.get_by_role("button", name="Confirm").click()
        expect(dialog).to_be_hidden()
        expect(devices).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(page: Page, built: str, scheme: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 390, "height": 900})
    sign_in(page, built)
    expect_signed_in(page)
    name = page.title().split()[-1].lower()
    page.screenshot(path=SCREENSHOTS / f"example-{name}-{scheme}.png", full_page=True)

    content, screen = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert content <= screen
