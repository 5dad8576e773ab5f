"""Take the screenshots of the README: start the demo, use it, and write docs/images/*.png.

Run it as ``python scripts/screenshots.py``, where Playwright and Chromium are installed.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from playwright.sync_api import Browser, Page, expect, sync_playwright  # noqa: E402

from tests.browser.conftest import CHROMIUM, FLAGS  # noqa: E402
from tests.browser.demo_server import running_demo  # noqa: E402
from tests.browser.pages import Demo  # noqa: E402

IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 150_000
SCREEN = {"width": 1200, "height": 760}
PHONE = {"width": 390, "height": 780}
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
)


@contextmanager
def signed_in(browser: Browser, origin: str, agent: str = MAC, **options: object) -> Iterator[Demo]:
    context = browser.new_context(
        user_agent=agent, locale="en-GB", timezone_id="Europe/London", **options
    )
    demo = Demo(context.new_page(), origin)
    demo.open("/app/")
    demo.sign_in()
    expect(demo.page.get_by_text("Signed in as alice")).to_be_visible()
    yield demo
    context.close()


def take(page: Page, name: str) -> None:
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled")
    size = path.stat().st_size
    assert size <= MOST_BYTES, f"{name} has {size} bytes"
    print(f"{path.relative_to(ROOT)}: {size // 1000} kB")


def take_articles(browser: Browser, origin: str) -> None:
    with signed_in(browser, origin, viewport=SCREEN) as demo:
        demo.page.get_by_role("button", name="Publish").click()
        demo.expect_refusal("400 invalid_request")
        demo.write("A session, not a token", "One cookie, and the browser looks after it.")
        demo.expect_article("A session, not a token")
        demo.page.locator("details", has_text="/api/auth/login/").locator("summary").click()
        take(demo.page, "app-light")


def take_devices(browser: Browser, origin: str) -> None:
    with (
        signed_in(browser, origin, IPHONE) as phone,
        signed_in(browser, origin, viewport=SCREEN, color_scheme="dark") as demo,
    ):
        demo.page.get_by_role("link", name="Devices").click()
        expect(demo.page.get_by_role("listitem").first).to_contain_text("this device")
        expect(demo.page.get_by_role("listitem").filter(has_text="iPhone")).to_be_visible()
        take(demo.page, "devices-dark")
        phone.sign_out()


def take_warning(browser: Browser, origin: str) -> None:
    with signed_in(browser, origin, IPHONE, viewport=PHONE) as demo:
        expect(demo.page.get_by_role("alertdialog")).to_be_visible(timeout=30_000)
        take(demo.page, "warning-phone")


def main() -> None:
    os.environ["TZ"] = "UTC"
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright, TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, settings, shots in (
            ("usual", "config.settings", (take_articles, take_devices)),
            ("short", "tests.browser.settings_short_idle", (take_warning,)),
        ):
            database = Path(folder) / name
            database.mkdir()
            with running_demo(database, settings) as origin:
                for take_shots in shots:
                    take_shots(browser, origin)
        browser.close()


if __name__ == "__main__":
    main()
