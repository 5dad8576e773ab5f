import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from tests.browser.demo_server import running_demo
from tests.browser.foreign_sites import ForeignSites, running_foreign_sites
from tests.browser.pages import WAIT_SECONDS, Demo
from tests.browser.production_server import (
    HOST,
    ORIGIN,
    SERVERS,
    Certificate,
    Production,
    make_certificate,
    running_production,
)
from tests.browser.profiles import let_all_load, new_profile, watched_profile

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
# Chromium heeds the last such switch alone, so these are the features that Playwright switches off,
# and two popups of the address bar, which each window loads as pages of their own: without them, a
# page in a new profile takes less than half of the CPU.
WITHOUT_FEATURES = [
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxPopup",
]
FLAGS = [
    "--no-sandbox",
    f"--disable-features={','.join(WITHOUT_FEATURES)}",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    let_all_load()  # before a fixture ends its server, which may be before that of the page


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=WAIT_SECONDS * 1000)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = "tests.browser.settings_quick"
    with running_demo(tmp_path_factory.mktemp("demo"), settings) as origin:
        yield origin


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page in a browser profile of its own; an error in a tab of it fails the test."""
    with watched_profile(chromium, viewport={"width": 1200, "height": 900}) as profile:
        yield profile.new_page()


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Pages in profiles of their own, as in other browsers; errors fail the test as in ``page``."""
    with ExitStack() as profiles:
        yield lambda **options: profiles.enter_context(
            watched_profile(chromium, **options)
        ).new_page()


@pytest.fixture
def demo(page: Page, origin: str) -> Demo:
    return Demo(page, origin)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def foreign(certificate: Certificate) -> Iterator[ForeignSites]:
    with running_foreign_sites(certificate) as sites:
        yield sites


@pytest.fixture(scope="session", params=SERVERS)
def production(
    request: pytest.FixtureRequest,
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp(request.param)
    with running_production(Production(name=request.param, folder=folder), certificate) as running:
        yield running


@pytest.fixture(scope="session")
def internet(
    playwright: Playwright,
    production: Production,
    foreign: ForeignSites,
    certificate: Certificate,
) -> Iterator[Browser]:
    """A browser that reaches our host and all others at the usual ports, 443 and 80."""
    ports = {
        f"{HOST}:443": production.https_port,
        f"{HOST}:80": production.http_port,
        "*:443": foreign.https_port,
        "*:80": foreign.http_port,
    }
    browser = launch(playwright, ports, certificate)
    yield browser
    browser.close()


def launch(playwright: Playwright, ports: dict[str, int], certificate: Certificate) -> Browser:
    """Start a browser for which each host is at a port of this machine."""
    rules = ", ".join(f"MAP {host} 127.0.0.1:{port}" for host, port in ports.items())
    return playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=[
            *FLAGS,
            f"--host-resolver-rules={rules}",
            f"--ignore-certificate-errors-spki-list={certificate.key_digest}",
        ],
        ignore_default_args=["--disable-back-forward-cache"],
    )


@pytest.fixture
def visitor(internet: Browser) -> Iterator[BrowserContext]:
    with new_profile(internet) as context:
        yield context


@pytest.fixture
def site(visitor: BrowserContext) -> Demo:
    """The demo in production, in the visitor's browser."""
    return Demo(visitor.new_page(), ORIGIN)
