"""What a release says of itself in several places is one thing."""

import json
import re
import tomllib
from datetime import date
from pathlib import Path

from session_auth import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGE = json.loads((ROOT / "js" / "package.json").read_text())
URLS = PROJECT["project"]["urls"]


def test_the_changelog_has_the_version_and_its_date() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()

    [day] = re.findall(rf"^## {re.escape(__version__)} - ([\d-]+)$", changelog, re.MULTILINE)
    assert date.fromisoformat(day) >= date(2026, 11, 27)


def test_python_and_npm_name_one_version_and_one_repository() -> None:
    home = URLS["Homepage"]

    assert PACKAGE["version"] == __version__
    assert PACKAGE["homepage"] == home
    assert PACKAGE["repository"]["url"] == f"git+{home}.git"
    assert all(url.startswith(home) for url in URLS.values())
    templates = (ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml").read_text()
    assert re.findall(r"url: (.*)", templates) == [
        f"{home}/security/policy",
        f"{home}/blob/main/docs/pitfalls.md",
    ]


def test_the_page_on_the_index_has_whole_links() -> None:
    hook = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    page = (ROOT / "README.md").read_text()

    for each in hook["substitutions"]:
        page = re.sub(each["pattern"], each["replacement"], page)
    links = re.findall(r"\]\((.+?)\)", page) + re.findall(r'(?:src|srcset)="(.+?)"', page)
    assert len(links) > 10
    assert [link for link in links if not link.startswith(("https:", "#"))] == []


def test_the_public_ci_runs_what_ours_runs() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()

    assert re.findall(r"- run: (.*)", workflow) == [".ci/run"]


def test_the_hooks_have_the_versions_that_are_pinned() -> None:
    pinned = (ROOT / "constraints.txt").read_text().splitlines()

    hooks = re.findall(r'"([\w-]+==[\w.]+)"', (ROOT / ".pre-commit-config.yaml").read_text())
    assert {name.split("==")[0] for name in hooks} == {"pre-commit-hooks", "ruff"}
    assert set(hooks) <= set(pinned)


def test_each_action_is_pinned_to_a_commit() -> None:
    workflows = [path.read_text() for path in (ROOT / ".github" / "workflows").iterdir()]

    used = re.findall(r"uses: (.*)", "\n".join(workflows))
    assert len(used) > 5
    assert [each for each in used if not re.fullmatch(r"\S+@[0-9a-f]{40} # v[\d.]+", each)] == []


def test_the_checklist_names_commands_that_there_are() -> None:
    page = (ROOT / "RELEASING.md").read_text()
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert set(re.findall(r"`(?:REQUIRE_ALL=1 )?make ([a-z]+)`", page)) <= set(targets)
    scripts = re.findall(r"`(\w+\.py)`", page)
    assert scripts == ["messages.py", "reference.py", "write_openapi.py"]
    for script in scripts:
        assert (ROOT / "scripts" / script).exists()
