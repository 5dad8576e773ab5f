"""A project with both session engines and no middleware: each subject has its own."""

import os
import tempfile
from pathlib import Path
from typing import Any

ALLOWED_HOSTS = ["localhost"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "session_auth",
]
ROOT_URLCONF = "benchmarks.views"
SESSION_ENGINE = "session_auth.engines.database"
SECRET_KEY = "for-benchmarks-only"  # noqa: S105 # protects nothing
USE_TZ = True

SQLITE = Path(tempfile.gettempdir()) / f"session-auth-benchmark-{os.getpid()}.sqlite3"
DATABASE: dict[str, Any] = (
    {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}
    if os.environ.get("TEST_DATABASE") == "postgresql"
    else {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.setdefault("BENCHMARK_SQLITE", str(SQLITE)),  # for child processes
        "OPTIONS": {"timeout": 20},
    }
)
# Connections are kept, as in production: else each request pays for a new one first of all.
DATABASES = {"default": DATABASE | {"CONN_MAX_AGE": None}}
