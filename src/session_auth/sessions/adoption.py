"""Taking a session over from Django's ``db`` or ``cached_db`` engine, at its first request."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import router, transaction
from django.utils import timezone


def adopt(engine: str, session_key: str, insert: Callable[[dict[str, Any]], None]) -> None:
    """Call ``insert`` with the data of the session that ``engine`` has under this key, if any.

    The request that deletes the old row inserts the new one, in one transaction. So a session is
    taken over once, even if many requests come at the same time, and not again after it has ended.
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
        store.delete()  # the row is gone; this deletes the copy in the cache
