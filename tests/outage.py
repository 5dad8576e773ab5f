from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.test import override_settings


@contextmanager
def unreachable_database() -> Iterator[None]:
    """Point the project at stores that cannot be reached, for tests outside of a transaction."""
    connection.close()
    name = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = "no/such/database"
    nowhere = {"SESSION_AUTH_REDIS": "redis://127.0.0.1:1"} if settings.REDIS else {}
    try:
        with override_settings(**nowhere):
            yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
