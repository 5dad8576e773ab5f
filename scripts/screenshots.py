"""Take the screenshots of the docs: start the demo, use it, and write docs/images/*.png.

It takes Playwright and Chromium, as the tests in browsers do:
``.tox/browser/bin/python scripts/screenshots.py``.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.demo_server import running_demo
from tests.browser.pages import Demo

IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 150_000
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
LAPTOP: dict[str, Any] = {"viewport": {"width": 1200, "height": 840}}
WIDE: dict[str, Any] = {"viewport": {"width": 1200, "height": 640}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 640}}
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
)


@contextmanager
def signed_in(browser: Browser, origin: str, agent: str = MAC, **options: Any) -> Iterator[Demo]:
    """Sign in with a browser profile of its own, and sign out again at the end."""
    context = browser.new_context(
        user_agent=agent, locale="en-GB", timezone_id="Europe/London", **options
    )
    demo = Demo(context.new_page(), origin)
    demo.open("/app/")
    demo.sign_in()
    demo.expect_signed_in()
    yield demo
    demo.open("/")  # where no dialog is in the way
    demo.open("/app/")
    demo.sign_out()
    demo.expect_signed_out()
    context.close()


def save(demo: Demo, name: str) -> None:
    path = IMAGES / f"{name}.png"
    demo.page.screenshot(path=path, animations="disabled", caret="hide")
    size = path.stat().st_size
    assert size <= MOST_BYTES, f"{name} has {size} bytes"
    print(f"{path.relative_to(ROOT)}: {size // 1000} kB")


def take_articles(browser: Browser, origin: str, scheme: Scheme) -> None:
    with signed_in(browser, origin, color_scheme=scheme, **LAPTOP) as demo:
        demo.page.get_by_role("button", name="Publish").click()
        expect(demo.page.get_by_text("This field is required.").first).to_be_visible()
        demo.write("A session, not a token", "One cookie, and the browser looks after it.")
        demo.expect_article("A session, not a token")
        demo.page.locator("details", has_text="invalid_request").locator("summary").click()
        demo.page.evaluate("document.activeElement.blur()")
        save(demo, f"app-{scheme}")


def take_sessions(browser: Browser, origin: str, scheme: Scheme) -> None:
    with (
        signed_in(browser, origin, IPHONE),
        signed_in(browser, origin, color_scheme=scheme, **WIDE) as demo,
    ):
        demo.page.get_by_role("link", name="Sessions").click()
        expect(demo.page.get_by_role("listitem").first).to_contain_text("this browser")
        expect(demo.page.get_by_role("listitem").filter(has_text="iOS")).to_be_visible()
        save(demo, f"sessions-{scheme}")


def take_warning(browser: Browser, origin: str, scheme: Scheme) -> None:
    with signed_in(browser, origin, IPHONE, color_scheme=scheme, **PHONE) as demo:
        timer = demo.page.get_by_role("alertdialog").get_by_role("timer")
        expect(timer).to_have_text(re.compile(r"0:5\d"), timeout=30_000)
        save(demo, f"warning-{scheme}")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    demos: list[tuple[str, tuple[Callable[[Browser, str, Scheme], None], ...]]] = [
        ("config.settings", (take_articles, take_sessions)),
        ("config.settings_short", (take_warning,)),
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for settings, shots in demos:
            for scheme in SCHEMES:
                with (
                    TemporaryDirectory() as folder,
                    running_demo(Path(folder), settings, DEMO_SHORT="65") as origin,
                ):
                    for take in shots:
                        take(browser, origin, scheme)
        browser.close()


if __name__ == "__main__":
    main()
