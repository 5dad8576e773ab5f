"""What is public is declared, documented and used."""

import ast
import os
import re
import runpy
import subprocess
import sys
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from typing import get_type_hints

import pytest

from session_auth import exceptions

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CONSUMER = ROOT / "tests" / "consumer"
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "reference.py"))
PUBLIC: dict[str, list[str]] = SCRIPT["public"]()


def imports(code: str) -> set[tuple[str, str]]:
    """Return what ``code`` imports from the package: modules, and names."""
    return {
        (node.module, each.name)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("session_auth")
        for each in node.names
        if node.module
    }


def is_public(module: str, name: str) -> bool:
    return f"{module}.{name}" in PUBLIC or name in PUBLIC.get(module, ())


def test_each_page_of_the_reference_says_what_the_docstrings_say() -> None:
    for name, text in SCRIPT["render"]().items():
        assert (DOCS / name).read_text() == text, "Run .tox/lint/bin/python scripts/reference.py."


# Those of session_auth.factors have to be installed: tests/factors has the same test for them.
@pytest.mark.parametrize("module", [name for name in PUBLIC if ".factors" not in name])
def test_what_is_public_is_there_and_has_types_that_can_be_read(module: str) -> None:
    names_are_there(module, PUBLIC[module])


def names_are_there(module: str, names: list[str]) -> None:
    found = import_module(module)

    assert set(found.__all__) == set(names)
    for name in found.__all__:
        member = getattr(found, name)
        if isfunction(member):
            assert "return" in get_type_hints(member), name


def test_every_exception_is_public() -> None:
    errors = {
        name
        for name, value in vars(exceptions).items()
        if isinstance(value, type) and issubclass(value, exceptions.SessionAuthError)
    }

    assert errors == set(exceptions.__all__)


def test_the_docs_import_nothing_that_is_private() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    blocks = [
        block
        for page in pages
        for block in re.findall(
            r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE
        )
    ]
    used = {each for block in blocks for each in imports(block)}

    assert used
    assert {each for each in used if not is_public(*each)} == set()


def test_the_consumer_uses_all_that_is_public_and_nothing_else() -> None:
    """Ruff sees to it that what is imported is used."""
    used = set()
    for file in CONSUMER.rglob("*.py"):
        code = file.read_text()
        for module, name in imports(code):
            path = f"{module}.{name}"
            if path in PUBLIC:
                used |= {(path, each) for each in re.findall(rf"\b{name}\.(\w+)", code)}
            else:
                used.add((module, name))

    assert used == {(module, name) for module, names in PUBLIC.items() for name in names}


def test_the_consumer_is_a_project_that_passes_its_tests() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test", "--settings=settings"],
        cwd=CONSUMER,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
