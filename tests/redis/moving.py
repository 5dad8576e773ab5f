"""What tests do while sessions move between the database and Redis."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import StringIO
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import override_settings

from session_auth import models
from session_auth.engines import moves
from session_auth.engines.redis import places
from tests.api_client import ApiClient, signed_in

SQLITE = "django.db.backends.sqlite3"
TO_REDIS = ("database", "redis_and_database", "redis")
TO_DATABASE = ("redis", "database_and_redis", "database")
WAYS = {"to redis": TO_REDIS, "to the database": TO_DATABASE}


class Way:
    """From one engine to another, with one that serves both in between."""

    def __init__(self, before: str, both: str, after: str) -> None:
        self.before, self.both, self.after = before, both, after

    def move(self, **options: Any) -> str:
        with engine(self.both):
            return told_by_move(**options)


@contextmanager
def engine(name: str) -> Iterator[Any]:
    """Let the site run on an engine; yield its class of sessions."""
    path = f"session_auth.engines.{name}"
    with override_settings(SESSION_ENGINE=path):
        yield import_module(path).SessionStore


def told_by_move(**options: Any) -> str:
    out = StringIO()
    call_command("session_move", stdout=out, **options)
    return out.getvalue()


def log_in(name: str) -> ApiClient:
    with engine(name):
        return signed_in()


def logged_in(name: str, user: User) -> str:
    """Return the key of a session of the user, as after a login that took no time."""
    with engine(name) as sessions:
        session = sessions()
        session[SESSION_KEY] = str(user.pk)
        session.save()
        return str(session.session_key)


def user_of(browser: ApiClient, name: str) -> Any:
    """Return who a process with this engine says that it is."""
    process = ApiClient()
    process.cookies = browser.cookies
    with engine(name):
        return process.user()


def in_table() -> set[str]:
    return set(models.Session.objects.values_list("id", flat=True))


def in_redis() -> set[str]:
    """Return the ids of what counts there."""
    return {row.record.id for rows in places.everything() for row in moves._those_alive(rows)}


def where(session_id: str) -> list[str]:
    stores = {"database": in_table(), "redis": in_redis()}
    return [name for name, ids in stores.items() if session_id in ids]


def load(sessions: Any, key: str) -> Any:
    session = sessions(key)
    session.load()
    return session


def save(session: Any, sessions: Any, user: User) -> bool:
    session["cart"] = 1
    session.save()
    return True


def touch(session: Any, sessions: Any, user: User) -> bool:
    session.meta = {"REMOTE_ADDR": "192.0.2.1"}
    session.touch()
    return True
