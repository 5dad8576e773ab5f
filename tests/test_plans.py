"""In a large table, what is done for one user or one session touches no other row."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from session_auth.engines.database import SessionStore
from session_auth.keys import digest, new_session_key
from session_auth.models import Session, UserStamp
from session_auth.signals import EndReason

pytestmark = pytest.mark.django_db

ROWS = 5_000
IS_MYSQL = connection.vendor == "mysql"
# MySQL says how an index is used: "index" is a scan of the whole index. For a row that is looked up
# by its key and does not exist, MySQL speaks of a "const table".
BY_INDEX = ("'ref'", "'range'", "'const'", "const tables") if IS_MYSQL else ("INDEX", "Index")


@pytest.fixture
def crowd() -> User:
    """Return one of many users, in a table of many sessions, of which few have expired."""
    users = User.objects.bulk_create(User(username=f"user-{n}") for n in range(ROWS // 10))
    now = timezone.now()
    Session.objects.bulk_create(
        Session(
            id=digest(new_session_key()),
            user=users[n % len(users)],
            data="{}",
            created_at=now,
            last_seen_at=now,
            expires_at=now + timedelta(days=1) if n % 1000 else now - timedelta(days=1),
        )
        for n in range(ROWS)
    )
    UserStamp.objects.bulk_create(UserStamp(user=user, ended_before=now) for user in users)
    UserStamp.objects.update(ended_before=now - timedelta(days=1))
    if not IS_MYSQL:  # MySQL does it by itself, and the statement would commit
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return users[7]


def plans_of(queries: CaptureQueriesContext) -> list[str]:
    """Return the plan of the database for each statement that reads, changes or deletes rows."""
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    statements = [
        query["sql"]
        for query in queries
        if query["sql"].startswith(("SELECT", "UPDATE", "DELETE")) and "session" in query["sql"]
    ]
    plans = []
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(explain + statement)
            plans.append(str(cursor.fetchall()))
    return plans


def assert_by_index(plans: list[str]) -> None:
    assert plans
    for plan in plans:
        assert any(way in plan for way in BY_INDEX), plan
        assert "SCAN session_auth" not in plan, plan
        assert "Seq Scan" not in plan, plan


def test_nothing_is_found_without_an_index(crowd: User) -> None:
    """One test, since the crowd takes longer than all that is asked of it."""
    with CaptureQueriesContext(connection) as of_expired:
        removed = SessionStore.rows.remove_expired(at_most=5)
    record = SessionStore.rows.of_user(crowd.pk)[0]
    with CaptureQueriesContext(connection) as of_one_session:
        SessionStore.rows.read(record.id)
        SessionStore.rows.mark_seen(record, since=timezone.now())
        SessionStore.rows.rename(record.id, digest(new_session_key()))
        SessionStore.rows.remove_unseen(record)
    with CaptureQueriesContext(connection) as of_one_user:
        records = SessionStore.rows.of_user(crowd.pk)
        SessionStore.rows.remove_of_user(crowd.pk, EndReason.ENDED_BY_USER, but=records[0].id)

    assert (len(removed), len(records)) == (5, 10)
    for queries in (of_expired, of_one_session, of_one_user):
        assert_by_index(plans_of(queries))
