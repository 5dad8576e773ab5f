"""The rows of sessions in Redis or Valkey, and what SQL has to do with them.

**Where a row is.** All sessions of a user are in one slot, so each step is one script. A key that
is made here begins with the tag of its user's slot, and so does the id. A session that came with
another key, from another engine, or whose user was set without a login, has a hash at the place
where its id says, with the tag of the place where it is.

**What counts.** Redis replicates later than it answers, so a fail-over may lose what it has
acknowledged: also that a session was deleted. So an end is a fact of SQL: the stamp of a user for
all of their sessions, a tombstone for one. Whoever reads a row asks SQL for both, in the statement
that finds the user. Deleting the row comes after that, and only saves memory.

**Transactions.** Redis has no part in a transaction of SQL. So:

* To end sessions: read the rows, write stamps, tombstones and records, commit, delete the rows. A
  process that is killed before the commit has done nothing; after it, rows are left that open
  nothing, and vanish when they would have timed out.
* To give a session a new key: copy the row, with a note ``after`` which it takes the place of;
  write the tombstone of the old one, which names the new one; commit; delete the old row and the
  note. A row with a note counts if, and only if, that tombstone names it. So before the commit the
  old key opens the session and the new one does not, and after it the other way round, wherever a
  process is killed, and whatever a rollback undoes.
* To add a session: add the row, then end those whose place it takes. Killed in between, the old
  one goes on, and nobody has the key of the new one. A rollback does not take the new row back.
* What a request saves in a session is stored at once, and no rollback takes it back.
"""

import random
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby, islice
from threading import local
from typing import Any

from django.contrib.sessions.backends.base import CreateError
from django.db import IntegrityError, transaction
from django.utils import timezone

from session_auth import stores
from session_auth.conf import get_conf
from session_auth.engines.everybody import stamp_everybody
from session_auth.engines.lookup import SESSIONS
from session_auth.engines.redis import scripts, verdicts
from session_auth.engines.redis.client import store
from session_auth.engines.redis.encoding import Row, fields_of, microseconds, row_of, user_text
from session_auth.exceptions import StoreUnavailable
from session_auth.keys import new_session_key, new_tag, tag_for, tag_of
from session_auth.models import AdoptedSession
from session_auth.sessions import stamps, tombstones
from session_auth.sessions.ending import keep
from session_auth.sessions.rows import Position, Rows
from session_auth.sessions.values import Record
from session_auth.signals import EndReason

GRACE = timedelta(days=2)
"""How long a user's row outlives its session, so that somebody finds it and tells of the end."""

BATCH_ROWS = 1000


class RedisRows(Rows):
    """The rows of all sessions, in the servers of ``SESSION_AUTH_REDIS``."""

    def __init__(self) -> None:
        self._scans = local()

    def new_key(self, user_id: Any, *, like: str | None = None) -> str:
        if user_id is not None:
            return new_session_key(tag_for(user_id))
        return new_session_key(tag_of(like) if like else new_tag())

    def read_with_user(self, session_id: str) -> tuple[Record | None, Callable[[], Any] | None]:
        for row in _rows([session_id]):
            if not row.after or _is_renewed(row):
                ended, make_user = verdicts.find(row.record)
                if not ended:
                    return row.record, make_user
                if not stores.in_transaction(SESSIONS.alias()):  # or a rollback might undo the end
                    _clear([row])
        return None, None

    def insert(
        self, record: Record, *, ending: Collection[str], at_most: int | None
    ) -> dict[EndReason, list[Record]]:
        ids = _add(record, at_most=at_most)
        ended = {EndReason.REPLACED: _end(_rows(ending), EndReason.REPLACED)}
        others = [each for each in ids if each != record.id and each not in ending]
        if at_most is not None and len(others) >= at_most:
            living = _rows(others)
            surplus = living[: max(0, len(living) - at_most + 1)]
            ended[EndReason.EVICTED] = _end(surplus, EndReason.EVICTED)
            _forget_ghosts(record.user_id, others, living)
        return ended

    @SESSIONS.changes
    def adopt(self, record: Record, *, old_key: str) -> None:
        alias = SESSIONS.alias()
        with transaction.atomic(using=alias):
            if record.user_id is not None:
                stamps.lock_user(record.user_id, alias=alias)
                if stamps.is_stamped(record.user_id, alias=alias):
                    return
            if tombstones.successors_of([record.id], alias=alias):
                return
            try:
                with transaction.atomic(using=alias):
                    notes = AdoptedSession.objects.using(alias)
                    notes.create(session_id=record.id, old_key=old_key)
            except IntegrityError:
                return
            # It is there if a process was killed before its commit.
            with suppress(CreateError):
                _add(record, at_most=None)

    def compare_and_set(self, record: Record, *, version: int) -> bool:
        outcome = _write(record, "version", str(version))
        if outcome == ANOTHER_USER:
            return _move(record, version=version)
        return outcome == WRITTEN

    def revise(self, session_id: str, change: Callable[[Record], Record]) -> Record | None:
        until = time.monotonic() + stores.PATIENCE_SECONDS
        while time.monotonic() < until:
            row = next(iter(_rows([session_id])), None)
            if row is None or row.record.expires_at <= timezone.now():
                return None
            before, record = row.record, change(row.record)
            as_it_was = fields_of(before, "version", "methods", "last_seen_at", "passive_seen_at")
            outcome = _write(record, *as_it_was)
            if outcome == GONE:
                return None
            if outcome == WRITTEN or (
                outcome == ANOTHER_USER and _move(record, version=before.version)
            ):
                return record
            time.sleep(random.uniform(0, stores.FIRST_PAUSE_SECONDS))  # noqa: S311 # no secret
        raise StoreUnavailable

    def mark_seen(self, record: Record, *, since: datetime) -> bool:
        others = fields_of(record, "expires_at", "ip", "user_agent")
        return _mark(record, "last_seen_at", since, _milliseconds(record), others)

    def mark_passive(self, record: Record, *, since: datetime) -> bool:
        others = fields_of(record, "ip", "user_agent")
        return _mark(record, "passive_seen_at", since, 0, others)

    def rename(self, session_id: str, new_id: str, *, proven: Record | None = None) -> bool:
        row = next(iter(_rows([session_id])), None)
        if row is None or (row.after and not _is_renewed(row)):
            return False
        record, tag = row.record, row.tag
        if tag_of(new_id) != tag:
            _point(new_id, tag)
        new = Row(record._replace(id=new_id), tag, session_id)
        proof = fields_of(proven, "authenticated_at", "methods", "expires_at") if proven else []
        keys = [_key(tag, session_id), _key(tag, new_id), _index(tag, record.user_id)]
        copied = store().run(
            scripts.COPY,
            keys,
            microseconds(timezone.now()),
            session_id,
            new_id,
            int(record.user_id is not None),
            _milliseconds(proven) if proven else 0,
            *proof,
        )
        if copied != 1:
            return False
        if not _claim_for(new):
            _clear([new])
            return False
        self.when_final(partial(_settle, new))
        return True

    def remove_unseen(self, record: Record) -> bool:
        return _remove(record, tag_of(record.id), "version", "last_seen_at")

    def remove_ids(self, session_ids: Collection[str], reason: EndReason) -> list[Record]:
        return _end(_rows(session_ids), reason)

    @SESSIONS.asks
    def remove_of_user(
        self, user_id: Any, reason: EndReason, *, only: str | None = None, but: str | None = None
    ) -> list[Record]:
        if only is not None:
            rows = _rows([only])
            return _end(
                [row for row in rows if user_text(row.record.user_id) == str(user_id)], reason
            )
        alias = SESSIONS.alias()
        with transaction.atomic(using=alias):
            stamps.lock_user(user_id, alias=alias)
            if but is not None:
                stamps.stamp_for_adoption(user_id, alias=alias)
            else:
                stamps.stamp([user_id], alias=alias)
            rows = [row for row in _rows_of(user_id) if row.record.id != but]
            return _end(rows, reason, keeping=but, follow=True)

    def remove_expired(self, *, at_most: int) -> list[Record]:
        if not hasattr(self._scans, "expired"):
            self._scans.expired = _expired()
        found = list(islice(self._scans.expired, at_most))
        if not found:
            del self._scans.expired
        ended = verdicts.ended_among(found)
        return [
            record
            for record in found
            if _remove(record, tag_of(record.id), "version", "last_seen_at")
            and record.id not in ended
        ]

    @SESSIONS.asks
    def remove_all(self, reason: EndReason) -> int:
        alias, count = SESSIONS.alias(), 0
        with transaction.atomic(using=alias):
            stamp_everybody(alias)
            keys = list(store().scan(f"{store().prefix}:{{*}}:s:*"))
            for batch in _batches(keys):
                found = store().hashes(batch)
                rows = [
                    row_of(key.rpartition(":")[2], "", fields)
                    for key, fields in zip(batch, found, strict=True)
                    if "user_id" in fields
                ]
                count += len(rows)
                if get_conf().KEEP_ENDED is not None:
                    keep([row.record for row in rows], reason)
            self.when_final(partial(_delete_keys, keys))
        return count

    def when_final(self, call: Callable[[], None]) -> bool:
        return stores.when_final(call, alias=SESSIONS.alias())

    def of_user(
        self,
        user_id: Any,
        *,
        at_most: int | None = None,
        after: Position | None = None,
        but: str | None = None,
    ) -> list[Record]:
        now = timezone.now()
        rows = [
            row
            for row in _rows_of(user_id)
            if row.record.expires_at > now
            and row.record.id != but
            and (not row.after or _is_renewed(row))
        ]
        records = [row.record for row in rows]
        ended = verdicts.ended_among(records)
        living = sorted(
            (record for record in records if record.id not in ended), key=lambda record: record.id
        )
        living.sort(key=lambda record: record.last_seen_at, reverse=True)
        if after is not None:
            seen_at, session_id = after
            living = [
                record
                for record in living
                if record.last_seen_at < seen_at
                or (record.last_seen_at == seen_at and record.id > session_id)
            ]
        return living[:at_most]


# What WRITE returns.
GONE, WRITTEN, ANOTHER_USER = 0, 1, 2


def _key(tag: str, session_id: str) -> str:
    return f"{store().prefix}:{{{tag}}}:s:{session_id}"


def _index(tag: str, user_id: Any) -> str:
    return f"{store().prefix}:{{{tag}}}:u:{user_text(user_id)}"


def _milliseconds(record: Record) -> int:
    """Return for how long to keep a row: by the clock here, which may stand still in a test."""
    left = record.expires_at - timezone.now()
    if record.user_id is not None:
        left += GRACE
    return max(1, left // timedelta(milliseconds=1))


def _rows(session_ids: Collection[str]) -> list[Row]:
    """Return the rows that there are, wherever they are, in the order of the ids."""
    ids = list(session_ids)
    if not ids:
        return []
    tags = [tag_of(each) for each in ids]
    found = store().hashes([_key(tag, each) for tag, each in zip(tags, ids, strict=True)])
    moved = [place for place, fields in enumerate(found) if "to" in fields]
    if moved:
        for place in moved:
            tags[place] = found[place]["to"]
        there = store().hashes([_key(tags[place], ids[place]) for place in moved])
        for place, fields in zip(moved, there, strict=True):
            found[place] = fields
    return [
        row_of(each, tag, fields)
        for each, tag, fields in zip(ids, tags, found, strict=True)
        if "user_id" in fields
    ]


def _rows_of(user_id: Any) -> list[Row]:
    """Return the rows of a user, those that began first before the others."""
    tag = tag_for(user_id)
    ids = store().members(_index(tag, user_id))
    if not ids:
        return []
    found = store().hashes([_key(tag, each) for each in ids])
    rows = [
        row_of(each, tag, fields)
        for each, fields in zip(ids, found, strict=True)
        if "user_id" in fields
    ]
    _forget_ghosts(user_id, ids, rows)
    return rows


def _forget_ghosts(user_id: Any, ids: Sequence[str], rows: Sequence[Row]) -> None:
    """Take out of the index of a user what has no row any more: it has timed out."""
    living = {row.record.id for row in rows}
    ghosts = [each for each in ids if each not in living]
    if ghosts:
        store().forget_members(_index(tag_for(user_id), user_id), ghosts)


def _add(record: Record, *, at_most: int | None) -> list[str]:
    """Add a row; return the ids of all rows of its user, if they are more than ``at_most``."""
    has_user = record.user_id is not None
    tag = tag_for(record.user_id) if has_user else tag_of(record.id)
    if tag != tag_of(record.id):
        _point(record.id, tag)
    ids: Any = store().run(
        scripts.ADD,
        [_key(tag, record.id), _index(tag, record.user_id)],
        _milliseconds(record),
        record.id,
        microseconds(record.created_at),
        int(has_user),
        -1 if at_most is None else at_most,
        "nonce",
        secrets.token_urlsafe(6),
        *fields_of(record),
    )
    if ids == 0:
        raise CreateError
    return list(ids)


def _point(session_id: str, tag: str) -> None:
    kept = (get_conf().ABSOLUTE_TIMEOUT + GRACE) // timedelta(milliseconds=1)
    if not store().run(scripts.POINT, [_key(tag_of(session_id), session_id)], tag, kept):
        raise CreateError


def _write(record: Record, *conditions: str, tag: str = "", is_pending: bool = False) -> int:
    """Write a row if its fields have the values of ``conditions``; return what WRITE does."""
    tag = tag or tag_of(record.id)
    outcome = store().run(
        scripts.WRITE,
        [_key(tag, record.id), _index(tag, record.user_id)],
        microseconds(timezone.now()),
        _milliseconds(record),
        user_text(record.user_id),
        int(is_pending),
        len(conditions) // 2,
        *conditions,
        *fields_of(record),
    )
    match outcome:
        case ["to", elsewhere]:
            return _write(record, *conditions, tag=elsewhere, is_pending=is_pending)
        case ["after", before]:
            if not _is_renewed(Row(record, tag, before)):
                return GONE
            return _write(record, *conditions, tag=tag, is_pending=True)
    return int(outcome)


def _move(record: Record, *, version: int) -> bool:
    """Write a row that has got another user, without a login, at the place where it belongs."""
    row = next(iter(_rows([record.id])), None)
    if row is None or not _remove(row.record._replace(version=version), row.tag, "version"):
        return False
    if row.tag != tag_of(record.id):
        store().delete([_key(tag_of(record.id), record.id)])
    _add(record, at_most=None)
    return True


def _mark(
    record: Record, field: str, since: datetime, kept: int, others: list[str], *, tag: str = ""
) -> bool:
    tag = tag or tag_of(record.id)
    outcome = store().run(
        scripts.MARK,
        [_key(tag, record.id), _index(tag, record.user_id)],
        microseconds(timezone.now()),
        *fields_of(record, field),
        microseconds(since),
        kept,
        *others,
    )
    match outcome:
        case ["to", elsewhere]:
            return _mark(record, field, since, kept, others, tag=elsewhere)
    return bool(outcome)


def _remove(record: Record, tag: str, *conditions: str) -> bool:
    """Remove a row if it is as in ``record``; say whether it was removed."""
    outcome = store().run(
        scripts.REMOVE,
        [_key(tag, record.id), _index(tag, record.user_id)],
        record.id,
        *fields_of(record, *conditions),
    )
    match outcome:
        case ["to", elsewhere]:
            return _remove(record, elsewhere, *conditions)
    return bool(outcome)


def _end(
    rows: Sequence[Row], reason: EndReason, *, keeping: str | None = None, follow: bool = False
) -> list[Record]:
    """End sessions, and return those that nobody else has ended.

    With ``follow``, those that have got a new key meanwhile end as well, but for ``keeping``.
    """
    rows = [row for row in rows if not row.after or _is_renewed(row)]
    if not rows:
        return []
    claimed = _claim([row.record for row in rows], reason)
    ended = [row.record for row in rows if row.record.id in claimed]
    stores.when_final(partial(_clear, rows), alias=SESSIONS.alias())
    if follow and len(claimed) < len(rows):
        known = {row.record.id for row in rows} | {keeping, ""}
        renewed = tombstones.successors_of(known - claimed - {None}, alias=SESSIONS.alias())
        ended += _end(_rows(set(renewed.values()) - known), reason, keeping=keeping, follow=True)
    return ended


@SESSIONS.asks
def _claim(records: Sequence[Record], reason: EndReason) -> set[str]:
    """Write tombstones, and the records of ended sessions; return the ids of those that are new."""
    alias = SESSIONS.alias()
    with transaction.atomic(using=alias, savepoint=False):
        claimed = tombstones.claim({record.id: "" for record in records}, alias=alias)
        if get_conf().KEEP_ENDED is not None:
            keep([record for record in records if record.id in claimed], reason)
    return claimed


@SESSIONS.asks
def _claim_for(new: Row) -> bool:
    """Write the tombstone that lets ``new`` count; say whether it does."""
    alias = SESSIONS.alias()
    if tombstones.claim({new.after: new.record.id}, alias=alias):
        return True
    # Perhaps by this very call, made again since its answer was lost.
    return tombstones.successors_of([new.after], alias=alias).get(new.after) == new.record.id


@SESSIONS.asks
def _is_renewed(row: Row) -> bool:
    """Say whether a row with a note counts; settle it, if no rollback can undo that."""
    alias = SESSIONS.alias()
    found = tombstones.successors_of([row.after], alias=alias)
    if found.get(row.after) != row.record.id:
        return False
    if not stores.in_transaction(alias):
        _settle(row)
    return True


def _settle(new: Row) -> None:
    tag, index = new.tag, _index(new.tag, new.record.user_id)
    with suppress(StoreUnavailable):  # which is logged; whoever reads the row settles it
        store().run(
            scripts.SETTLE, [_key(tag, new.after), _key(tag, new.record.id), index], new.after
        )


def _clear(rows: Sequence[Row]) -> None:
    """Delete rows of sessions that have ended: they open nothing, but take memory."""

    def place(row: Row) -> tuple[str, str]:
        return row.tag, user_text(row.record.user_id)

    with suppress(StoreUnavailable):  # which is logged; they vanish when they would time out
        for (tag, user_id), group in groupby(sorted(rows, key=place), key=place):
            for batch in _batches([row.record.id for row in group]):
                keys = [_index(tag, user_id or None), *(_key(tag, each) for each in batch)]
                store().run(scripts.CLEAR, keys, *batch)


def _delete_keys(keys: Sequence[str]) -> None:
    with suppress(StoreUnavailable):
        for batch in _batches(keys):
            store().delete(batch)


def _expired() -> Iterator[Record]:
    """Yield the users' sessions that have timed out, by a walk through all keys."""
    pattern = f"{store().prefix}:{{*}}:u:*"
    for index in store().scan(pattern):
        tag = index.partition("{")[2].partition("}")[0]
        ids = store().members(index)
        found = store().hashes([_key(tag, each) for each in ids]) if ids else []
        for session_id, fields in zip(ids, found, strict=True):
            if "user_id" in fields:
                record = row_of(session_id, tag, fields).record
                if record.expires_at <= timezone.now():
                    yield record


def _batches(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), BATCH_ROWS):
        yield values[start : start + BATCH_ROWS]
