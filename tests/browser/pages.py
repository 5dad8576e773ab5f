"""What a person does on the demo's pages."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, expect

PASSWORD = "demo-only-password"
WAIT_SECONDS = 20


def wait_until(page: Page, is_so: Callable[[], bool]) -> None:
    """Wait until ``is_so()``, which the page itself does not show."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


@dataclass(frozen=True)
class Demo:
    page: Page
    origin: str

    def open(self, path: str) -> None:
        self.page.goto(self.origin + path)

    def sign_in(self, username: str = "alice", password: str = PASSWORD) -> None:
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def expect_signed_in(self, username: str = "alice") -> None:
        expect(self.page.get_by_text(f"Signed in as {username}")).to_be_visible()
        expect(self.page.get_by_role("button", name="Sign in")).to_be_hidden()

    def expect_signed_out(self) -> None:
        expect(self.page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(self.page.get_by_role("button", name="Sign out")).to_be_hidden()

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Sign out").click()

    def write(self, title: str, body: str = "Some text.") -> None:
        if not self.page.get_by_label("Title").is_visible():  # folded for visitors
            self.page.locator("summary", has_text="Write an article").click()
        self.page.get_by_label("Title").fill(title)
        self.page.get_by_label("Text").fill(body)
        self.page.get_by_role("button", name="Publish").click()

    def expect_article(self, title: str, author: str = "alice") -> None:
        article = self.page.get_by_role("article").first
        expect(article.get_by_role("heading", name=title)).to_be_visible()
        expect(article).to_contain_text(author)

    def expect_session_ended_elsewhere(self) -> None:
        """Once: in the notice, and not below the form, too."""
        notice = self.page.locator("#notice.warning")
        expect(notice).to_contain_text("Your session was ended from elsewhere.")
        expect(self.page.get_by_text("Your session has ended.")).to_have_count(0)

    def expect_refusal(self, *texts: str) -> None:
        alert = self.page.get_by_role("alert").filter(has_text=texts[0])
        for text in texts:
            expect(alert).to_contain_text(text)

    def run(self, script: str, argument: object = None) -> Any:
        """Run an async function in the page with the client's module and ``argument``."""
        return self.page.evaluate(
            f"""async (argument) => {{
                const path = "/static/session_auth/session-auth.js";
                const module = await import(location.origin + path);
                return ({script})(module, argument);
            }}""",
            argument,
        )
