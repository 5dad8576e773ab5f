"""Taking sessions over from another engine, each at its first request.

The old engine keeps its own copy of the session, so that a project can go back and nobody is signed
out. That copy is deleted when the session ends here or gets a new key. A table notes each session
that was taken over, so that none is taken over twice.
"""

from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.core.cache import caches
from django.core.signals import setting_changed
from django.db import connections, router
from django.db.models import QuerySet
from django.dispatch import receiver
from django.utils import timezone
from django.utils.module_loading import import_string

from session_auth.conf import get_conf
from session_auth.models import AdoptedSession
from session_auth.stores import Boundary

DJANGOS = "django.contrib.sessions.backends.db"
BATCH_ROWS = 1000
IN_CACHE = "session_auth.adopted."
"""Begins the keys under which a cache remembers keys of old sessions, by the ids of ours."""

OLD = Boundary("sessions", alias=lambda: router.db_for_write(AdoptedSession))


def old_store(session_key: str | None = None) -> Any:
    """Return the session with this key in the engine that ``SESSION_AUTH_ADOPT_FROM`` names."""
    return import_module(get_conf().ADOPT_FROM or DJANGOS).SessionStore(session_key)


@OLD.asks
def old_data(session_key: str) -> dict[str, Any]:
    """Return the data of the session that the old engine has under this key; ``{}`` without one.

    If the data name a backend that is not in the settings any more, they name the one that stands
    in for it: see ``current_backend()``.
    """
    store = old_store(session_key)
    if isinstance(store, DatabaseStore):
        row = _living(store).filter(session_key=session_key).first()
        data = {} if row is None else store.decode(row.session_data)
    else:
        data = store.load()
    if BACKEND_SESSION_KEY in data:
        data[BACKEND_SESSION_KEY] = current_backend(data[BACKEND_SESSION_KEY])
    return dict(data)


def note_key(session_id: str, session_key: str) -> str:
    """Return what the table is to remember, so that ``forget()`` finds what the old engine has.

    Keys of a database stand in plain text in the table of Django's engine, which is beside ours.
    Those of a cache stay in that cache.
    """
    store = old_store()
    if isinstance(store, DatabaseStore):
        return session_key
    if isinstance(store, CacheStore):
        _cache().set(IN_CACHE + session_id, session_key, settings.SESSION_COOKIE_AGE)
    return ""


def forget(session_ids: Iterable[str]) -> None:
    """Delete what the old engine has of these sessions, which have ended here, or a new key.

    A signed cookie cannot be deleted: it opens the old engine until it expires.
    """
    if get_conf().ADOPT_FROM is not None:
        _forget(list(session_ids))


def forget_all() -> None:
    """Do what ``forget()`` does, for all sessions that were taken over."""
    if get_conf().ADOPT_FROM is not None:
        _forget(list(_adopted().values_list("session_id", flat=True)))


@OLD.asks
def _forget(session_ids: list[str]) -> None:
    store = old_store()
    for start in range(0, len(session_ids), BATCH_ROWS):
        batch = session_ids[start : start + BATCH_ROWS]
        if isinstance(store, DatabaseStore):
            noted = _adopted().filter(session_id__in=batch)
            _delete_rows(store, list(noted.values_list("old_key", flat=True)))
        elif isinstance(store, CacheStore):
            names = [IN_CACHE + session_id for session_id in batch]
            for session_key in _cache().get_many(names).values():
                store.delete(session_key)
            _cache().delete_many(names)


@OLD.asks
def count_waiting() -> int | None:
    """Return how many sessions of the old engine live and were not taken over; ``None``: unknown.

    Those of visitors are among them. Nobody can count what is in a cache, or in signed cookies.
    """
    store = old_store()
    return waiting(store).count() if isinstance(store, DatabaseStore) else None


def waiting(store: DatabaseStore) -> QuerySet[Any]:
    """Return the rows of Django's engine that live and were not taken over.

    If our table is not there yet, or in another database, those taken over are among them.
    """
    rows, taken = _living(store), _adopted()
    tables = connections[rows.db].introspection.table_names()
    if rows.db != taken.db or AdoptedSession._meta.db_table not in tables:
        return rows
    return rows.exclude(session_key__in=taken.values("old_key"))


@OLD.asks
def delete_some_old() -> int:
    """Delete some rows of the old engine, whether taken over or not; return how many.

    Of an engine without a table, delete what was taken over.
    """
    store = old_store()
    if not isinstance(store, DatabaseStore):
        forget_all()
        return 0
    session_keys = list(_rows(store).values_list("session_key", flat=True)[:BATCH_ROWS])
    _delete_rows(store, session_keys)
    return len(session_keys)


def prune_notes(*, at_most: int) -> int:
    """Delete some notes of what was taken over, once nothing is any more; return how many."""
    if get_conf().ADOPT_FROM is not None:
        return 0
    ids = list(_adopted().values_list("session_id", flat=True)[:at_most])
    return _adopted().filter(session_id__in=ids).delete()[0] if ids else 0


@lru_cache
def current_backend(path: str) -> str:
    """Return the backend in ``AUTHENTICATION_BACKENDS`` that stands for the one of a session.

    If that was replaced by a subclass, as Django's ``ModelBackend`` is by ours, it is that.
    """
    paths: list[str] = list(settings.AUTHENTICATION_BACKENDS)
    if path in paths:
        return path
    try:
        old = import_string(path)
        return next((each for each in paths if issubclass(import_string(each), old)), path)
    except (ImportError, TypeError):
        return path


def _delete_rows(store: DatabaseStore, session_keys: list[str]) -> None:
    if session_keys:
        _rows(store).filter(session_key__in=session_keys).delete()
    if isinstance(store, CachedStore):
        for session_key in session_keys:
            store.delete(session_key)  # the row is gone; this deletes the copy in the cache


def _rows(store: DatabaseStore) -> QuerySet[Any]:
    return store.model.objects.using(router.db_for_write(store.model))


def _living(store: DatabaseStore) -> QuerySet[Any]:
    return _rows(store).filter(expire_date__gt=timezone.now())


def _adopted() -> QuerySet[AdoptedSession]:
    return AdoptedSession.objects.using(OLD.alias())


def _cache() -> Any:
    return caches[settings.SESSION_CACHE_ALIAS]


@receiver(setting_changed, dispatch_uid="session_auth.sessions.adoption")
def _forget_backends(*, setting: str, **kwargs: Any) -> None:
    if setting == "AUTHENTICATION_BACKENDS":
        current_backend.cache_clear()
