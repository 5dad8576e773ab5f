"""The site of the docs, built and then looked at in Chromium."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SITE = ROOT / ".cache" / "docs" / "html"
PAGES = sorted(path.stem for path in DOCS.glob("*.md"))
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
LOADING = {"audio", "embed", "iframe", "img", "link", "object", "script", "source", "video"}


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # its own name
        pass


class Loaded(HTMLParser):
    """Collects the addresses that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in LOADING:
            self.addresses += [
                value or "" for name, value in attrs if name in {"data", "href", "src", "srcset"}
            ]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def site() -> Path:
    done = run("scripts/build_docs.py")
    assert done.returncode == 0, done.stderr
    return SITE


@pytest.fixture(scope="session")
def origin(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module", params=["light-375", "dark-1280"])
def page(request: pytest.FixtureRequest, origin: str) -> Iterator[tuple[Page, list[str]]]:
    """Yield a page, and what it asked of others, or wrote to the console."""
    scheme, width = request.param.split("-")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(
            viewport={"width": int(width), "height": 800}, color_scheme=scheme, base_url=origin
        )
        odd: list[str] = []
        opened.on("request", lambda sent: odd.append(sent.url) if origin not in sent.url else None)
        opened.on("console", lambda message: odd.append(message.text))
        yield opened, odd
        browser.close()


@pytest.mark.parametrize(
    "text", ["[there](other.md)", "[there](#nowhere)", "[there](index.md#nowhere)"]
)
def test_a_link_to_nowhere_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.md").write_text(f"# A page\n\n## Somewhere\n\n{text}\n")

    done = run(
        *("-m", "sphinx", "--conf-dir", str(DOCS), "--fail-on-warning", "--quiet"),
        *(str(tmp_path), str(tmp_path / "html")),
    )

    assert done.returncode != 0
    assert "myst.xref_missing" in done.stderr


def test_each_page_of_the_docs_is_there_and_at_the_side_of_each(site: Path) -> None:
    start = (site / "index.html").read_text()

    for name in PAGES:
        assert (site / f"{name}.html").exists()
        assert name == "index" or f'<a class="reference internal" href="{name}.html">' in start


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        loaded = Loaded()
        loaded.feed(path.read_text())
        assert loaded.addresses
        assert [each for each in loaded.addresses if re.match(r"\w+:(?!image/)|//", each)] == []
    for path in site.rglob("*.css"):
        urls = re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')]+)", path.read_text())
        assert [each for each in urls if not each.startswith(("data:", "#"))] == []


def test_each_picture_and_anchor_of_the_html_is_there(site: Path) -> None:
    for path in site.glob("*.html"):
        html = path.read_text()
        for picture in re.findall(r'(?:src|srcset)="([^":]+\.png)"', html):
            assert (site / picture).exists(), f"{path.name}: {picture}"
        for target, anchor in re.findall(r'href="(\w[\w.-]*\.html)?#([^"]+)"', html):
            there = html if not target else (site / target).read_text()
            assert f'id="{anchor}"' in there, f"{path.name}: {target}#{anchor}"


def test_a_page_fits_its_window_and_asks_nobody_else(page: tuple[Page, list[str]]) -> None:
    opened, odd = page
    for name in PAGES:
        opened.goto(f"/{name}.html")
        wide = opened.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, name
        background = opened.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, re.findall(r"\d+", background)[:3])) > 3 * 128
        assert light == opened.evaluate("matchMedia('(prefers-color-scheme: light)').matches")

    assert odd == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("SESSION_AUTH_IDLE_TIMEOUT", "timeouts.html"),
        ("passkey", "factors.html"),
        ("csrf_failed", "pitfalls.html"),
    ],
)
def test_search_finds_a_page(page: tuple[Page, list[str]], words: str, found: str) -> None:
    opened, odd = page

    opened.goto(f"/search.html?q={words}")

    opened.wait_for_selector(f'#search-results a[href*="{found}"]')
    assert odd == []
