"""The project of ``tests.settings`` behind a real server; what varies comes from the environment."""

import os
from pathlib import Path

import django

from tests.settings import *  # noqa: F403  # a variant of the same project
from tests.settings import INSTALLED_APPS, MIDDLEWARE

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
backend = "smtp" if smtp_port else "filebased"
path = f"django.core.mail.backends.{backend}.EmailBackend"
if django.VERSION >= (6, 1):
    options = {"host": "127.0.0.1", "port": int(smtp_port)} if smtp_port else {"file_path": MAILS}
    MAILERS = {"default": {"BACKEND": path, "OPTIONS": options}}
else:
    EMAIL_BACKEND, EMAIL_FILE_PATH = path, MAILS
    EMAIL_HOST, EMAIL_PORT = "127.0.0.1", int(smtp_port or 25)
