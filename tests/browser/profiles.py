"""Browser profiles in which nothing goes wrong unseen."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage
from playwright.sync_api import Error as PlaywrightError

from tests.browser.pages import WAIT_SECONDS

EXPECTED = ("Failed to load resource", "Unsafe attempt to load URL")
"""How the console tells of each answer of 400 and above, of each call that was cut off, and of a
redirect to another origin: tests cause these on purpose."""

OPEN: list[BrowserContext] = []
"""The profiles of ``watched_profile`` that are open."""


@contextmanager
def new_profile(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """Open a profile, and close it; an error that a script does not catch fails the test."""
    profile = browser.new_context(**options)
    profile.set_default_timeout(WAIT_SECONDS * 1000)
    errors: list[str] = []
    profile.on("weberror", lambda error: errors.append(str(error.error)))
    yield profile
    found = so_far(errors, profile)
    profile.close()
    assert not found, found


def let_all_load() -> None:
    """Wait until pages have loaded: of a server that ends meanwhile, scripts would be missing."""
    for page in [page for profile in OPEN for page in profile.pages]:
        with suppress(PlaywrightError):  # of a page that never gets all, as some tests want it
            page.wait_for_load_state(timeout=5000)


@contextmanager
def watched_profile(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """Do what ``new_profile`` does; any other error that the console shows fails the test, too.

    What the content security policy refuses, above all.
    """
    errors: list[str] = []
    with new_profile(browser, **options) as profile:
        profile.on("console", lambda message: errors.extend(errors_in(message)))
        OPEN.append(profile)
        yield profile
        OPEN.remove(profile)
        found = so_far(errors, profile)
    assert not found, found


def so_far(errors: list[str], profile: BrowserContext) -> list[str]:
    """Return the errors of before the profile is closed, which cuts off what is being loaded."""
    profile.cookies()  # any call: Playwright tells of all that has happened before its answer
    return list(errors)


def errors_in(message: ConsoleMessage) -> list[str]:
    """Return the text of a message that is an error, and not an expected one."""
    is_error = message.type == "error" and not message.text.startswith(EXPECTED)
    return [message.text] if is_error else []
