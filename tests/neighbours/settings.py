"""The project of ``tests.settings`` with the neighbours in it."""

from tests.settings import *  # noqa: F403  # a variant of the same project
from tests.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app != "sessions_tests"),
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "channels",
    "django.contrib.humanize",
    "django_cas_ng",
    "drf_spectacular",
    "rest_framework",
    "strawberry_django",
]
MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
ROOT_URLCONF = "tests.neighbours.urls"
AUTHENTICATION_BACKENDS = [
    "session_auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "django_cas_ng.backends.CASBackend",
]
LOGIN_REDIRECT_URL = "/api/auth/user/"

ACCOUNT_EMAIL_VERIFICATION = "none"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
SESSION_AUTH_STAGES = [
    "session_auth.contrib.allauth.SecondFactor",
    "session_auth.contrib.allauth.VerifiedEmail",
]
ACCOUNT_RATE_LIMITS = False  # one test logs in as often as another
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 60
CAS_STORE_NEXT = True
CAS_SERVER_URL = "https://cas.example.org/"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "session_auth.contrib.rest_framework.SessionAuthentication",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
