"""What a page of the docs says, done to the letter in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(
    r"^```(console|diff|python|html)\n(?:(?:# |<!-- )([\w/.]+)(?: -->)?\n)?(.*?)^```",
    re.DOTALL | re.MULTILINE,
)
# The environment that runs the tests stands for the one that these make.
MADE_ALREADY = ("python3 -m venv venv", ". venv/bin/activate", "pip install")
SERVER = "python manage.py runserver"
PROGRAMS = {"python": [sys.executable], "django-admin": [sys.executable, "-m", "django"]}


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return kept | {"PYTHONPATH": str(ROOT / "src")}


def follow(page: str, folder: Path, *, heading: str = "") -> dict[str, str]:
    """Write the files of a page that are named, and run its commands but the server.

    With a ``heading``, go by the section of that name alone. Return what each command has printed.
    A file that a page names again is written anew; what it says of ``settings.py`` stands at its
    end.
    """
    printed: dict[str, str] = {}
    said = (ROOT / "docs" / page).read_text()
    if heading:
        _, _, said = said.partition(f"\n## {heading}\n")
        said = said.partition("\n## ")[0]
    for language, file, text in BLOCK.findall(said):
        if language == "console":
            printed |= {line: run(line, folder) for line in text.splitlines()}
        else:
            write(folder / file, language, text)
    return printed


def run(line: str, folder: Path) -> str:
    if line.startswith(MADE_ALREADY) or line == SERVER:
        return ""
    program, *arguments = shlex.split(line)
    done = subprocess.run(
        [*PROGRAMS[program], *arguments],
        cwd=folder,
        env=environment(),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}"
    return done.stdout


def write(file: Path, language: str, text: str) -> None:
    if language == "diff":
        text = patched(file.read_text(), text)
    elif file.name == "settings.py":
        text = f"{file.read_text()}\n{text}"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def patched(text: str, diff: str) -> str:
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    assert text.count(before) == 1, before
    return text.replace(before, "".join(line[1:] for line in lines if line[0] != "-"))
