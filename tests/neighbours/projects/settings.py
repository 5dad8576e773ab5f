"""The settings of the project that ``PROJECT`` names, in a folder of its own."""

import os
from pathlib import Path

from tests.neighbours.projects.declared import PROJECTS
from tests.settings import *  # noqa: F403  # a variant of the same project
from tests.settings import INSTALLED_APPS

PROJECT = os.environ["PROJECT"]
FOLDER = Path(os.environ["FOLDER"])

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app != "sessions_tests"),
    "tests.neighbours.projects.apps.ProjectsConfig",
]
ROOT_URLCONF = "tests.neighbours.projects.urls"
DATABASES = {
    alias: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / f"{alias}.sqlite3",
        "OPTIONS": {"init_command": "PRAGMA synchronous=OFF"},
    }
    for alias in (["default", "other"] if "DATABASE_ROUTERS" in PROJECTS[PROJECT] else ["default"])
}

globals().update(PROJECTS[PROJECT])
# The tables are made without migrations: it is much quicker.
MIGRATION_MODULES = dict.fromkeys(
    ("admin", "auth", "contenttypes", "projects", "session_auth", "sessions")
)
