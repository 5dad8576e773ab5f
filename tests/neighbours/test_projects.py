"""One story of a session in projects of many kinds: see ``projects/``.

Some settings cannot be overridden, such as the user model: each project has a process of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.neighbours.projects.declared import PROJECTS

ROOT = Path(__file__).resolve().parents[2]
TELL = """
import django
django.setup()
from tests.neighbours.projects.story import tell
tell()
"""


@pytest.mark.parametrize("project", PROJECTS)
def test_the_story_is_the_same_in_each_project(project: str, tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", TELL],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.neighbours.projects.settings",
            "FOLDER": str(tmp_path),
            "PROJECT": project,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.stdout.endswith("The end\n"), told.stderr
