"""A project that uses all that is public, with a user model of its own: for type checkers."""

SECRET_KEY = "opens nothing"
ROOT_URLCONF = "shop.urls"
AUTH_USER_MODEL = "shop.Customer"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "session_auth",
    "session_auth.factors",
    "shop",
]
MIDDLEWARE = [
    "shop.middleware.SessionMiddleware",
    "shop.middleware.CsrfViewMiddleware",
    "shop.middleware.AuthenticationMiddleware",
]
AUTHENTICATION_BACKENDS = ["shop.backends.ActiveCustomers", "shop.backends.ByCardNumber"]
SESSION_ENGINE = "shop.sessions"
SESSION_AUTH_STAGES = [
    "shop.factors.SecondFactorAtNight",
    "shop.factors.SetUpFactorForStaff",
    "shop.desk.NewPasswordForStaff",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # for the tests
CSRF_FAILURE_VIEW = "session_auth.views.csrf_failure"
