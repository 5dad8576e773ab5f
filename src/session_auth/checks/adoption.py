"""Rules for the switch from another engine: it must sign nobody out.

Those that look into tables do so for ``check --database``, and for ``migrate``.
"""

from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.core.checks import CheckMessage, Error, Info
from django.db import Error as DatabaseError
from django.db import router, transaction
from django.utils import timezone

from session_auth.checks.lookups import setting
from session_auth.models import Session
from session_auth.sessions import adoption
from session_auth.sessions.base import BaseSessionStore

PREFIXES = ("__Host-", "__Secure-")
SAMPLE = 500
"""How many sessions of each table are looked at, those first that live longest."""

Databases = Any
"""The aliases that may be asked; ``None`` means none."""


def adoption_comes_to_an_end(**kwargs: Any) -> list[CheckMessage]:
    engine = setting("ADOPT_FROM", None)
    if engine is None or _problem_of(engine) is not None:  # E021 reports the latter
        return []
    return [
        Info(
            "SESSION_AUTH_ADOPT_FROM is set: sessions of the old engine are still taken over.",
            hint="'manage.py session_adopt' says how many are left. SESSION_COOKIE_AGE after the "
            "switch, run it with --finish, and remove the setting.",
            id="session_auth.I001",
        )
    ]


def old_engine_can_be_read(**kwargs: Any) -> list[CheckMessage]:
    engine = setting("ADOPT_FROM", None)
    problem = None if engine is None else _problem_of(engine)
    if problem is None:
        return []
    return [
        Error(
            f"SESSION_AUTH_ADOPT_FROM is '{engine}', {problem}.",
            hint="Name the engine that SESSION_ENGINE named before the switch.",
            id="session_auth.E021",
        )
    ]


def old_cookie_is_read(**kwargs: Any) -> list[CheckMessage]:
    name: str = settings.SESSION_COOKIE_NAME
    bare = next((name[len(each) :] for each in PREFIXES if name.startswith(each)), None)
    if setting("ADOPT_FROM", None) is None or bare is None:
        return []
    if setting("ADOPT_COOKIE", bare) in {bare, name}:
        return []
    return [
        Error(
            f"The session cookie is now named '{name}', and SESSION_AUTH_ADOPT_COOKIE has old ones "
            f"read as '{setting('ADOPT_COOKIE', '')}', which is hardly their name: their users "
            "would have to log in again.",
            hint=f"Set SESSION_AUTH_ADOPT_COOKIE to the name of the cookie before the switch: "
            f"'{bare}', or '{name}'.",
            id="session_auth.E022",
        )
    ]


def living_sessions_are_adopted(
    *, databases: Databases = None, **kwargs: Any
) -> list[CheckMessage]:
    if setting("ADOPT_FROM", "unknown") is not None or not engine_is_ours():
        return []
    living = count_living(databases)
    if not living:
        return []
    return [
        Error(
            f"{living} sessions of Django's engine are alive, and nothing takes them over: their "
            "users would have to log in again.",
            hint=f"Set SESSION_AUTH_ADOPT_FROM = '{adoption.DJANGOS}', or the engine that the site "
            "had: see docs/adopting.md. 'session_adopt --finish --sign-out' deletes them instead.",
            id="session_auth.E023",
        )
    ]


def backends_of_sessions_are_there(
    *, databases: Databases = None, **kwargs: Any
) -> list[CheckMessage]:
    if not engine_is_ours():
        return []
    missing = Counter(
        path
        for path in _backends_of_sessions(databases)
        if path not in settings.AUTHENTICATION_BACKENDS
    )
    return [
        Error(
            f"AUTHENTICATION_BACKENDS lacks '{path}', which living sessions name (of the "
            f"{SAMPLE} that live longest, {count}): their users would have to log in again.",
            hint="Add it after the others, and take it away when those sessions have ended.",
            id="session_auth.E024",
        )
        for path, count in sorted(missing.items())
    ]


def engine_is_ours() -> bool:
    store = getattr(import_module(settings.SESSION_ENGINE), "SessionStore", None)
    return isinstance(store, type) and issubclass(store, BaseSessionStore)


def count_living(databases: Databases) -> int:
    """Return how many sessions of Django's table are alive and were not taken over."""
    store = _old_table(databases)
    return 0 if store is None else _asked(lambda: adoption.waiting(store).count(), 0)


def _old_table(databases: Databases) -> DatabaseStore | None:
    """Return a session of the table that the old engine has, or Django's, if it may be asked."""
    engine = setting("ADOPT_FROM", None) or adoption.DJANGOS
    if not databases or not apps.is_installed("django.contrib.sessions") or _problem_of(engine):
        return None
    store = import_module(engine).SessionStore()
    if not isinstance(store, DatabaseStore):
        return None
    return store if router.db_for_write(store.model) in databases else None


def _backends_of_sessions(databases: Databases) -> Iterator[str]:
    """Yield the backend that each of some living sessions will name once it is taken over."""
    store = _old_table(databases)
    if store is not None and setting("ADOPT_FROM", None) is not None:
        rows = adoption.waiting(store).order_by("-expire_date")
        texts = _asked(lambda: list(rows.values_list("session_data", flat=True)[:SAMPLE]), [])
        for data in map(store.decode, texts):
            if path := data.get(BACKEND_SESSION_KEY):
                yield adoption.current_backend(path)
    alias = router.db_for_write(Session)
    if databases and alias in databases:
        ours = Session.objects.using(alias).filter(user__isnull=False)
        living = ours.filter(expires_at__gt=timezone.now()).order_by("-expires_at")
        texts = _asked(lambda: list(living.values_list("data", flat=True)[:SAMPLE]), [])
        decode = import_module(settings.SESSION_ENGINE).SessionStore().decode
        yield from filter(None, (decode(text).get(BACKEND_SESSION_KEY) for text in texts))


def _asked(ask: Any, otherwise: Any) -> Any:
    """Return what the database says; ``otherwise`` if it has no such table yet, or is away."""
    try:
        with transaction.atomic(using=router.db_for_write(Session)):
            return ask()
    except DatabaseError:
        return otherwise


def _problem_of(engine: str) -> str | None:
    try:
        store = import_module(engine).SessionStore
    except (ImportError, AttributeError):
        return "where there is no engine"
    except RuntimeError:
        return "whose app is not in INSTALLED_APPS"
    if issubclass(store, BaseSessionStore):
        return "whose sessions need not be taken over"
    if issubclass(store, DatabaseStore) and not apps.is_installed("django.contrib.sessions"):
        return "whose table 'django.contrib.sessions' has, which is not in INSTALLED_APPS"
    return None
