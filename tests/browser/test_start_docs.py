"""docs/start.md, followed to the letter in an empty folder, and its page used in a browser."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.demo_server import ROOT, free_port, wait_for

PAGE = (ROOT / "docs" / "start.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(?:(?:# |<!-- )([\w/.]+)(?: -->)?\n)?(.*?)^```", re.DOTALL | re.M)
# The environment that runs the tests stands for the one that these make.
MADE_ALREADY = ("python3 -m venv venv", ". venv/bin/activate", "pip install ../django-session-auth")


def patched(text: str, diff: str) -> str:
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    assert text.count(before) == 1, before
    return text.replace(before, "".join(line[1:] for line in lines if line[0] != "-"))


def write(file: Path, language: str, text: str) -> None:
    if language == "diff":
        text = patched(file.read_text(), text)
    elif file.name == "settings.py":  # the page says: at its end
        text = f"{file.read_text()}\n{text}"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
    """Do what the page says, and yield the origin of the server that its last command starts."""
    python = {"python": [sys.executable], "django-admin": [sys.executable, "-m", "django"]}
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    commands = []
    for language, file, text in BLOCK.findall(PAGE):
        if language != "console":
            write(tmp_path / file, language, text)
            continue
        for line in text.splitlines():
            commands.append(line)
            name, *arguments = shlex.split(line)
            if line not in (*MADE_ALREADY, "python manage.py runserver"):
                done = subprocess.run(
                    [*python[name], *arguments],
                    cwd=tmp_path,
                    env=environment,
                    check=True,
                    capture_output=True,
                    text=True,
                )
                assert "manage.py check" not in line or "no issues" in done.stdout
    assert commands[:3] == list(MADE_ALREADY)
    assert commands[-1] == "python manage.py runserver"
    port, log = free_port(), tmp_path / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port, server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


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
