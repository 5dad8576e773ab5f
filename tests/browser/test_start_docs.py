"""docs/start.md, followed to the letter in an empty folder, and its page used in a browser.

Then the first section of docs/factors.md, which goes on from there.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo_server import free_port, wait_for
from tests.browser.test_passkeys import AUTHENTICATOR
from tests.following import ROOT, SERVER, environment, follow, run


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
    """Do what the page says, and yield the origin of the server that its last command starts."""
    printed = follow("start.md", tmp_path)
    assert "no issues" in printed["python manage.py check"]
    assert list(printed)[-1] == SERVER
    assert "session_auth." not in check_in_production(tmp_path)
    with running(tmp_path, free_port()) as origin:
        yield origin


@pytest.fixture
def shop_with_passkeys(tmp_path: Path) -> Iterator[str]:
    """Do what both pages say; the port is another one than they say."""
    port = free_port()
    follow("start.md", tmp_path)
    printed = follow("factors.md", tmp_path, heading="Ten minutes to a login with passkeys")
    assert "no issues" in printed["python manage.py check"]
    assert list(printed)[-1] == SERVER
    settings = tmp_path / "shop" / "settings.py"
    settings.write_text(settings.read_text().replace("localhost:8000", f"localhost:{port}"))
    with running(tmp_path, port) as origin:
        yield origin.replace("127.0.0.1", "localhost")


@contextmanager
def running(folder: Path, port: int) -> Iterator[str]:
    log = folder / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
            cwd=folder,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def check_in_production(folder: Path) -> str:
    """Return what the checks say of the project with the settings of docs/deployment.md."""
    page = (ROOT / "docs" / "deployment.md").read_text()
    [block] = re.findall(
        r"^```python\n(SESSION_COOKIE_NAME.*?)^```", page, re.DOTALL | re.MULTILINE
    )
    (folder / "shop" / "production.py").write_text(f"from shop.settings import *\n{block}")
    command = "python manage.py check --deploy --fail-level CRITICAL --settings shop.production"
    return run(command, folder)


def sign_in(page: Page, password: str) -> None:
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_five_minutes_end_with_a_page_that_signs_in(shop: str, page: Page) -> None:
    page.goto(shop)
    sign_in(page, "correct horse battery")
    expect(page.get_by_role("heading")).to_have_text("Hello alice")

    second = page.context.new_page()
    second.goto(shop)
    expect(second.get_by_role("heading")).to_have_text("Hello alice")
    second.goto(f"{shop}/api/auth/sessions/")
    assert '"current": true' in second.content()
    second.goto(f"{shop}/admin/")
    expect(second.get_by_text("Welcome, alice")).to_be_visible()
    second.goto(shop)

    second.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    for _ in range(5):
        sign_in(page, "wrong")
        expect(page.get_by_role("alert")).to_have_text("Invalid credentials")
    sign_in(page, "correct horse battery")
    expect(page.get_by_role("alert")).to_contain_text("Too many")


def test_ten_minutes_end_with_a_login_by_a_passkey(shop_with_passkeys: str, page: Page) -> None:
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable", {"enableUI": False})
    phone = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    hello = page.get_by_role("heading", name="Hello alice")
    page.goto(shop_with_passkeys)
    sign_in(page, "correct horse battery")
    expect(hello).to_be_visible()
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("You have a passkey now.")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("You have a passkey here already.")

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Use a passkey").click()
    expect(hello).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "correct horse battery")
    expect(page.get_by_text("One more step: your passkey.")).to_be_visible()
    verified = {"authenticatorId": phone["authenticatorId"], "isUserVerified": False}
    cdp.send("WebAuthn.setUserVerified", verified)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_have_text("No passkey was used.")
    cdp.send("WebAuthn.setUserVerified", verified | {"isUserVerified": True})
    page.get_by_role("button", name="Go on").click()
    expect(hello).to_be_visible()
