"""The project of ``tests.settings`` behind a real server; the environment says what varies."""

import os
from pathlib import Path

import django

from tests.settings import *  # noqa: F403  # a variant of the same project
from tests.settings import INSTALLED_APPS, MAILERS, MIDDLEWARE

FOLDER = Path(os.environ["SITE_FOLDER"])
MAILS = FOLDER / "mail"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.servers.site.urls"
INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "sessions_tests"]
MIDDLEWARE = [*MIDDLEWARE, "tests.servers.site.pauses.PauseMiddleware"]
SESSION_AUTH_PASSWORD_RESET_URL = "https://www.example.org/#/{uid}/{token}"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "db.sqlite3",
        "ATOMIC_REQUESTS": True,
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
        },
    }
}
LOGGING = {
    "version": 1,
    "formatters": {"plain": {"format": "%(name)s %(levelname)s %(message)s"}},
    "handlers": {
        "file": {
            "class": "logging.FileHandler",
            "filename": FOLDER / "site.log",
            "formatter": "plain",
        }
    },
    "root": {"handlers": ["file"], "level": "INFO"},
}

smtp_port = os.environ.get("SITE_SMTP_PORT")
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if smtp_port else 'filebased'}.EmailBackend"
EMAIL_HOST, EMAIL_PORT, EMAIL_FILE_PATH = "127.0.0.1", int(smtp_port or 25), MAILS
if django.VERSION >= (6, 1):
    options: dict[str, object] = {"file_path": MAILS}
    if smtp_port:
        options = {"host": EMAIL_HOST, "port": EMAIL_PORT}
    MAILERS["default"] = {"BACKEND": EMAIL_BACKEND, "OPTIONS": options}
    del EMAIL_BACKEND, EMAIL_HOST, EMAIL_PORT, EMAIL_FILE_PATH
