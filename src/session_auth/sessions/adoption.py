"""Taking a session over from Django's ``db`` or ``cached_db`` engine, at its first request."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import router, transaction
from django.utils import timezone


def adopt(engine: str, session_key: str, insert: Callable[[dict[str, Any]], None]) -> None:
    """Let ``insert`` store the data of the session that ``engine`` has under this key, if any.

    Who deletes the old row inserts the new one, in one transaction: so a session is taken over
    once, however many requests come at once, and never after it has ended here.
    """
    store: DatabaseStore = import_module(engine).SessionStore(session_key)
    alias = router.db_for_write(store.model)
    rows = store.model.objects.using(alias).filter(
        session_key=session_key, expire_date__gt=timezone.now()
    )
    row = rows.first()
    if row is None:
        return
    with transaction.atomic(using=alias):
        taken, _ = rows.delete()
        if taken:
            insert(store.decode(row.session_data))
    if isinstance(store, CachedStore):
        store.delete()  # what is left of it, in the cache
