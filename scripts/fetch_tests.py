#!/usr/bin/env python3
"""Fetch the tests that the developers of a package wrote for it.

    python scripts/fetch_tests.py .cache/tests django djangorestframework

They are in its source distribution alone. ``DEST/<package>-<version>/tests`` receives those of the
version that is installed; nothing is downloaded when they are there already.
"""

import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path


def folder_of(root: Path, package: str) -> Path:
    return root / f"{package}-{version(package)}"


def download(package: str, folder: Path) -> Path:
    # Building metadata is part of pip's download; only this package must come as source for that.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += [f"--no-binary={package}", f"--dest={folder}", f"{package}=={version(package)}"]
    subprocess.run(command, check=True)
    (archive,) = folder.glob("*.tar.gz")
    return archive


def extract(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        members = []
        for member in tar:
            # <name>-<version>/tests/..., and the settings of pytest beside it
            _, *parts = Path(member.name).parts
            if parts and (parts[0] == "tests" or (len(parts) == 1 and member.isfile())):
                members.append(member.replace(name="/".join(parts), deep=False))
        tar.extractall(folder, members, filter="data")
    if not (folder / "tests").is_dir():
        sys.exit(f"{archive.name} holds no tests.")


def fetch(root: Path, package: str) -> Path:
    target = folder_of(root, package)
    if target.exists():
        return target
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as name:
        scratch = Path(name)
        extract(download(package, scratch), scratch / "source")
        try:
            # In one step, since test environments run side by side.
            (scratch / "source").rename(target)
        except OSError:
            if not target.exists():
                raise
    return target


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    for package in sys.argv[2:]:
        fetch(Path(sys.argv[1]), package)
    return 0


if __name__ == "__main__":
    sys.exit(main())
