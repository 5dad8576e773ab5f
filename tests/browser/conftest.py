import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.demo_server import running_demo
from tests.browser.pages import Demo
from tests.browser.profiles import watched_profile

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_demo(tmp_path_factory.mktemp("demo")) as origin:
        yield origin


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page in a browser profile of its own; an error in a tab of it fails the test."""
    with watched_profile(chromium, viewport={"width": 1200, "height": 900}) as profile:
        yield profile.new_page()


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Pages in further profiles, which are other devices; errors fail the test as in ``page``."""
    with ExitStack() as profiles:
        yield lambda **options: profiles.enter_context(
            watched_profile(chromium, **options)
        ).new_page()


@pytest.fixture
def demo(page: Page, origin: str) -> Demo:
    return Demo(page, origin)
