"""The project of ``tests.settings`` with the neighbours in it."""

import warnings

from tests.settings import *  # noqa: F403  # a variant of the same project
from tests.settings import INSTALLED_APPS, MIDDLEWARE

with warnings.catch_warnings(action="ignore"):
    # social-auth imports it, and it a module that is deprecated.
    import openid.yadis.etxrd  # noqa: F401 # see above

INSTALLED_APPS = [
    *(app for app in INSTALLED_APPS if app != "sessions_tests"),
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "axes",
    "channels",
    "debug_toolbar",
    "dj_rest_auth",
    "django.contrib.humanize",
    "django_cas_ng",
    "django_otp",
    "django_otp.plugins.otp_email",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "djoser",
    "drf_spectacular",
    "hijack",
    "impersonate",
    "mozilla_django_oidc",
    "rest_framework",
    "rest_framework.authtoken",
    "session_auth.factors",
    "social_django",
    "strawberry_django",
    *("two_factor", "two_factor.plugins.webauthn"),
    *("modelcluster", "taggit", "wagtail", "wagtail.admin", "wagtail.contrib.forms"),
    *("wagtail.documents", "wagtail.embeds", "wagtail.images", "wagtail.search"),
    *("wagtail.sites", "wagtail.snippets", "wagtail.users"),
]


class NoMigrations(dict[str, None]):
    """Has the tables made without migrations, of which Wagtail alone has two hundred."""

    def __contains__(self, app_label: object) -> bool:
        return True

    def __getitem__(self, app_label: str) -> None:
        return None


MIGRATION_MODULES = NoMigrations()
MIDDLEWARE = [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"]
ROOT_URLCONF = "tests.neighbours.urls"
AUTHENTICATION_BACKENDS = [
    "session_auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "django_cas_ng.backends.CASBackend",
]
LOGIN_REDIRECT_URL = "/api/auth/user/"

# Each works in its own tests alone.
AXES_ENABLED = False
TWO_FACTOR_PATCH_ADMIN = False
SILENCED_SYSTEM_CHECKS = ["debug_toolbar.W001"]

ACCOUNT_EMAIL_VERIFICATION = "none"
MFA_PASSKEY_LOGIN_ENABLED = True
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
REST_AUTH = {"TOKEN_MODEL": None}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "session_auth.contrib.rest_framework.SessionAuthentication",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000  # as Wagtail asks
OIDC_OP_AUTHORIZATION_ENDPOINT = "https://op.example.org/authorize"
OIDC_OP_TOKEN_ENDPOINT = "https://op.example.org/token"
OIDC_OP_USER_ENDPOINT = "https://op.example.org/user"
OIDC_RP_CLIENT_ID = "client"
OIDC_RP_CLIENT_SECRET = "secret"
OIDC_RP_SIGN_ALGO = "HS256"
SESSION_AUTH_PASSKEY_ORIGINS = ["https://testserver"]
SESSION_AUTH_TOTP_KEYS = ["Zm9yIHRoZSB0ZXN0cyBvZiBuZWlnaGJvdXJzIGFsbCE="]
TWO_FACTOR_WEBAUTHN_RP_NAME = "Tests"
WAGTAIL_SITE_NAME = "Tests"
WAGTAILADMIN_BASE_URL = "http://testserver"
