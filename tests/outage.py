from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def unreachable_database() -> Iterator[None]:
    """Point Django at a database that cannot be reached, for tests outside of a transaction."""
    connection.close()
    name = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = "no/such/database"
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
