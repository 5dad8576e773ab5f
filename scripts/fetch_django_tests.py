#!/usr/bin/env python3
"""Fetch the tests that Django's own developers wrote for sessions and CSRF.

    python scripts/fetch_django_tests.py .cache/django-tests

They are in Django's source distribution alone. ``DEST/<version>`` receives those of the Django that
is installed; nothing is downloaded when they are there already.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django

PACKAGES = ("sessions_tests", "csrf_tests")


def download(version: str, folder: Path) -> Path:
    # Building metadata is part of pip's download; only Django must come as source for that.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary=django", f"--dest={folder}", f"django=={version}"]
    subprocess.run(command, check=True)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def extract(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            # <name>-<version>/tests/<package>/<file>
            _, *parts = Path(member.name).parts
            if len(parts) == 3 and parts[0] == "tests" and parts[1] in PACKAGES and member.isfile():
                content = tar.extractfile(member)
                assert content is not None
                (folder / parts[1]).mkdir(parents=True, exist_ok=True)
                (folder / parts[1] / parts[2]).write_bytes(content.read())
    missing = [package for package in PACKAGES if not (folder / package / "tests.py").exists()]
    if missing:
        sys.exit(f"{archive.name} holds no tests for {', '.join(missing)}.")


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(sys.argv[1])
    version = django.get_version()
    target = root / version
    if target.exists():
        return 0
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as name:
        scratch = Path(name)
        extract(download(version, scratch), scratch / "tests")
        try:
            # In one step, since test environments run side by side.
            (scratch / "tests").rename(target)
        except OSError:
            if not target.exists():
                raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
