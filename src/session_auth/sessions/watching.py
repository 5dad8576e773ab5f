"""Connections that are open as long as their session lasts: a process watches over all of its own.

It learns of an end in three ways. The bus tells what was ended, here or elsewhere. The time at
which a session will end is known in advance. And each few seconds all sessions are looked up, in
one statement: that finds what no bus has told.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple, cast
from weakref import WeakKeyDictionary

from django.db import close_old_connections, connections
from django.utils import timezone

from session_auth.exceptions import SessionAuthError, SessionEnded, StoreUnavailable
from session_auth.sessions import bus
from session_auth.sessions.bus import Notice
from session_auth.sessions.listing import rows, store_class
from session_auth.sessions.users import end_sessions_of_changed_users
from session_auth.sessions.values import Deadlines, Record

LOOK_SECONDS = 5.0
"""How often all sessions are looked up where no bus tells of ends, and after a failure."""

LOOK_SECONDS_WITH_BUS = 20.0

BLIND_SECONDS = 30.0
"""How long connections stay open while nobody can look whether their sessions have ended."""

NOTICE_SECONDS = 0.5
"""How long a notice of the bus may take. A look can see sooner that a session is not there."""

BATCH_USERS = 1000
"""For how many users one statement asks: databases limit the number of parameters."""

logger = logging.getLogger("session_auth")


class Seen(NamedTuple):
    """A session as it was when somebody looked."""

    record: Record
    ends_at: datetime


@dataclass(eq=False)
class Watched:
    """A connection that is open."""

    session_id: str
    cut: Callable[[SessionAuthError], None]
    """Called once, in the event loop of the connection, with the reason to close it."""

    record: Record | None = None
    """The row as last seen; ``None`` until the connection itself has looked it up."""

    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class Watch:
    """All connections of one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, set[Watched]] = {}
        self._due: set[str] = set()
        self._missing: set[str] = set()
        """Sessions that a look has not found, of which the bus has told nothing yet."""

        self._is_wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._whole_at = self._blind_at = 0.0

    def _add(self, watched: Watched) -> None:
        self._open.setdefault(watched.session_id, set()).add(watched)
        if self._task is None:
            self._whole_at = self._loop.time() + LOOK_SECONDS
            self._blind_at = self._loop.time() + BLIND_SECONDS
            bus.subscribe(self._hear)
            self._task = self._loop.create_task(self._run())

    def discard(self, watched: Watched) -> None:
        """Watch over it no more: it is closed."""
        if watched.timer is not None:
            watched.timer.cancel()
        others = self._open.get(watched.session_id, set())
        others.discard(watched)
        if not others:
            self._open.pop(watched.session_id, None)
            self._missing.discard(watched.session_id)
        if not self._open:
            self._is_wanted.set()

    def begin(self, session_id: str, cut: Callable[[SessionAuthError], None]) -> Watched:
        """Watch over a connection: before its session is looked up, so that no end is missed."""
        watched = Watched(session_id, cut)
        self._add(watched)
        return watched

    def follow(self, watched: Watched, seen: Seen) -> None:
        """Note what is known of the session, which has perhaps another id by now."""
        if watched.session_id != seen.record.id:
            self._move(watched, seen.record.id)
        self.note(watched, seen)

    def note(self, watched: Watched, seen: Seen) -> None:
        """Note what was known of the session when it was looked up."""
        watched.record = seen.record
        if watched.session_id != seen.record.id:  # the bus has told a new id since
            self._look_soon(watched.session_id)
            return
        if watched.timer is not None:
            watched.timer.cancel()
        seconds = (seen.ends_at - timezone.now()).total_seconds()
        watched.timer = self._loop.call_later(max(0, seconds), self._look_soon, watched.session_id)

    def _move(self, watched: Watched, session_id: str) -> None:
        self.discard(watched)
        watched.session_id = session_id
        self._add(watched)

    def _hear(self, notice: Notice | None) -> None:
        """Receive a notice of the bus, in any thread."""
        try:
            self._loop.call_soon_threadsafe(self._heed, notice)
        except RuntimeError:  # the loop is closed, and all its connections with it
            bus.unsubscribe(self._hear)

    def _heed(self, notice: Notice | None) -> None:
        if notice is None:
            self._whole_at = self._loop.time()
            self._is_wanted.set()
        elif notice.session_id is None:
            self._cut(self._all(), SessionEnded())
        elif notice.successor is None:
            self._cut(self._open.get(notice.session_id, ()), SessionEnded())
        elif notice.session_id in self._open:
            for watched in tuple(self._open[notice.session_id]):
                self._move(watched, notice.successor)
            self._look_soon(notice.successor)

    def _look_soon(self, session_id: str) -> None:
        self._due.add(session_id)
        self._is_wanted.set()

    def _all(self) -> list[Watched]:
        return [watched for each in self._open.values() for watched in each]

    def _cut(self, several: Iterable[Watched], why: SessionAuthError) -> None:
        for watched in tuple(several):
            self.discard(watched)
            watched.cut(why)

    async def _run(self) -> None:
        thread = ThreadPoolExecutor(1, thread_name_prefix=__name__)
        try:
            while self._open:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(min(self._whole_at, self._blind_at)):
                        await self._is_wanted.wait()
                self._is_wanted.clear()
                await self._look(thread)
                if self._loop.time() >= self._blind_at:
                    self._cut(self._all(), StoreUnavailable())
        finally:
            bus.unsubscribe(self._hear)
            self._task = None
            thread.submit(connections.close_all)
            thread.shutdown(wait=False)

    async def _look(self, thread: ThreadPoolExecutor) -> None:
        """Look up the sessions that are due, or all, and heed what is found."""
        began_at = self._loop.time()
        is_whole = began_at >= self._whole_at
        ids = self._open.keys() if is_whole else self._due & self._open.keys()
        self._due = set()
        call = partial(_look_up, self._records(ids), check_users=is_whole)
        try:
            async with asyncio.timeout_at(min(began_at + LOOK_SECONDS, self._blind_at)):
                found, lost = await self._loop.run_in_executor(thread, call)
        except Exception as error:
            if not isinstance(error, StoreUnavailable):  # which is logged
                logger.exception("Nobody could look whether sessions have ended.")
            soon = self._loop.time() + LOOK_SECONDS
            self._whole_at = soon if self._whole_at <= began_at else min(soon, self._whole_at)
            return
        if is_whole:
            self._blind_at = began_at + BLIND_SECONDS
            if self._whole_at <= began_at:  # pragma: no branch # seldom is another wanted meanwhile
                pause = LOOK_SECONDS_WITH_BUS if bus.is_up() else LOOK_SECONDS
                self._whole_at = began_at + pause
        self._missing -= found.keys()
        for session_id in lost & self._open.keys():
            self._miss(session_id)
        for session_id, seen in found.items():
            if seen is None:
                self._cut(self._open.get(session_id, ()), SessionEnded())
            else:
                for watched in tuple(self._open.get(session_id, ())):
                    self.follow(watched, seen)

    def _miss(self, session_id: str) -> None:
        """Close its connections, unless the bus may be about to tell under which id it goes on."""
        if session_id in self._missing or not bus.is_up():
            self._cut(self._open[session_id], SessionEnded())
        else:
            self._missing.add(session_id)
            self._loop.call_later(NOTICE_SECONDS, self._look_soon, session_id)

    def _records(self, ids: Iterable[str]) -> dict[str, Record]:
        return {
            session_id: watched.record
            for session_id in ids
            for watched in self._open[session_id]
            if watched.record is not None
        }


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def watch() -> Watch:
    """Return the watch of the running event loop, in a process that listens to others."""
    bus.listen(rows())
    loop = asyncio.get_running_loop()
    if loop not in _watches:
        _watches[loop] = Watch()
    return _watches[loop]


def look(record: Record) -> Seen | None:
    """Return what is known of a session; ``None`` if it has timed out."""
    deadlines = store_class().of_record(record).deadlines()
    ends_at = min(record.expires_at, cast("Deadlines", deadlines).first)  # of a stored session
    return Seen(record, ends_at) if timezone.now() < ends_at else None


def look_again(record: Record) -> Seen | None:
    """Look a session up of which this is known; ``None`` if it has ended."""
    found, _ = _look_up({record.id: record}, check_users=True)
    return found.get(record.id)


def _look_up(
    known: Mapping[str, Record], *, check_users: bool
) -> tuple[dict[str, Seen | None], set[str]]:
    """Look up sessions, by what is known of them: ``None`` has timed out, others are not there."""
    if not known:
        return {}, set()
    close_old_connections()
    try:
        found = {record.id: record for record in rows().read_many(known)}
        lost = {session_id: known[session_id] for session_id in known.keys() - found.keys()}
        found |= _renamed(lost)
        if check_users:
            end_sessions_of_changed_users(list(found.values()))
        seen = {session_id: look(record) for session_id, record in found.items()}
        return seen, known.keys() - found.keys()
    finally:
        close_old_connections()


def _renamed(lost: Mapping[str, Record]) -> dict[str, Record]:
    """Return those of the sessions that go on under another id, as they are by now.

    A new key changes neither the user nor the time at which the session was opened.
    """
    users = list({record.user_id for record in lost.values()})
    there = {
        (record.user_id, record.created_at): record.id
        for start in range(0, len(users), BATCH_USERS)
        for record in rows().some(at_most=sys.maxsize, user_ids=users[start : start + BATCH_USERS])
    }
    renewed = {
        session_id: there[record.user_id, record.created_at]
        for session_id, record in lost.items()
        if (record.user_id, record.created_at) in there
    }
    living = {record.id: record for record in rows().read_many(set(renewed.values()))}
    return {
        session_id: living[new_id] for session_id, new_id in renewed.items() if new_id in living
    }
