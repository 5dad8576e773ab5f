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
* With ``wait_replicas``, a new row is waited for where its key is not known yet: before the others
  are ended, and before the tombstone. If that fails, the new row goes and the old one goes on. Ends
  wait for nobody: they are in SQL.
* To add a session: add the row, then end those whose place it takes, in one statement or
  transaction. If that fails, the new row goes; if the answer is lost, at the next login in this
  process. Killed in between, the old one goes on, and nobody has the key of the new one. A rollback
  does not take the new row back.
* What a request saves in a session is stored at once, and no rollback takes it back, but for what
  is saved under a new key that the rollback takes back. The data are those of the old row as long
  as that is there and has the higher version; so nobody deletes it who has not taken that over.
  Whoever saves or renews the new row before that is settled parks the old row: who would write that
  waits for the transaction, as for a row that moves.
* A row whose user was set without a login is written where it is, and moves then. Who would write
  it meanwhile waits for that.
* To end everybody's sessions: stamp all users, and commit; then walk through all keys.

How sessions move between this engine and that of the database, ``engines.moves`` says.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from threading import local
from typing import Any

from django.contrib.sessions.backends.base import CreateError
from django.db import Error, IntegrityError, transaction
from django.utils import timezone

from session_auth import stores
from session_auth.conf import get_conf
from session_auth.engines.everybody import stamp_everybody
from session_auth.engines.lookup import SESSIONS
from session_auth.engines.redis import (
    flaws,
    loops,
    notices,
    places,
    renewals,
    scripts,
    verdicts,
)
from session_auth.engines.redis.client import store
from session_auth.engines.redis.encoding import Row, fields_of, microseconds, readable, user_text
from session_auth.exceptions import StoreUnavailable
from session_auth.keys import tag_of
from session_auth.models import AdoptedSession
from session_auth.sessions import stamps, tombstones
from session_auth.sessions.bus import Notice, text_of
from session_auth.sessions.ending import keep
from session_auth.sessions.rows import Flaw, Position, Rows
from session_auth.sessions.values import PROVEN, Record
from session_auth.signals import EndReason


class RedisRows(Rows):
    """The rows of all sessions, in the servers of ``SESSION_AUTH_REDIS``."""

    def __init__(self) -> None:
        self._scans = local()

    def flaws(self) -> list[Flaw] | None:
        found = list(flaws.flaws(store()))
        with suppress(StoreUnavailable, Error):  # of SQL, which the doctor looks at anyway
            found += flaws.another_site(self.some(at_most=places.BATCH_ROWS))
        return found

    async def fetch(self, session_id: str) -> list[Row] | None:
        return await loops.find(partial(places.finding, [session_id]))

    def read_with_user(
        self, session_id: str, fetched: Sequence[Row] | None = None
    ) -> tuple[Record | None, Callable[[], Any] | None]:
        found = places.rows([session_id]) if fetched is None else fetched
        for row in renewals.counting(found):
            ended, make_user = verdicts.find(row.record)
            if not ended:
                return row.record, make_user
        return None, None

    def some(self, *, at_most: int, user_ids: Collection[Any] | None = None) -> list[Record]:
        found: list[Record] = []
        of_users = None if user_ids is None else map(renewals.living_of, user_ids)
        for rows in map(renewals.living, places.everything()) if of_users is None else of_users:
            found += [row.record for row in rows]
            if len(found) >= at_most:
                break
        return found[:at_most]

    def read_many(self, session_ids: Collection[str]) -> list[Record]:
        found: list[Record] = []
        for batch in places.batches(list(session_ids)):
            found += [row.record for row in renewals.living(places.rows(batch))]
        return found

    def insert(
        self, record: Record, *, ending: Collection[str], at_most: int | None
    ) -> dict[EndReason, list[Record]]:
        ids, tag = places.add_new(record, at_most=at_most), places.tag_in(record)
        places.secure(record, tag, places.milliseconds(record))
        try:
            others = [each for each in ids if each != record.id and each not in ending]
            over = {EndReason.REPLACED: places.rows(ending)}
            if at_most is not None and len(others) >= at_most:
                oldest = renewals.living_of(record.user_id, among=others)
                oldest.sort(key=lambda row: row.record.created_at)
                over[EndReason.EVICTED] = oldest[: max(0, len(oldest) - at_most + 1)]
            return _end(over, successor=record)
        except StoreUnavailable:
            self.take_back(record)
            raise

    def take_back(self, record: Record) -> None:
        places.clear([Row(record, places.tag_in(record), "")])  # though no trace can be written

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
                places.add(record, at_most=None)
            places.secure(record, places.tag_in(record), places.milliseconds(record))

    def compare_and_set(self, record: Record, *, version: int) -> bool:
        return _write(record, "version", str(version)) == places.WRITTEN

    def revise(self, session_id: str, change: Callable[[Record], Record]) -> Record | None:
        until = time.monotonic() + stores.PATIENCE_SECONDS
        while time.monotonic() < until:
            row = next(iter(places.rows([session_id])), None)
            if row is None or row.record.expires_at <= timezone.now():
                return None
            before, record = row.record, change(row.record)
            as_it_was = fields_of(before, "version", "methods", "last_seen_at", "passive_seen_at")
            outcome = _write(record, *as_it_was)
            if outcome == places.GONE:
                return None
            if outcome == places.WRITTEN:
                if record.methods != before.methods:
                    # A proof that is taken back stays away; it is gone already, if this is 503.
                    kept = places.milliseconds(record)
                    store().wait_for_replicas(places.key(row.tag, record.id), kept)
                return record
            time.sleep(stores.FIRST_PAUSE_SECONDS / 4)
        raise StoreUnavailable

    def mark_seen(self, record: Record, *, since: datetime) -> bool:
        others = fields_of(record, "expires_at", "ip", "user_agent")
        return _mark(record, "last_seen_at", since, places.milliseconds(record), others)

    def mark_passive(self, record: Record, *, since: datetime) -> bool:
        others = fields_of(record, "ip", "user_agent")
        return _mark(record, "passive_seen_at", since, 0, others)

    def rename(
        self, session_id: str, new_id: str, *, proven: Record | None = None, methods: str = ""
    ) -> bool:
        row = next(iter(renewals.counting(places.rows([session_id]))), None)
        if row is None:
            return False
        record, tag = row.record, row.tag
        if tag_of(new_id) != tag:
            places.point(new_id, tag)
        expires_at = proven.expires_at if proven else record.expires_at
        new = Row(record._replace(id=new_id, expires_at=expires_at), tag, session_id)
        proof = fields_of(proven, *PROVEN) if proven else []
        keys = [
            places.key(tag, session_id),
            places.key(tag, new_id),
            places.index(tag, record.user_id),
            *([places.key(tag, row.after)] if row.after else []),
        ]
        kept = places.milliseconds(new.record)
        copied = store().run(
            scripts.COPY,
            keys,
            microseconds(timezone.now()),
            session_id,
            new_id,
            int(record.user_id is not None),
            kept,
            methods,
            *proof,
        )
        if copied != 1:
            return False
        places.secure(new.record, tag, kept)
        if not renewals.claim(new):
            places.clear([new])
            return False
        told = text_of(Notice(session_id, record.user_id, None, new_id))
        self.when_final(partial(renewals.settle, new, told))
        return True

    def remove_unseen(self, record: Record) -> bool:
        return bool(_remove_timed_out([record]))

    def remove_ids(self, session_ids: Collection[str], reason: EndReason) -> list[Record]:
        return _end({reason: places.rows(session_ids)})[reason]

    def remove_of_user(
        self, user_id: Any, reason: EndReason, *, only: str | None = None, but: str | None = None
    ) -> list[Record]:
        if only is not None:
            rows = places.rows([only])
            theirs = [row for row in rows if user_text(row.record.user_id) == str(user_id)]
            return _end({reason: theirs})[reason]
        over = _end_of_user(user_id, reason, but=but)
        ended = [row.record for row in over]
        self.when_final(partial(places.clear, over, notices.of_ends(ended, reason)))
        return ended

    def remove_expired(self, *, at_most: int) -> list[Record]:
        scan = vars(self._scans).pop("expired", None) or places.expired()
        found = list(islice(scan, at_most))
        if found:
            self._scans.expired = scan
        ended = verdicts.ended_among(found)
        return _remove_timed_out([record for record in found if record.id not in ended])

    def remove_all(self, reason: EndReason) -> int:
        # They end at once, before the walk through all keys, which holds no lock. If that fails,
        # whoever is told so does all of it again.
        stamped_at, count = _stamp_everybody(), 0
        keys = list(places.keys_of_rows())
        for batch in places.batches(keys):
            ids = [key.rpartition(":")[2] for key in batch]
            rows = readable(zip(ids, [""] * len(ids), store().hashes(batch), strict=True))
            records = [row.record for row in rows]
            _end_some(records, reason, stamped_at)
            count += len(records)
        self.when_final(partial(_forget_everybody, keys, text_of(Notice(None, None, reason))))
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
        records = [row.record for row in renewals.living_of(user_id)]
        living = sorted(
            (record for record in records if record.expires_at > now and record.id != but),
            key=lambda record: record.id,
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

    def can_listen(self) -> bool:
        return True

    def listen(self) -> Iterator[str | None]:
        return notices.listen()

    def tell(self, text: str) -> None:
        notices.tell(text)


def _write(record: Record, *conditions: str) -> int:
    """Write a row if its fields have the values of ``conditions``; return what WRITE does."""
    outcome = places.write(record, *conditions)
    before = ""
    while not isinstance(outcome, int):
        if isinstance(outcome, Row):
            before, counts = outcome.after, bool(renewals.counting([outcome]))
        else:
            counts = renewals.unpark(outcome)
        if not counts:
            return places.GONE
        outcome = places.write(record, *conditions, before=before)
    if outcome != places.MISPLACED:
        return outcome
    stores.when_final(partial(renewals.move, record.id), alias=SESSIONS.alias())
    return places.WRITTEN


def _mark(record: Record, field: str, since: datetime, kept: int, others: list[str]) -> bool:
    outcome = places.mark(record, field, since, kept, others)
    while not isinstance(outcome, bool):
        if not renewals.unpark(outcome):
            return False
        outcome = places.mark(record, field, since, kept, others)
    return outcome


def _remove_timed_out(records: Sequence[Record]) -> list[Record]:
    """Remove rows that nobody has used since they were read; return those."""
    removed = [
        record
        for record in records
        if places.remove(record, tag_of(record.id), "version", "last_seen_at")
    ]
    if removed and get_conf().KEEP_ENDED is not None:
        keep(removed)
    return removed


def _end(
    over: Mapping[EndReason, Sequence[Row]], *, successor: Record | None = None
) -> dict[EndReason, list[Record]]:
    """End sessions in one step, and return those that nobody else has ended."""
    over = {reason: renewals.counting(rows) for reason, rows in over.items()}
    records = {reason: [row.record for row in rows] for reason, rows in over.items()}
    if not any(records.values()):
        return records
    claimed = SESSIONS.asks(_claim)(records)
    told: dict[str, str] = {}
    for reason, found in records.items():
        records[reason] = [record for record in found if record.id in claimed]
        goes_on = successor if reason is EndReason.REPLACED else None  # in the same browser
        told |= notices.of_ends(records[reason], reason, successor=goes_on)
    # A row that somebody else has ended or renewed stays: see SETTLE.
    rows = [row for rows in over.values() for row in rows if row.record.id in claimed]
    stores.when_final(partial(places.clear, rows, told), alias=SESSIONS.alias())
    return records


@SESSIONS.asks
def _end_of_user(user_id: Any, reason: EndReason, *, but: str | None) -> list[Row]:
    """End the sessions of a user; return the rows of those that nobody else has ended."""
    alias = SESSIONS.alias()
    with transaction.atomic(using=alias):
        stamps.lock_user(user_id, alias=alias)
        if but is not None:
            stamps.stamp_for_adoption(user_id, alias=alias)
        else:
            stamps.stamp([user_id], alias=alias)
        over: list[Row] = []
        seen: set[str] = set()
        found = places.rows_of(user_id)
        while found := [
            row for row in renewals.counting(found, by_now=True) if row.record.id != but
        ]:
            claimed = _claim({reason: [row.record for row in found]})
            over += [row for row in found if row.record.id in claimed]
            # Those that have got a new key since they were read.
            ids = {row.record.id for row in found}
            seen |= ids
            found = places.rows(tombstones.heirs_of(ids - claimed, alias=alias, by_now=True) - seen)
        return over


@SESSIONS.asks
def _stamp_everybody() -> datetime:
    alias, stamped_at = SESSIONS.alias(), timezone.now()
    with transaction.atomic(using=alias):
        stamp_everybody(alias)
    return stamped_at


@SESSIONS.asks
def _end_some(records: Sequence[Record], reason: EndReason, stamped_at: datetime) -> None:
    """Write what is to be known of sessions that the stamps of all users have ended."""
    alias = SESSIONS.alias()
    with transaction.atomic(using=alias):
        # The clock of the machine where it began may be ahead of this one.
        late = [record.id for record in records if verdicts.began(record) >= stamped_at]
        tombstones.claim(dict.fromkeys(late, ""), alias=alias)
        if get_conf().KEEP_ENDED is not None:
            keep(records, reason)


def _forget_everybody(keys: Sequence[str], told: str) -> None:
    with suppress(StoreUnavailable):  # which is logged
        notices.tell(told)
    places.delete_keys(keys)


def _claim(ending: Mapping[EndReason, Sequence[Record]]) -> set[str]:
    """Write tombstones, and the records of ended sessions; return the ids of those that are new."""
    alias = SESSIONS.alias()
    successors = {record.id: "" for records in ending.values() for record in records}
    if get_conf().KEEP_ENDED is None:
        return tombstones.claim(successors, alias=alias)
    with transaction.atomic(using=alias, savepoint=False):
        claimed = tombstones.claim(successors, alias=alias)
        for reason, records in ending.items():
            keep([record for record in records if record.id in claimed], reason)
    return claimed
