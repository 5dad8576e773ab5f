"""The projects: what each has in its settings that the others have not."""

from typing import Any

from tests.settings import MIDDLEWARE

HERE = "tests.neighbours.projects"
OURS = "session_auth.backends.ModelBackend"
DJANGOS = "django.contrib.auth.middleware"


def after_authentication(middleware: str) -> list[str]:
    place = MIDDLEWARE.index("session_auth.middleware.AuthenticationMiddleware") + 1
    return [*MIDDLEWARE[:place], middleware, *MIDDLEWARE[place:]]


def users(model: str) -> dict[str, Any]:
    return {"AUTH_USER_MODEL": f"projects.{model}", "SESSION_AUTH_USER_FIELDS": ["pk"]}


PROJECTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "lagging replica": {"DATABASE_ROUTERS": [f"{HERE}.routers.ReadsFromReplica"]},
    "sessions in a second database": {"DATABASE_ROUTERS": [f"{HERE}.routers.SessionsElsewhere"]},
    "users in a second database": {"DATABASE_ROUTERS": [f"{HERE}.routers.UsersElsewhere"]},
    "LoginRequiredMiddleware": {
        "MIDDLEWARE": after_authentication(f"{DJANGOS}.LoginRequiredMiddleware")
    },
    "two backends": {"AUTHENTICATION_BACKENDS": [OURS, f"{HERE}.backends.Directory"]},
    "AllowAllUsersModelBackend": {"AUTHENTICATION_BACKENDS": [f"{HERE}.backends.AllowAll"]},
    "RemoteUserMiddleware": {
        "MIDDLEWARE": after_authentication(f"{DJANGOS}.RemoteUserMiddleware"),
        "AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.RemoteUserBackend"],
    },
    "summer time begins": {"USE_TZ": False, "TIME_ZONE": "Europe/Berlin"},
    "summer time ends": {"USE_TZ": False, "TIME_ZONE": "Europe/Berlin"},
    "proxy of the user model": users("Person"),
    "child of a user model": users("Child"),
    "UUID": users("WithUUID"),
    "e-mail": users("WithEmail"),
    "names without regard to case": users("Caseless"),
    "single sign-on only": {"AUTHENTICATION_BACKENDS": [f"{HERE}.backends.SingleSignOn"]},
    "engine switched back": {"SESSION_ENGINE": "django.contrib.sessions.backends.db"},
    "staff who may only delete users": {},
    "subpath": {
        "FORCE_SCRIPT_NAME": "/app",
        "SESSION_COOKIE_PATH": "/app",
        "CSRF_COOKIE_PATH": "/app",
    },
    "split settings": {
        "SESSION_COOKIE_NAME": "__Host-sessionid",
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "CSRF_COOKIE_SECURE": True,
    },
}
