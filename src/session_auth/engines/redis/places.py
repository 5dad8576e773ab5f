"""Where rows are, and the one step that each script is: Redis alone, without SQL."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import groupby, islice
from types import MappingProxyType
from typing import Any, NamedTuple

from django.contrib.sessions.backends.base import CreateError
from django.utils import timezone

from session_auth.conf import get_conf
from session_auth.engines.redis import notices, scripts
from session_auth.engines.redis.client import Steps, store
from session_auth.engines.redis.encoding import (
    Row,
    fields_of,
    microseconds,
    readable,
    row_of,
    user_text,
    with_saved,
)
from session_auth.exceptions import StoreUnavailable
from session_auth.keys import TAG_CHARACTERS, new_session_key, tag_for, tag_of
from session_auth.sessions.values import Record

GRACE = timedelta(days=2)
"""How long a user's row outlives its session, so that somebody finds it and tells of the end."""

BATCH_ROWS = 1000

IN_DOUBT: deque[Record] = deque(maxlen=BATCH_ROWS)
"""New sessions whose keys nobody has: a server that did not answer may have added their rows."""

# What WRITE returns.
GONE, WRITTEN = 0, 1

MISPLACED = 2
"""It is written, but not where the sessions of its user are."""


class Parked(NamedTuple):
    """A row that cannot be written, since it is moving: see ``scripts``."""

    session_id: str
    tag: str
    by: str
    """Names the step that moves it."""


def key(tag: str, session_id: str) -> str:
    return f"{store().prefix}:{{{tag}}}:s:{session_id}"


def index(tag: str, user_id: Any) -> str:
    return f"{store().prefix}:{{{tag}}}:u:{user_text(user_id)}"


def tag_in(record: Record) -> str:
    """Return the tag of the place where a new row belongs."""
    return tag_of(record.id) if record.user_id is None else tag_for(record.user_id)


def milliseconds(record: Record) -> int:
    """Return for how long to keep a row: by the clock here, which may stand still in a test."""
    left = record.expires_at - timezone.now()
    if record.user_id is not None:
        left += GRACE
    return max(1, left // timedelta(milliseconds=1))


def rows(session_ids: Collection[str]) -> list[Row]:
    """Return the rows that there are, wherever they are, in the order of the ids."""
    return store().follow(finding(session_ids))


def finding(session_ids: Collection[str]) -> Steps[list[Row]]:
    """Find what ``rows()`` returns, whoever gets the hashes."""
    ids = list(session_ids)
    if not ids:
        return []
    tags = [tag_of(each) for each in ids]
    found = yield [key(tag, each) for tag, each in zip(tags, ids, strict=True)]
    moved = [place for place, fields in enumerate(found) if "to" in fields]
    if moved:
        for place in moved:
            tags[place] = found[place]["to"]
        there = yield [key(tags[place], ids[place]) for place in moved]
        for place, fields in zip(moved, there, strict=True):
            found[place] = fields
    pending = [place for place, fields in enumerate(found) if "after" in fields]
    if pending:
        # The old row first: if it is gone by then, the new one has what was in it.
        names = [(tags[place], found[place]["after"], ids[place]) for place in pending]
        there = yield [key(tag, each) for tag, before, own in names for each in (before, own)]
        for place, old, new in zip(pending, there[::2], there[1::2], strict=True):
            found[place] = with_saved(new, old)
    return list(readable(zip(ids, tags, found, strict=True)))


def rows_of(user_id: Any) -> list[Row]:
    """Return the rows of a user, those that began first before the others."""
    tag = tag_for(user_id)
    ids, rows = store().members(index(tag, user_id)), list[Row]()
    while ids:
        found = store().hashes([key(tag, each) for each in ids])
        rows = [
            row
            for row in readable(zip(ids, [tag] * len(ids), found, strict=True))
            if user_text(row.record.user_id) == user_text(user_id)  # else it was set since
        ]
        living = {row.record.id for row in rows}
        ghosts = [each for each in ids if each not in living]
        if not ghosts:
            break
        # They have timed out, or have got a new key just now, which is listed then.
        store().forget_members(index(tag, user_id), ghosts)
        ids = store().members(index(tag, user_id))
        if living.issuperset(ids):
            break
    return rows


def add(record: Record, *, at_most: int | None, after: str = "") -> list[str]:
    """Add a row; return the ids of all rows of its user, if they are more than ``at_most``.

    With ``after``, it counts once the tombstone with this id names it.
    """
    has_user, tag = record.user_id is not None, tag_in(record)
    if tag != tag_of(record.id):
        point(record.id, tag)
    ids: Any = store().run(
        scripts.ADD,
        [key(tag, record.id), index(tag, record.user_id)],
        milliseconds(record),
        record.id,
        microseconds(record.created_at),
        int(has_user),
        -1 if at_most is None else at_most,
        "nonce",
        new_session_key()[:8],
        *(["after", after] if after else []),
        *fields_of(record),
    )
    if ids == 0:
        raise CreateError
    return list(ids)


def add_new(record: Record, *, at_most: int | None) -> list[str]:
    """Do what ``add()`` does, and see to it that no row is left whose key nobody has."""
    with suppress(IndexError):
        while True:
            doubted = IN_DOUBT.popleft()
            with doubting(doubted):
                remove(doubted, tag_in(doubted), "created_at", "version", "last_seen_at")
    with doubting(record):
        return add(record, at_most=at_most)


@contextmanager
def doubting(record: Record) -> Iterator[None]:
    try:
        yield
    except StoreUnavailable:
        IN_DOUBT.append(record)
        raise


def secure(record: Record, tag: str, kept: int) -> None:
    """Wait until replicas have a row that nobody has the key of yet, if the setting asks for that.

    If they do not answer, take the row back and raise ``StoreUnavailable``.
    """
    try:
        store().wait_for_replicas(key(tag, record.id), kept)
        if tag != tag_of(record.id):
            store().wait_for_replicas(key(tag_of(record.id), record.id), _kept_to_point())
    except StoreUnavailable:
        clear([Row(record, tag, "")])
        raise


def _kept_to_point() -> int:
    return (get_conf().ABSOLUTE_TIMEOUT + GRACE) // timedelta(milliseconds=1)


def point(session_id: str, tag: str) -> None:
    own = key(tag_of(session_id), session_id)
    if not store().run(scripts.POINT, [own], tag, _kept_to_point()):
        raise CreateError


def write(record: Record, *conditions: str, tag: str = "", before: str = "") -> int | Row | Parked:
    """Write a row if its fields have the values of ``conditions``; return what WRITE does, or 2.

    If it has a note ``after``, nothing is written, and the row is returned: whether it counts, SQL
    knows. Then it is written with that note as ``before``. So SQL knows where the row is, if it is
    parked.
    """
    tag = tag or tag_of(record.id)
    is_in_place = record.user_id is not None and tag == tag_for(record.user_id)
    outcome = store().run(
        scripts.WRITE,
        [
            key(tag, record.id),
            index(tag, record.user_id),
            *([key(tag, before)] if before else []),
        ],
        microseconds(timezone.now()),
        milliseconds(record),
        int(is_in_place),
        len(conditions) // 2,
        *conditions,
        *fields_of(record),
    )
    match outcome:
        case ["to", elsewhere]:
            return write(record, *conditions, tag=elsewhere, before=before)
        case ["after", note]:
            return Row(record, tag, note)
        case ["parked", by]:
            return Parked(record.id, tag, by)
    if outcome == WRITTEN and record.user_id is not None and not is_in_place:
        return MISPLACED
    return int(outcome)


def mark(
    record: Record, field: str, since: datetime, kept: int, others: list[str], *, tag: str = ""
) -> bool | Parked:
    tag = tag or tag_of(record.id)
    outcome = store().run(
        scripts.MARK,
        [key(tag, record.id), index(tag, record.user_id)],
        microseconds(timezone.now()),
        *fields_of(record, field),
        microseconds(since),
        kept,
        *others,
    )
    match outcome:
        case ["to", elsewhere]:
            return mark(record, field, since, kept, others, tag=elsewhere)
        case ["parked", by]:
            return Parked(record.id, tag, by)
    return bool(outcome)


def park(row: Row, by: str) -> Row | None:
    """Let nobody write a row any more, and return it as it is then."""
    told = store().run(scripts.PARK, [key(row.tag, row.record.id)], by)
    if not told:
        return None
    fields = dict(zip(told[::2], told[1::2], strict=True))
    return row_of(row.record.id, row.tag, fields)


def unpark(parked: Parked) -> None:
    store().run(scripts.UNPARK, [key(parked.tag, parked.session_id)], parked.by)


def move(session_id: str) -> None:
    """Bring a row to the place of its user. Nobody may unpark it meanwhile.

    In whichever step this fails, the row is at one place, and found there.
    """
    row = next(iter(rows([session_id])), None)
    parked = None if row is None else park(row, new_session_key())
    if parked is None:
        return
    record, before, home = parked.record, parked.tag, tag_of(session_id)
    tag = tag_in(record)
    began_at, kept = microseconds(record.created_at), milliseconds(record)
    place = [key(tag, session_id), index(tag, record.user_id)]
    store().run(scripts.PUT, place, kept, began_at, *fields_of(record))
    if tag != home:
        store().run(scripts.PUT, [key(home, session_id)], _kept_to_point(), "", "to", tag)
    if before not in (tag, home):
        store().delete([key(before, session_id)])


def remove(record: Record, tag: str, *conditions: str) -> bool:
    """Remove a row if it is as in ``record``; say whether it was removed."""
    outcome = store().run(
        scripts.REMOVE,
        [key(tag, record.id), index(tag, record.user_id)],
        record.id,
        *fields_of(record, *conditions),
    )
    match outcome:
        case ["to", elsewhere]:
            return remove(record, elsewhere, *conditions)
    return bool(outcome)


def clear(rows: Sequence[Row], told: Mapping[str, str] = MappingProxyType({})) -> None:
    """Delete rows of sessions that have ended: they open nothing, but take memory.

    In the same step, tell other processes what ``told`` has for these ids.
    """

    def place(row: Row) -> tuple[str, str]:
        return row.tag, user_text(row.record.user_id)

    with suppress(StoreUnavailable):  # which is logged; they vanish when they would time out
        for (tag, user_id), group in groupby(sorted(rows, key=place), key=place):
            for batch in batches([row.record.id for row in group]):
                keys = [index(tag, user_id or None), *(key(tag, each) for each in batch)]
                texts = [told[each] for each in batch if each in told]
                store().run(scripts.CLEAR, keys, len(batch), *batch, notices.channel(), *texts)


def delete_keys(keys: Sequence[str]) -> None:
    with suppress(StoreUnavailable):
        for batch in batches(keys):
            store().delete(batch)


def _pattern(kind: str) -> str:
    # A "*" for the tag would reach into what follows, and primary keys of users may be any text.
    return f"{store().prefix}:{{{'?' * TAG_CHARACTERS}}}:{kind}:*"


def keys_of_rows() -> Iterator[str]:
    """Yield the keys of all rows, and of what only says where one is."""
    return store().scan(_pattern("s"))


def everything() -> Iterator[list[Row]]:
    """Yield all rows, also those that do not count, by a walk through all keys."""
    scan = keys_of_rows()
    while keys := list(islice(scan, BATCH_ROWS)):
        ids = [each.rpartition(":")[2] for each in keys]
        tags = [each.partition("{")[2].partition("}")[0] for each in keys]
        yield list(readable(zip(ids, tags, store().hashes(keys), strict=True)))


def expired() -> Iterator[Record]:
    """Yield the users' sessions that have timed out, by a walk through all keys."""
    for index in store().scan(_pattern("u")):
        tag = index.partition("{")[2].partition("}")[0]
        ids = store().members(index)
        found = store().hashes([key(tag, each) for each in ids]) if ids else []
        for row in readable(zip(ids, [tag] * len(ids), found, strict=True)):
            if row.record.expires_at <= timezone.now():
                yield row.record


def batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), BATCH_ROWS):
        yield values[start : start + BATCH_ROWS]
