"""Compare what the README and the docs say with what the code does."""

import builtins
import json
import re
from dataclasses import fields
from datetime import timedelta
from dis import get_instructions
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from django.core.checks import run_checks
from django.http import JsonResponse
from django.test import Client, override_settings
from django.urls import path
from django.utils.module_loading import import_string

from session_auth import exceptions, throttling
from session_auth.conf import Conf
from session_auth.exceptions import SessionAuthError
from session_auth.guessing import counts, devices
from session_auth.urls import urlpatterns
from tests.checking import STARTPROJECT

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
# Packages that tests/neighbours/ has, and files of projects that tests/following.py makes.
RUN_ELSEWHERE = ("from channels", "(AbstractUser)", "from accounts", "allauth.urls")
EXAMPLES = [ROOT / "examples" / name for name in ("react", "vue")]


def section(heading: str, text: str = README) -> str:
    """Return the text below a heading."""
    [found] = re.findall(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    return str(found)


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def rows(page: str) -> list[list[str]]:
    """Return the rows of the tables of a page."""
    lines = [line for line in (DOCS / page).read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_every_error_is_in_the_table_with_its_status() -> None:
    told = {(int(status), code.strip("`")) for status, code, _ in rows("errors.md")}

    errors = {
        error
        for error in vars(exceptions).values()
        if isinstance(error, type) and issubclass(error, SessionAuthError) and "code" in vars(error)
    }
    assert told == {(error.status, error.code) for error in errors}


def test_the_example_of_an_error_is_what_comes() -> None:
    [example] = blocks("json", (DOCS / "errors.md").read_text())
    client = Client(enforce_csrf_checks=True)
    client.get("/api/auth/csrf/")

    response = client.post("/api/auth/logout/", content_type="application/json")

    assert response.json() == json.loads(example)


def test_every_endpoint_is_in_the_table() -> None:
    told = {call.strip("`").split(maxsplit=1)[1] for call, *_ in rows("endpoints.md")}

    assert told == {str(pattern.pattern) for pattern in urlpatterns}


def test_every_setting_is_in_the_table_with_its_default() -> None:
    names = {"timedelta": timedelta}
    told = {
        name.split("`")[1]: eval(default.strip("`"), names)  # noqa: S307 # our own
        for name, default, _ in rows("settings.md")
    }

    assert told == {f"SESSION_AUTH_{field.name}": field.default for field in fields(Conf)}


def test_the_four_edits_make_a_project_that_passes_the_checks() -> None:
    settings_block, urls_block, _ = blocks("python", section("Adopt it in four edits"))
    edits: dict[str, object] = {}
    exec(settings_block, edits)  # noqa: S102 # our own README

    middleware = [path for path in edits["MIDDLEWARE"] if path != ...]  # type: ignore[attr-defined] # exec() has no types
    assert all(import_string(path) for path in middleware)
    assert edits["INSTALLED_APPS"] == ["session_auth"]
    assert 'path("api/auth/", include("session_auth.urls"))' in urls_block
    with override_settings(MIDDLEWARE=middleware, SESSION_ENGINE=edits["SESSION_ENGINE"]):
        assert [m for m in run_checks() if str(m.id).startswith("session_auth")] == []


@pytest.mark.django_db  # one of the rules looks at the database in use
@pytest.mark.parametrize("deploy", [False, True])
def test_the_production_settings_satisfy_the_checks(deploy: bool) -> None:
    [block] = blocks("python", section("The settings", (DOCS / "deployment.md").read_text()))
    settings: dict[str, object] = {}
    exec(block, {}, settings)  # noqa: S102 # our own docs

    with override_settings(**STARTPROJECT | settings):
        messages = run_checks(include_deployment_checks=deploy)
    assert [m for m in messages if str(m.id).startswith("session_auth")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_snippet_runs_and_imports_what_exists(page: Path) -> None:
    for block in blocks("python", page.read_text()):
        code = compile(block, str(page), "exec")
        if "import" in block and not any(text in block for text in RUN_ELSEWHERE):
            names: dict[str, Any] = {"JsonResponse": JsonResponse, "path": path}
            exec(code, names)  # noqa: S102 # our own docs
            assert globals_of(code) <= names.keys() | vars(builtins).keys()


def globals_of(code: CodeType) -> set[str]:
    """Return the global names that the functions in ``code`` use when they are called."""
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    own = {each.argval for each in get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    return own.union(*map(globals_of, inner))


@pytest.mark.parametrize(
    "page",
    [*PAGES, *(example / "README.md" for example in EXAMPLES)],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"<!--.*?-->", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_who_is_told_to_install_it_is_told_how_to_do_it_before_it_is_published(page: Path) -> None:
    text = page.read_text()

    if re.search(r"(pip|npm) install [^`\n]*django-session-auth", text):
        assert re.search(r"\]\((docs/)?(start\.md)?#from-a-checkout\)", text)


def test_every_picture_is_there_in_light_and_dark_and_has_a_text() -> None:
    pictures = [
        (page.parent, picture)
        for page in PAGES
        for picture in re.findall(r"<picture>(.*?)</picture>", page.read_text(), re.DOTALL)
    ]

    assert {folder for folder, _ in pictures} == {ROOT, DOCS}
    for folder, picture in pictures:
        [light] = re.findall(r'<img src="(\S+)".* alt="[^"]{20,}">', picture)
        [dark] = re.findall(r'\(prefers-color-scheme: dark\)" srcset="(\S+)"', picture)
        assert dark == light.replace("-light", "-dark") != light
        for image in (light, dark):
            assert 0 < (folder / image).stat().st_size <= 150_000, image


def test_the_start_page_names_each_page_once() -> None:
    """It is the navigation of the site, too: scripts/build_docs.py takes it from there."""
    text = re.sub(r"<!--.*?-->", "", (DOCS / "index.md").read_text(), flags=re.DOTALL)
    named = re.findall(r"^- \[[^]]+\]\(([\w-]+\.md)\): ", text, re.M)

    assert sorted(named) == sorted(page.name for page in DOCS.glob("*.md") if page.stem != "index")


def test_the_readme_is_about_one_screen_and_begins_with_two_commands() -> None:
    console = re.findall(r"^```console\n(.*?)^```", README, re.DOTALL | re.MULTILINE)

    assert [line.split("#")[0].strip() for line in console[0].splitlines()] == [
        "make run",
        "make test",
    ]
    assert README.index(console[0]) < 300
    assert len(README.split()) < 800


def test_the_limits_of_the_docs_are_those_of_the_code() -> None:
    """ASVS 6.1.1"""
    text = (ROOT / "docs" / "throttling.md").read_text()

    for said in (
        f"{Conf().GUESSES_PER_ACCOUNT} a day (`SESSION_AUTH_GUESSES_PER_ACCOUNT`)",
        f"{Conf().GUESSES_PER_ADDRESS} an hour (`SESSION_AUTH_GUESSES_PER_ADDRESS`)",
        f"{Conf().GUESSES_PER_ACCOUNT} a day | each costs a delay | by a success, or a day",
        f"is {counts.FIRST_DELAY_SECONDS} seconds at first",
        f"up to {counts.LAST_DELAY_SECONDS} seconds",
        f"After {throttling.CEILING} failures in a row",
        f"remembered for {counts.FAILURES_KEPT.days} days",
        f"for {devices.COOKIE_AGE.days} days",
        f"deletes up to {counts.PRUNE_ROWS} that",
        f"more than {throttling.MAX_PASSWORD_BYTES} bytes",
    ):
        assert said in text
    assert timedelta(days=1) == counts.ACCOUNT_WINDOW
    assert timedelta(hours=1) == counts.ADDRESS_WINDOW


def test_the_timeouts_of_the_docs_are_the_defaults() -> None:
    text = (ROOT / "docs" / "timeouts.md").read_text()

    assert "`SESSION_AUTH_ABSOLUTE_TIMEOUT`, 30 days" in text
    assert timedelta(days=30) == Conf().ABSOLUTE_TIMEOUT
    assert "at most once a minute (`SESSION_AUTH_LAST_SEEN_INTERVAL`)" in text
    assert timedelta(minutes=1) == Conf().LAST_SEEN_INTERVAL


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_readme_of_an_example_tells_of_files_and_lines_that_it_has(example: Path) -> None:
    readme = (example / "README.md").read_text()
    code = "\n".join(file.read_text() for file in example.glob("src/*"))
    [quoted] = blocks("jsx?", readme)
    named = re.findall(r"`((?:src|\w+_site|vite)[^` ]*)`", readme)

    assert [name for name in named if not (example / name).exists()] == []
    assert set(quoted.splitlines()) <= {line.strip() for line in code.splitlines()}
    assert len(named) > 10
