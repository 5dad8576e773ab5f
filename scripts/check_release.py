#!/usr/bin/env python3
"""Build what a release uploads, look at what is in it, install it somewhere new, and use it there.

    python scripts/check_release.py [--keep FOLDER]

The wheel is built from the source distribution, as anybody may who does not trust ours. `--keep`
leaves both in a folder. Nothing is uploaded.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
NEEDED = (
    "session_auth/factors/locale/de/LC_MESSAGES/django.mo",
    "session_auth/locale/pt_BR/LC_MESSAGES/django.mo",
    "session_auth/locale/zh_Hans/LC_MESSAGES/django.mo",
    "session_auth/py.typed",
    "session_auth/migrations/0001_initial.py",
    "session_auth/static/session_auth/factors.js",
    "session_auth/static/session_auth/live.js",
    "session_auth/static/session_auth/messages.js",
    "session_auth/static/session_auth/react.js",
    "session_auth/static/session_auth/second-factor.js",
    "session_auth/static/session_auth/session-auth.js",
    "session_auth/static/session_auth/session-auth.js.map",
    "session_auth/static/session_auth/svelte.js",
    "session_auth/static/session_auth/vue.js",
    "session_auth/templates/session_auth/email.html",
    "session_auth/templatetags/session_auth.py",
)

USE_IT = """
import sys

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "session_auth",
    ],
    MIDDLEWARE=[
        "session_auth.middleware.SessionMiddleware",
        "session_auth.middleware.CsrfViewMiddleware",
        "session_auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF="session_auth.urls",
    SECRET_KEY="wheel",
    SESSION_ENGINE="session_auth.engines.database",
)
django.setup()
call_command("check")
call_command("migrate", verbosity=0)

import session_auth

assert session_auth.__file__.startswith(sys.prefix), session_auth.__file__
"""


def build(folder: Path) -> tuple[Path, Path]:
    """Return the source distribution, and the wheel that was built from it."""
    hatch = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run([*hatch, "--target=sdist"], check=True, cwd=ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    subprocess.run([*hatch, "--target=wheel"], check=True, cwd=unpacked)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", sdist, wheel], check=True)
    return sdist, wheel


def dangling(wheel: Path) -> list[str]:
    """Return the links of the page on an index that lead to no place."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        page = archive.read(metadata).decode()
    links = re.findall(r"\]\((.+?)\)|(?:src|srcset)=\"(.+?)\"", page)
    found = ["".join(each) for each in links]
    assert found, "The page has lost its links."
    assert "checkout" not in page, "Who reads it on an index has none."
    return [f"leads nowhere on an index: {link}" for link in found if not link.startswith("https:")]


def problems(wheel: Path) -> list[str]:
    """Compare the names in the wheel with the files in src/ and say what is missing or too much."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "session_auth").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    sources |= {f"session_auth/docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    found = [f"not in the wheel: {name}" for name in sorted((sources | set(NEEDED)) - names)]
    return found + [f"not in src/: {name}" for name in sorted(names - sources)]


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sdist, wheel = build(folder)
        if found := problems(wheel) + dangling(wheel):
            print(f"{wheel.name}:", *found, sep="\n  ", file=sys.stderr)
            return 1
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
        # Isolated: PYTHONPATH would show it src/ instead.
        subprocess.run([python, "-I", "-c", USE_IT], check=True, cwd=folder)
        if sys.argv[1:2] == ["--keep"]:
            kept = Path(sys.argv[2])
            kept.mkdir(exist_ok=True)
            for each in (sdist, wheel):
                shutil.copy(each, kept)
    print(f"{sdist.name} and {wheel.name} hold what they should, and work.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
