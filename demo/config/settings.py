"""The demo's settings: what ``startproject`` writes, and the four edits, which are numbered."""

import os
from pathlib import Path

from django import VERSION

from config.keys import keys_beside

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = os.environ.get("DEMO_DEBUG", "1") == "1"
SECRET_KEY = "for-the-demo-on-your-own-machine-only" if DEBUG else os.environ["DEMO_SECRET_KEY"]
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]

INSTALLED_APPS = [
    "articles",  # above the admin, since one of its templates extends one of the admin's
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "session_auth",  # 1. the app
    "session_auth.factors",  # and, of your choice, passkeys and second factors
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "session_auth.middleware.SessionMiddleware",  # 2. these three replace Django's own
    "django.middleware.common.CommonMiddleware",
    "session_auth.middleware.CsrfViewMiddleware",
    "session_auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

SESSION_ENGINE = "session_auth.engines.database"  # 3. the engine; 4. is in urls.py
if "DEMO_REDIS" in os.environ:  # `make run STORE=redis`; see docs/redis.md
    SESSION_ENGINE = "session_auth.engines.redis"
    SESSION_AUTH_REDIS = os.environ["DEMO_REDIS"]

# Guesses at passwords are counted in the admin, too; see docs/throttling.md.
AUTHENTICATION_BACKENDS = ["session_auth.backends.ModelBackend"]

# Nothing inline and nothing from elsewhere; the client needs no exception. New in Django 6.0.
if VERSION >= (6, 0):
    MIDDLEWARE.insert(1, "django.middleware.csp.ContentSecurityPolicyMiddleware")
    SECURE_CSP = {
        "default-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

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

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DEMO_DATABASE", BASE_DIR / "db.sqlite3"),
    }
}

# Passkeys and second factors; see docs/factors.md.
SESSION_AUTH_STAGES = ["session_auth.factors.stages.SecondFactor"]
SESSION_AUTH_SITE_NAME = "session auth demo"
SESSION_AUTH_TOTP_KEYS = keys_beside(DATABASES["default"]["NAME"]) if DEBUG else []

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 15},  # NIST SP 800-63B-4, 3.1.1.2, for a password alone
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Links for a new password lead to this page; behind the #, the token reaches no log.
DEMO_ORIGIN = os.environ.get("DEMO_ORIGIN", "http://localhost:8000")
# No browser has passkeys at an address.
SESSION_AUTH_PASSKEY_ORIGINS = [DEMO_ORIGIN.replace("//127.0.0.1", "//localhost")]
SESSION_AUTH_PASSWORD_RESET_URL = DEMO_ORIGIN + "/password/#{uid}/{token}"

# Mails are printed where the demo runs.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.console.EmailBackend"}}
if VERSION < (6, 1):
    EMAIL_BACKEND = MAILERS["default"]["BACKEND"]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
STATIC_URL = "static/"
