"""The demo's commands and settings, as a reader would run them."""

import os
import re
import secrets
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.auth.hashers import check_password

ROOT = Path(__file__).resolve().parents[1]
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "config.settings_production",
    "DEMO_SECRET_KEY": secrets.token_urlsafe(64),
    "DEMO_HOSTS": "demo.example.org",
}


def manage(*arguments: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DEMO_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, ROOT / "demo" / "manage.py", *arguments],
        env=inherited
        | {
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "DEMO_DATABASE": str(folder / "demo.sqlite3"),
        }
        | environment,
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_demo_passes_the_checks(tmp_path: Path) -> None:
    result = manage("check", "--fail-level=WARNING", folder=tmp_path)

    assert (result.returncode, result.stderr) == (0, "")


def test_the_production_settings_pass_every_check_of_a_deployment(tmp_path: Path) -> None:
    result = manage("check", "--deploy", "--fail-level=WARNING", folder=tmp_path, **PRODUCTION)

    assert (result.returncode, result.stderr) == (0, "")


def test_the_production_settings_hold_no_secret(tmp_path: Path) -> None:
    result = manage("check", folder=tmp_path, DJANGO_SETTINGS_MODULE="config.settings_production")

    assert result.returncode == 1
    assert "KeyError: 'DEMO_SECRET_KEY'" in result.stderr


def test_the_models_and_the_migrations_of_demo_and_package_agree(tmp_path: Path) -> None:
    result = manage("makemigrations", "--check", "--dry-run", folder=tmp_path)

    assert result.returncode == 0, result.stdout


QUICK = {"DJANGO_SETTINGS_MODULE": "tests.browser.settings_quick"}


@pytest.fixture(scope="module")
def with_users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's database, whose users have another password than the demo gives them."""
    folder = tmp_path_factory.mktemp("demo")
    manage("migrate", folder=folder, **QUICK)
    manage("create_demo_users", folder=folder, DEMO_PASSWORD="first", **QUICK)
    return folder / "demo.sqlite3"


@pytest.mark.parametrize("password", ["demo-only-password", "another"])
def test_the_demo_users_can_be_made_again_and_again(
    tmp_path: Path, with_users: Path, password: str
) -> None:
    copy = shutil.copy(with_users, tmp_path)
    given = {} if password == "demo-only-password" else {"DEMO_PASSWORD": password}

    result = manage("create_demo_users", folder=tmp_path, **QUICK, **given)

    assert password in result.stdout
    with closing(sqlite3.connect(copy)) as database:
        users = database.execute(
            "SELECT username, is_staff, password FROM auth_user ORDER BY username"
        ).fetchall()
    assert [(name, staff, check_password(password, of_user)) for name, staff, of_user in users] == [
        ("alice", 1, True),
        ("bob", 0, True),
    ]


def test_users_with_a_known_password_are_refused_in_production(tmp_path: Path) -> None:
    result = manage("create_demo_users", folder=tmp_path, **PRODUCTION)

    assert result.returncode == 1
    assert "DEBUG only" in result.stderr


def test_the_settings_can_be_read_in_one_go() -> None:
    assert len((ROOT / "demo/config/settings.py").read_text().splitlines()) < 110


def test_each_field_for_a_password_is_masked_and_can_be_filled_in() -> None:
    """ASVS 6.2.6 and 6.2.7"""
    templates = (ROOT / "demo" / "articles" / "templates").rglob("*.html")
    pages = "".join(page.read_text() for page in templates)
    fields = re.findall(r'<input [^>]*name="\w*password"[^>]*>', pages)

    assert len(fields) >= 6
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r' autocomplete="(?:current|new)-password"', field)
    assert "onpaste" not in pages


SHOW_KEYS = "from django.conf import settings; print(*settings.SESSION_AUTH_TOTP_KEYS)"


def test_the_key_for_authenticator_apps_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    first = manage("shell", "-c", SHOW_KEYS, folder=tmp_path)
    second = manage("shell", "-c", SHOW_KEYS, folder=tmp_path)

    assert first.stdout == second.stdout
    assert len(first.stdout.strip().splitlines()[-1]) == 44
    [file] = tmp_path.glob("*.key*")
    assert file.stat().st_mode & 0o777 == 0o600
