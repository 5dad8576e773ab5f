"""A project as ``startproject`` makes it, with the four edits that this package asks for."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import django

# Django's own tests, as scripts/fetch_tests.py leaves them; tests/upstream runs them.
DJANGO_TESTS = os.environ.get("DJANGO_TESTS")
if DJANGO_TESTS:
    sys.path.append(str(Path(DJANGO_TESTS) / f"django-{django.get_version()}" / "tests"))

SECRET_KEY = "for-tests-only"
ALLOWED_HOSTS = ["testserver", "localhost"]
ROOT_URLCONF = "tests.urls"
USE_TZ = True
STATIC_URL = "static/"
MAILERS: dict[str, Any] = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "session_auth",
    *(["sessions_tests"] if DJANGO_TESTS else []),
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "session_auth.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "session_auth.middleware.CsrfViewMiddleware",
    "session_auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

# scripts/with_redis.py says what servers there are.
REDIS = os.environ.get("TEST_REDIS")
REDIS_NODES = os.environ.get("TEST_REDIS_NODES", "").split()
SESSION_AUTH_REDIS: dict[str, Any] | None = {
    None: None,
    "server": {"url": f"redis://{''.join(REDIS_NODES)}"},
    "cluster": {"cluster": REDIS_NODES},
    "sentinel": {"sentinels": REDIS_NODES, "service": "sessions"},
}[REDIS]

ENGINE = os.environ.get("TEST_ENGINE", "redis" if REDIS else "database")
SESSION_ENGINE = f"session_auth.engines.{ENGINE}"
AUTHENTICATION_BACKENDS = ["session_auth.backends.ModelBackend"]

# All events are logged, so that each test can look for secrets in them.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,  # when a test sets Django up again
    "loggers": {"session_auth.security": {"level": "INFO"}},
}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The real hashers take 100 ms and more for each password.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def sqlite() -> dict[str, Any]:
    # A file, since the connections of several threads to one in memory would share transactions.
    file = Path(tempfile.gettempdir()) / f"session-auth-tests-{os.getpid()}.sqlite3"
    return {
        "ENGINE": "django.db.backends.sqlite3",
        # Never opened; not in memory, or a live server would share the connection of its test.
        "NAME": file.with_suffix(".unused"),
        "OPTIONS": {"init_command": "PRAGMA synchronous=OFF", "timeout": 20},
        "TEST": {"NAME": file},
    }


def postgresql() -> dict[str, Any]:
    # libpq reads the rest from PGHOST, PGUSER and so on; see scripts/with_database.py.
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("PGDATABASE", "postgres"),
    }


def mariadb() -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "session_auth",
        "USER": "root",
        "HOST": os.environ["MYSQL_UNIX_PORT"],
    }


# The admin asks MariaDB to convert times, for which the tests' server has no tables of time zones.
TIME_ZONE = "UTC"

KINDS = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mariadb}
DATABASE = KINDS[os.environ.get("TEST_DATABASE", "sqlite")]()
DATABASES = {
    "default": DATABASE,
    "replica": {**DATABASE, "TEST": {"MIRROR": "default"}},
}
