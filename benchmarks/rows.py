"""A table of sessions, as large as a benchmark wants it."""

from datetime import datetime, timedelta
from pathlib import Path

from django.db import connection, connections
from django.utils import timezone

from session_auth.models import Session

BATCH = 10_000


def fill(size: int, *, sessions_a_user: int, expired: bool = False) -> None:
    """Let there be ``size`` sessions; their users need not exist."""
    now = timezone.now()
    start = now - timedelta(days=20) if expired else now
    for first in range(Session.objects.count(), size, BATCH):
        _add(range(first, min(first + BATCH, size)), start=start, sessions_a_user=sessions_a_user)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def add_expired(count: int, *, first: int) -> None:
    """Add sessions that have expired; no other may have the numbers from ``first`` on."""
    start = timezone.now() - timedelta(days=20)
    _add(range(first, first + count), start=start, sessions_a_user=1)


def _add(numbers: range, *, start: datetime, sessions_a_user: int) -> None:
    Session.objects.bulk_create(
        Session(
            id=f"{number:043}",
            user_id=number // sessions_a_user + 1,
            data="{}",
            created_at=start,
            authenticated_at=start,
            last_seen_at=start - timedelta(seconds=number % 86_400),
            expires_at=start + timedelta(days=14, seconds=number % 86_400),
        )
        for number in numbers
    )


def throw_away() -> None:
    """Delete the file of SQLite; a PostgreSQL server ends with its command."""
    connections.close_all()
    if connection.vendor == "sqlite":
        Path(connection.settings_dict["NAME"]).unlink(missing_ok=True)
