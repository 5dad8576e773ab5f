"""The demo's commands and settings, as a reader would run them."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("password", ["demo-only-password", "another"])
def test_the_demo_users_can_be_made_again_and_again(tmp_path: Path, password: str) -> None:
    quick = {"DJANGO_SETTINGS_MODULE": "tests.browser.settings_quick"}
    manage("migrate", folder=tmp_path, **quick)
    manage("create_demo_users", folder=tmp_path, DEMO_PASSWORD="first", **quick)
    if password != "demo-only-password":
        quick["DEMO_PASSWORD"] = password

    result = manage("create_demo_users", folder=tmp_path, **quick)
    users = manage(
        "shell",
        "--no-imports",
        "--command",
        "from django.contrib.auth.models import User\n"
        f"print([(u.username, u.is_staff, u.check_password({password!r})) for u in "
        "User.objects.order_by('username')])",
        folder=tmp_path,
        **quick,
    )

    assert password in result.stdout
    assert users.stdout.strip() == "[('alice', True, True), ('bob', False, True)]"


def test_users_with_a_known_password_are_refused_in_production(tmp_path: Path) -> None:
    result = manage("create_demo_users", folder=tmp_path, **PRODUCTION)

    assert result.returncode == 1
    assert "DEBUG only" in result.stderr


def test_the_settings_can_be_read_in_one_go() -> None:
    assert len((ROOT / "demo/config/settings.py").read_text().splitlines()) < 100
