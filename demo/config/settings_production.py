"""What changes when the demo is served to others: over HTTPS, behind a proxy, with no secret here.

``DEMO_SECRET_KEY`` and ``DEMO_HOSTS`` come from the environment; without them, this does not start.
``manage.py check --deploy --fail-level WARNING`` passes.
"""

import os

from django import VERSION

from config.settings import *  # noqa: F403  # the same project, hardened
from config.settings import BASE_DIR, DATABASES

DEBUG = False
SECRET_KEY = os.environ["DEMO_SECRET_KEY"]
ALLOWED_HOSTS = os.environ["DEMO_HOSTS"].split(",")
SESSION_AUTH_PASSWORD_RESET_URL = f"https://{ALLOWED_HOSTS[0]}/password/#{{uid}}/{{token}}"
SESSION_AUTH_PASSKEY_ORIGINS = [f"https://{ALLOWED_HOSTS[0]}"]
SESSION_AUTH_TOTP_KEYS = os.environ.get("DEMO_TOTP_KEYS", "").split()
PASSWORD_RESET_TIMEOUT = 24 * 60 * 60  # as long as NIST SP 800-63B-4, 4.2.1.2, lets them live

# By the mail server of this machine; give it the OPTIONS of yours.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}
if VERSION < (6, 1):
    EMAIL_BACKEND = MAILERS["default"]["BACKEND"]

STATIC_ROOT = os.environ.get("DEMO_STATIC_ROOT", BASE_DIR / "staticfiles")

# Requests that write wait for each other, instead of failing when two have read and now write.
DATABASES["default"]["OPTIONS"] = {
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
}

# Logins, refusals and ends of sessions, each with its time: see docs/logging.md.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"session_auth.security": {"handlers": ["console"], "level": "INFO"}},
}

# Browsers take a __Host- cookie over HTTPS only, and from this host only: no subdomain and no
# plain HTTP page can plant one.
SESSION_COOKIE_NAME = "__Host-sessionid"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"

CSRF_COOKIE_NAME = "__Host-csrftoken"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_HTTPONLY = False  # scripts read the token and send it back
CSRF_COOKIE_SAMESITE = "Lax"

# W021 asks for the list that browsers come with (SECURE_HSTS_PRELOAD): it takes months to leave it.
SILENCED_SYSTEM_CHECKS = ["security.W021"]

# The proxy is on this machine. It must set this header, and drop the one that clients send.
SESSION_AUTH_TRUSTED_PROXIES = ["unix", "127.0.0.1"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
