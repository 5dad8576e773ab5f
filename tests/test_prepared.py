"""What docs/deployment.md advises for PostgreSQL; elsewhere, that the look-up needs none of it."""

import re
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from session_auth.engines.database import SessionStore

PAGE = Path(__file__).parent.parent / "docs" / "deployment.md"
IS_POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture
def prepared() -> Iterator[Any]:
    """Make the connection one that has the options of the page."""
    [options] = re.findall(r'\["OPTIONS"\] = (\{.*\})', PAGE.read_text())
    before = connections["default"]
    preparing = before.copy()
    if IS_POSTGRESQL:
        preparing.settings_dict["OPTIONS"] |= literal_eval(options)
    connections["default"] = preparing
    yield preparing
    preparing.close()
    connections["default"] = before


@pytest.mark.django_db(transaction=True)
def test_the_look_up_is_prepared_once_for_all_sessions(prepared: Any) -> None:
    sessions = [SessionStore() for _ in range(3)]
    for number, session in enumerate(sessions):
        session["number"] = number
        session.save()

    found = [SessionStore(session.session_key).load() for session in sessions]

    assert found == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert look_ups_prepared(prepared) == (1 if IS_POSTGRESQL else 0)


def look_ups_prepared(connection: Any) -> int:
    if not IS_POSTGRESQL:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT statement FROM pg_prepared_statements WHERE statement LIKE %s",
            ['SELECT "session_auth_session"."id"%JOIN%'],
        )
        return len(cursor.fetchall())
