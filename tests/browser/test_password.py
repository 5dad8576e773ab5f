"""A person changes their password, and sets one that they have forgotten."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo_server import running_demo
from tests.browser.pages import PASSWORD, Demo

NEW = "an even better horse"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def demo(page: Page, folder: Path) -> Iterator[Demo]:
    """A demo of its own, since the others need the password as it is."""
    with running_demo(folder, "tests.browser.settings_quick") as origin:
        yield Demo(page, origin)


def sign_in(demo: Demo, password: str) -> None:
    demo.open("/app/")
    demo.sign_in("bob", password)
    demo.expect_signed_in("bob")


def test_a_person_changes_their_password(demo: Demo, new_page: Callable[..., Page]) -> None:
    page = demo.page
    phone = Demo(new_page(), demo.origin)
    sign_in(phone, PASSWORD)
    sign_in(demo, PASSWORD)
    demo.open("/password/")
    page.get_by_label("Old password").fill("wrong")
    page.get_by_role("textbox", name="New password").fill("short")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your old password was entered incorrectly.")).to_be_visible()
    expect(page.get_by_text("This password is too short.")).to_be_visible()
    expect(page.get_by_role("textbox", name="New password")).to_have_attribute(
        "aria-invalid", "true"
    )

    page.get_by_label("Old password").fill(PASSWORD)
    page.get_by_role("textbox", name="New password").fill(NEW)
    page.get_by_role("button", name="Change password").click()

    expect(page.get_by_text("Your password is changed.")).to_be_visible()
    demo.open("/app/")
    demo.expect_signed_in("bob")
    phone.write("From the phone")
    phone.expect_session_ended_elsewhere()


def test_a_person_sets_a_password_that_they_have_forgotten(demo: Demo, folder: Path) -> None:
    page = demo.page
    demo.open("/password/")
    page.get_by_label("Email").fill("bob@example.org")
    page.get_by_role("button", name="Send a link").click()
    expect(page.get_by_text("a link is on its way")).to_be_visible()
    link = mailed_link(folder, page)
    page.goto(link)
    expect(page.get_by_label("Old password")).to_be_hidden()

    page.get_by_role("textbox", name="New password").fill(NEW)
    page.get_by_role("button", name="Set password").click()

    expect(page.get_by_text("Sign in with it.")).to_be_visible()
    expect(page.get_by_label("Username")).to_be_focused()
    assert page.url == demo.origin + "/password/"
    shown = page.content()
    assert "/api/auth/password/reset/confirm/" in shown
    assert [secret for secret in (NEW, *link.split("#")[1].split("/")) if secret in shown] == []
    sign_in(demo, NEW)
    calls: list[str] = []
    page.on("request", lambda request: calls.append(f"{request.method} {request.url}"))
    page.goto(link)

    # Before anybody has typed anything, and in words for people.
    demo.expect_refusal("This link is invalid or has expired.")
    expect(page.get_by_role("textbox", name="New password")).to_be_hidden()
    expect(page.get_by_label("Email")).to_be_visible()
    assert page.url == demo.origin + "/password/"
    assert f"POST {demo.origin}/api/auth/password/reset/check/" in calls
    assert link.split("/")[-1] not in "".join(calls).replace(link, "")


def mailed_link(folder: Path, page: Page) -> str:
    """Return the link of a mail, which the demo prints after the answer that the page shows."""

    def look(wait_milliseconds: int) -> list[str]:
        page.wait_for_timeout(wait_milliseconds)
        return re.findall(r"http\S+/password/#\S+", (folder / "server.log").read_text())

    return next(filter(None, map(look, [50] * 100)))[0]
