"""The project of ``tests.settings`` with second factors and passkeys."""

from tests.settings import *  # noqa: F403  # a variant of the same project
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app != "sessions_tests"),
    "session_auth.factors",
]
SESSION_AUTH_STAGES = ["session_auth.factors.stages.SecondFactor"]
SESSION_AUTH_TOTP_KEYS = ["Zm9yIHRoZSB0ZXN0cyBvZiBmYWN0b3JzIG9ubHkhISE="]
SESSION_AUTH_PASSKEY_ORIGINS = ["https://example.org", "https://shop.example.org"]
SESSION_AUTH_SITE_NAME = "Example"
