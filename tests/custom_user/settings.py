"""The project of ``tests.settings`` with a user model and a backend of its own."""

from tests.settings import *  # noqa: F403  # a variant of the same project
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app not in {"django.contrib.admin", "sessions_tests"}),
    "tests.custom_user",
]
ROOT_URLCONF = "tests.custom_user.urls"
AUTH_USER_MODEL = "custom_user.Member"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "tests.custom_user.backends.BadgeBackend",
]
SESSION_AUTH_USER_FIELDS = ["id", "username", "label"]
