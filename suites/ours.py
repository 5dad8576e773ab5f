"""Our classes where the names of others stand, in the process of a foreign test suite.

    python suites/ours.py runtests.py ...     a script
    python -m pytest -p ours ...              or pytest, with suites/ on PYTHONPATH

The suite's project is left as it is: this package is installed in it, and whoever imports one of
the names below finds ours from then on.
"""

import os
import runpy
import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.utils.module_loading import import_string

NAMES = {
    "django.contrib.auth.backends.ModelBackend": "session_auth.backends.ModelBackend",
    "django.contrib.auth.middleware.AuthenticationMiddleware": (
        "session_auth.middleware.AuthenticationMiddleware"
    ),
    "django.contrib.sessions.backends.db.SessionStore": (
        "session_auth.engines.database.SessionStore"
    ),
    "django.contrib.sessions.middleware.SessionMiddleware": (
        "session_auth.middleware.SessionMiddleware"
    ),
    "django.middleware.csrf.CsrfViewMiddleware": "session_auth.middleware.CsrfViewMiddleware",
}
REST_FRAMEWORK = {
    "rest_framework.authentication.SessionAuthentication": (
        "session_auth.contrib.rest_framework.SessionAuthentication"
    ),
}
# What has a class of Django's already when a project's settings name ours.
EARLY = [
    "django.contrib.sessions.backends.cached_db.SessionStore",
    "django.views.decorators.csrf.csrf_protect",
]
EARLY_IN_REST_FRAMEWORK = ["rest_framework.authentication.SessionAuthentication"]

set_up = django.setup


def set_up_with_ours(*args: Any, **kwargs: Any) -> None:
    if "session_auth" not in settings.INSTALLED_APPS:
        more = ["session_auth"]
        if "sessions_tests" in sys.argv:  # its model of a session is made from Django's engine
            more.append("sessions_tests")
        settings.INSTALLED_APPS = [*more, *settings.INSTALLED_APPS]
        settings.SESSION_ENGINE = "session_auth.engines.database"
        if "auth" in settings.MIGRATION_MODULES:  # tables made without migrations: ours, too
            settings.MIGRATION_MODULES["session_auth"] = None
    set_up(*args, **kwargs)
    early, names = EARLY, NAMES
    if "rest_framework" in settings.INSTALLED_APPS:
        early = early + EARLY_IN_REST_FRAMEWORK
    if os.environ.get("OURS") == "rest_framework":
        names = names | REST_FRAMEWORK
    for name in early:
        import_string(name)
    for theirs, name in names.items():
        module, _, attribute = theirs.rpartition(".")
        import_string(theirs)
        setattr(sys.modules[module], attribute, import_string(name))


django.setup = set_up_with_ours

if __name__ == "__main__":
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
