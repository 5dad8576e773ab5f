"""A list of articles that is live in two browsers, and ends with the session."""

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from session_auth.sessions import watching
from tests.browser.demo_server import running_demo
from tests.browser.pages import Demo


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = "tests.browser.settings_quick"
    with running_demo(tmp_path_factory.mktemp("live"), settings, by_asgi=True) as origin:
        yield origin


def expect_stream(demo: Demo, code: str) -> None:
    """Expect that the request for the stream, under the hood, says ``code``."""
    call = demo.page.locator(".call", has_text="/api/articles/stream/").filter(has_text=code)
    expect(call.first).to_be_visible()


def test_an_article_comes_to_another_browser_and_an_end_stops_that_at_once(
    demo: Demo, new_page: Callable[..., Page], origin: str
) -> None:
    phone = Demo(new_page(user_agent="Lost phone"), origin)
    for each in (demo, phone):
        each.open("/app/")
        each.sign_in("bob")
        each.expect_signed_in("bob")
        expect_stream(each, "open")

    demo.write("Read this")
    phone.expect_article("Read this", "bob")
    demo.expect_article("Read this", "bob")
    assert demo.page.get_by_role("article").filter(has_text="Read this").count() == 1

    demo.page.get_by_role("link", name="Sessions").click()
    row = demo.page.get_by_role("listitem").filter(has_text="Lost phone")
    row.get_by_role("button", name="End").click()
    began_at = time.monotonic()
    expect_stream(phone, "session_ended")
    phone.expect_session_ended_elsewhere()
    assert time.monotonic() - began_at < watching.LOOK_SECONDS

    phone.page.wait_for_timeout(1500)
    assert phone.page.locator(".call", has_text="/api/articles/stream/").count() == 1
    expect_stream(demo, "open")

    phone.sign_in("bob")
    phone.expect_signed_in("bob")
    expect_stream(phone, "open")
