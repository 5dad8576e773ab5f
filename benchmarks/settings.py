"""A project with every session engine and no middleware: each subject has its own."""

import os
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PEERS = ("rest_framework", "ninja", "allauth", "allauth.account", "allauth.headless")

ALLOWED_HOSTS = ["localhost"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "session_auth",
    *(app for app in PEERS if find_spec(app.partition(".")[0])),
]
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
ACCOUNT_RATE_LIMITS = False  # the logins are measured, not their throttle
HEADLESS_ONLY = True
# allauth does not start without; each subject is made with its own.
MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"] if find_spec("allauth") else []
ROOT_URLCONF = "benchmarks.views"
SESSION_ENGINE = "session_auth.engines.database"
SECRET_KEY = "for-benchmarks-only"  # noqa: S105 # protects nothing
USE_TZ = True

SQLITE = Path(tempfile.gettempdir()) / f"session-auth-benchmark-{os.getpid()}.sqlite3"
# Connections are kept, as in production: else each request pays for a new one first of all. Under
# ASGI, where Django has a thread for each request, only a pool can keep them.
HAS_POOL = "BENCHMARK_POOL" in os.environ
POOL: dict[str, Any] = {"pool": {"min_size": 1, "max_size": 4}}
# As docs/deployment.md advises for PostgreSQL.
PREPARED = {"server_side_binding": True, "prepare_threshold": 1}
DATABASE: dict[str, Any] = (
    {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"],
        "OPTIONS": (POOL if HAS_POOL else {})
        | (PREPARED if "BENCHMARK_PREPARED" in os.environ else {}),
        "CONN_MAX_AGE": 0 if HAS_POOL else None,
    }
    if os.environ.get("TEST_DATABASE") == "postgresql"
    else {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.setdefault("BENCHMARK_SQLITE", str(SQLITE)),  # for child processes
        "OPTIONS": {"timeout": 20},
        "CONN_MAX_AGE": None,
    }
)
DATABASES = {"default": DATABASE}
if "BENCHMARK_NO_BUS" in os.environ:
    SESSION_AUTH_LISTEN_AT = {"NAME": "template1"}  # where nobody tells anything
if os.environ.get("TEST_REDIS") == "server":  # see scripts/with_redis.py
    SESSION_ENGINE = "session_auth.engines.redis"
    SESSION_AUTH_REDIS = f"redis://{os.environ['TEST_REDIS_NODES']}"
if "BENCHMARK_REDIS" in os.environ:
    SESSION_AUTH_REDIS = os.environ["BENCHMARK_REDIS"]
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["BENCHMARK_REDIS"],
        }
    }
