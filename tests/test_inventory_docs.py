"""What docs/inventory.md says of data, keys, callers, limits and logs is what the code does."""

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User

from session_auth.urls import urlpatterns
from tests.api_client import AUTH, ApiClient, signed_in

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
PAGE = (ROOT / "docs" / "inventory.md").read_text()
MODULES = {
    ".".join(path.relative_to(SOURCE / "session_auth").with_suffix("").parts): ast.parse(
        path.read_text()
    )
    for path in sorted((SOURCE / "session_auth").rglob("*.py"))
}

SECRETS = r"\b(?:mac|secret|token|password|hash|session_key|session_hash)\b"
NO_ATTACKER = {
    "found == secret",
    "known.password == user.password",
    "request.session.session_key == session_key",
    "key == self.session_key",
    "secret != sent",
    "self.methods != ['password']",
    "session_hash != current",
}
"""Comparisons of what one browser, or one row, has said twice: there is nothing to find out."""


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table with this first column in its head."""
    [text] = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in text.splitlines()
    ]


def of_calls(tree: ast.AST) -> Iterator[str]:
    """Yield each call that makes chance, a digest or a MAC, with its algorithm."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if re.fullmatch(
            r"(?:hashlib|hmac|secrets|random)\.\w+|(?:salted_hmac|get_random_string|sha\d+|md5)",
            name,
        ):
            said = [ast.unparse(each.value) for each in node.keywords if each.arg == "algorithm"]
            if name == "hmac.digest":
                said = [ast.unparse(node.args[2])]
            yield " ".join([name, *(each.strip("'") for each in said)])


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{each.name}" for each in node.names)


def test_each_column_is_in_the_inventory() -> None:
    """ASVS 14.1.1"""
    told = {(name, column) for name, column, *_ in table("table \\| column")}

    models = apps.get_app_config("session_auth").get_models()
    assert told == {
        (str(model._meta.model_name), field.name)
        for model in models
        for field in model._meta.concrete_fields
    }


def test_each_table_says_how_long_it_is_kept() -> None:
    told = [name for name, *_ in table("table \\| kept until")]

    models = apps.get_app_config("session_auth").get_models()
    assert sorted(told) == sorted(str(model._meta.model_name) for model in models)


def test_each_use_of_cryptography_is_in_the_inventory() -> None:
    """ASVS 11.1.2"""
    told = {(name, call.replace("` ", " ")) for name, call, *_ in table("module")}

    assert told == {(name, call) for name, tree in MODULES.items() for call in of_calls(tree)}


def test_secrets_are_compared_in_constant_time() -> None:
    """ASVS 11.2.4"""
    found = {
        ast.unparse(node)
        for tree in MODULES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        for sides in [[node.left, *node.comparators]]
        if not any(isinstance(side, ast.Constant) for side in sides)
        and any(re.search(SECRETS, ast.unparse(side)) for side in sides)
    }

    assert found == NO_ATTACKER


def test_nothing_in_the_package_calls_another_host() -> None:
    """ASVS 14.2.3; the doctor calls the site, and a validator the service, that a project names."""
    callers = r"(?:http\.client|urllib\.request|urllib3|requests|httpx|aiohttp|smtplib|ftplib)\b"

    found = {
        "doctor" if name.startswith("doctor.") else name
        for name, tree in MODULES.items()
        if any(re.match(callers, each) for each in imported(tree))
    }
    assert found == {"doctor", "passwords.validators"}


def test_nothing_imports_what_is_for_tests() -> None:
    """ASVS 15.2.3"""
    assert [
        name
        for name, tree in MODULES.items()
        if name != "testing" and "session_auth.testing" in imported(tree)
    ] == []


def test_the_package_needs_django_alone() -> None:
    """ASVS 15.1.2"""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["dependencies"] == ["django>=5.2"]


def test_the_limits_are_those_of_the_code() -> None:
    files = {"stores.py": "stores", "http.py": "http", "throttling.py": "throttling"}
    files |= {"later.py": "later", "guessing/counts.py": "guessing.counts"}
    files |= {"sessions/pruning.py": "sessions.pruning"}
    files |= {"passwords/validators.py": "passwords.validators"}
    module: Any = None
    for said, of in table("limit"):
        name, _, where = re.findall(r"\((\w+)`?( in `?([\w/.]+))?\)", of.replace("`", ""))[0]
        module = importlib.import_module(f"session_auth.{files[where]}") if where else module
        value = getattr(module, name)
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        assert float(said.split()[0]) == seconds, name


def test_the_loggers_are_those_of_the_code() -> None:
    told = {name for name, *_ in table("logger")}

    assert told == {
        str(ast.literal_eval(node.args[0]))
        for tree in MODULES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger"
    }


@pytest.mark.django_db
def test_each_endpoint_says_who_may_call_it(alice: User, clock: Any) -> None:
    """ASVS 8.1.1"""
    told = [(*call.split(" ", 1), who) for call, who, _ in table("call")]

    assert {path for _, path, _ in told} == {str(pattern.pattern) for pattern in urlpatterns}
    assert {(method, path) for method, path, _ in told} == set(_methods())
    for method, path, who in told:
        if path == "logout/":
            continue  # which would end the session of those below it
        path = AUTH + path.replace("<str:session_id>", "x")
        asks = ApiClient().call(method, path, {} if method == "POST" else None)
        assert (asks.status_code == 401 and asks.json()["code"] == "not_authenticated") == (
            who.startswith(("a user", "staff"))
        ) or path.endswith("login/"), path
    browser = signed_in()
    clock.shift(timedelta(hours=1))
    for method, path, who in told:
        if method == "DELETE":
            answer = browser.call(method, AUTH + path.replace("<str:session_id>", "x"))
            assert answer.json()["code"] == "reauthentication_required"
            assert who == "a user, after a recent login"


def _methods() -> Iterator[tuple[str, str]]:
    for pattern in urlpatterns:
        view: Any = pattern.callback
        for name in ("get", "post", "put", "patch", "delete"):
            if hasattr(view.view_class, name):
                yield name.upper(), str(pattern.pattern)
