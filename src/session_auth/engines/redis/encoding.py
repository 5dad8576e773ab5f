"""A row as a hash: what each field of a record looks like there."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from session_auth.sessions.values import Record

logger = logging.getLogger("session_auth")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
TIMES = frozenset(
    {"created_at", "authenticated_at", "last_seen_at", "expires_at", "passive_seen_at"}
)


class Row(NamedTuple):
    """A record, with where it is."""

    record: Record
    tag: str
    """The tag of the keys of its slot."""

    after: str
    """The id of the session that was renewed to this one, if that is not settled; or ""."""


def microseconds(time: datetime | None) -> str:
    """Return a time as a number; "" is ``None``."""
    if time is None:
        return ""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)  # only to count from the epoch
    return str((aware - EPOCH) // MICROSECOND)


def time_of(number: str) -> datetime | None:
    if not number:
        return None
    time = EPOCH + int(number) * MICROSECOND
    return time if settings.USE_TZ else time.replace(tzinfo=None)


def user_text(user_id: Any) -> str:
    """Return the primary key of a user as text; "" is a visitor."""
    return "" if user_id is None else str(user_id)


def fields_of(record: Record, *names: str) -> list[str]:
    """Return these fields of a record, or all but its id, each name before its value."""
    fields: list[str] = []
    for name in names or Record._fields[1:]:
        value = getattr(record, name)
        if name in TIMES:
            value = microseconds(value)
        fields += (name, user_text(value) if name == "user_id" else str(value))
    return fields


def row_of(session_id: str, tag: str, fields: Mapping[str, str]) -> Row:
    values: dict[str, Any] = {
        name: time_of(fields[name]) if name in TIMES else fields[name]
        for name in Record._fields[1:]
    }
    user_id = fields["user_id"]
    values["user_id"] = get_user_model()._meta.pk.to_python(user_id) if user_id else None
    values["version"] = int(fields["version"])
    return Row(Record(id=session_id, **values), tag, fields.get("after", ""))


def with_saved(fields: dict[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """Return the hash of a row with what was saved since in the row before it: see TAKE_OVER."""
    if "after" not in fields:
        return fields
    with suppress(KeyError, ValueError):  # one that is no row, or that nobody can read
        old, new = int(before["version"]), int(fields["version"])
        if old > new:
            lasts = max(before["expires_at"], fields["expires_at"], key=int)
            saved = {"version": str(old), "data": before["data"], "expires_at": lasts}
            fields = {**fields, **saved}
        if fields.get("methods_before", before["methods"]) != before["methods"]:
            taken_back = {name: before[name] for name in ("methods", "authenticated_at")}
            fields = {**fields, **taken_back, "version": str(max(old, new) + 1)}
    return fields


def readable(found: Iterable[tuple[str, str, Mapping[str, str]]]) -> Iterator[Row]:
    """Yield the rows of hashes, each of which comes after its id and its tag.

    A row that nobody can read opens nothing, and is logged: somebody has changed it by hand, or the
    primary keys of users have another type by now. It must not keep others from being ended.
    """
    for session_id, tag, fields in found:
        if "user_id" not in fields:
            continue  # there is no row
        try:
            yield row_of(session_id, tag, fields)
        except (KeyError, ValueError, OverflowError, ValidationError) as error:
            logger.warning("The session %s in Redis cannot be read: %r", session_id, error)
