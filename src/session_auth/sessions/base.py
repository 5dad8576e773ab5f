"""What every engine shares: keys, deltas and the life of a session, on Django's ``SessionBase``.

This is the one module that relies on private names of ``SessionBase`` (``_session_key``,
``_session_cache``, ``_get_session``), as Django's own engines do.
Django's own tests of its engines run against ours, on every version of Django.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache, partial
from types import MappingProxyType
from typing import Any, ClassVar, Self, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY as BACKEND_KEY
from django.contrib.auth import HASH_SESSION_KEY as HASH_KEY
from django.contrib.auth import SESSION_KEY as USER_ID_KEY
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.serializers import JSONSerializer
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.module_loading import import_string

from session_auth.client_info import client_info
from session_auth.conf import cached_settings, get_conf
from session_auth.exceptions import StoreUnavailable
from session_auth.keys import digest, is_session_key, new_session_key
from session_auth.operations import SessionDescription
from session_auth.sessions import adoption, bus
from session_auth.sessions.bus import Notice
from session_auth.sessions.deltas import merge
from session_auth.sessions.ending import announce
from session_auth.sessions.pruning import prune_ended, prune_expired
from session_auth.sessions.rows import Rows
from session_auth.sessions.values import (
    EXPIRY_KEY,
    Deadlines,
    Login,
    Record,
    SessionInfo,
    Sighting,
    State,
    deadlines_of,
    described,
    opened,
    read_methods,
    seen,
    write_methods,
)
from session_auth.signals import EndReason

AUTH_KEYS = frozenset({USER_ID_KEY, BACKEND_KEY, HASH_KEY})
"""Where Django's ``login()`` writes who is logged in."""

RECORDS_OF_ALLAUTH = frozenset(
    {"account_authentication_methods", "account_authentication_methods_user"}
)
"""Where allauth notes, from the first step of a login on, what the user who logs in has proven."""

Ended = dict[EndReason, list[Record]]
"""The sessions that had to end for a new one, by the reason."""

StoreBy = Callable[[Callable[[], Ended]], Ended]
"""Calls what stores a new session, and returns what that returns."""

JSON = json.JSONDecoder()
logger = logging.getLogger("django.security.SuspiciousSession")


class BaseSessionStore(SessionBase):
    """Django's session contract over the rows that an engine keeps.

    An ended session never comes back. A row is only ever added for a key that was made here, or
    that was given with ``must_create``. A key that a client sent is looked up; if it opens nothing,
    it is forgotten.

    Concurrent requests lose nothing: ``save()`` writes only the keys of the data that this request
    changed, into the row as it is by then.
    """

    rows: ClassVar[Rows]
    """The rows of all sessions, which the engine provides."""

    state: State

    passive: bool = False
    """``True`` if this request is no activity of the user: it does not prolong the session."""

    _touch_is_due: bool = False
    """Whether ``touch()`` had something to record when the session was loaded."""

    meta: Mapping[str, Any] = MappingProxyType({})
    """The ``META`` of the request, for the address and the user agent."""

    _user_key: str | None = None
    """The key that opened the session of a user when it was looked up, whatever key it has now."""

    _record: Record | None = None
    """The row as last loaded or saved."""

    _fetched: Sequence[Any] | None = None
    """What ``prepare()`` has found, until ``load()`` takes it."""

    _make_user: Callable[[], Any] | None = None
    """Makes the user from columns that were read with the row; ``None`` if none were."""

    _login: Login | None = None
    """How the user has logged in, if this request has logged them in and knows how."""

    _for_user_id: Any = None
    """The primary key of the user whom ``log_in()`` is about to log in by Django's ``login()``."""

    _foreseen: Record | None = None
    """The record that ``describe()`` has told of. Saving writes it if it still holds."""

    _renewed_key: str | None = None
    """The key that this request has given the session, once no rollback can undo that."""

    _store_by: Sequence[StoreBy] = ()
    """What the first save goes through, each with a transaction of its own around the next."""

    _predecessor_ids: frozenset[str] = frozenset()
    """The ids of the sessions that end when this one is saved."""

    _left_behind: Mapping[str, Any] = MappingProxyType({})
    """The data of the session whose place this one takes: they are not stored again."""

    _written: frozenset[str] = frozenset()
    """The keys of the data that this request has set."""

    _digested: tuple[str | None, str | None] = None, None
    """The key of which ``_id`` was asked last, and its digest."""

    def __init__(self, session_key: str | None = None) -> None:
        # Instead of super().__init__(), which imports the serializer for each request.
        self._session_key = session_key
        self.accessed = False
        self.modified = False
        self.serializer = _serializer(cached_settings.SESSION_SERIALIZER)
        self.state = State.NEW if self.session_key is None else State.UNREAD

    @classmethod
    def of_record(cls, record: Record, meta: Mapping[str, Any] = MappingProxyType({})) -> Self:
        """Return the session of a row that was read without its key."""
        session = cls()
        session._record, session.meta = record, meta
        session._session_cache = session.decode(record.data)  # type: ignore[attr-defined]  # not in the stubs
        session.state = State.STORED
        return session

    # Django's contract. An async method that is not overridden here is Django's own, which runs the
    # sync one below in a thread.

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Return the data as JSON. It never leaves the server, so it needs no signature."""
        text: bytes = self.serializer().dumps(session_dict)
        return text.decode()

    def decode(self, session_data: str) -> dict[str, Any]:  # type: ignore[override]  # stored as text
        """Return the data; text that is not a JSON object is logged, and the data is empty."""
        try:
            data = (
                JSON.decode(session_data)  # as JSONSerializer does, which takes bytes
                if self.serializer is JSONSerializer
                else self.serializer().loads(session_data.encode())
            )
        except ValueError:
            data = None
        if not isinstance(data, dict):
            logger.warning("Session data corrupted")
            return {}
        return data

    def get_session_cookie_age(self) -> int:
        """Return the idle timeout in seconds, which Django calls the age of the cookie."""
        timeout = get_conf().IDLE_TIMEOUT
        if timeout is not None:
            return round(timeout.total_seconds())
        seconds: int = cached_settings.SESSION_COOKIE_AGE
        return seconds

    def __setitem__(self, key: str, value: Any) -> None:
        self._written |= {key}
        super().__setitem__(key, value)

    async def aset(self, key: str, value: Any) -> None:
        self._written |= {key}
        await super().aset(key, value)

    def update(self, dict_: Any) -> None:  # type: ignore[override]  # as many overloads in the stubs
        values = dict(dict_)
        self._written |= values.keys()
        super().update(values)

    async def aupdate(self, dict_: Any) -> None:
        values = dict(dict_)
        self._written |= values.keys()
        await super().aupdate(values)

    def load(self) -> dict[str, Any]:
        fetched, self._fetched = self._fetched, None
        record, self._make_user = self._find(self.session_key, fetched)
        if record is not None:
            data, now = self.decode(record.data), timezone.now()
            if not self._is_over(record, data, now):
                self._record = record
                self._touch_is_due = self._is_worth_a_touch(record, now)
                self.state = State.STORED
                if USER_ID_KEY in data:
                    self._user_key = self.session_key
                return data
            # Not removed if another request, whose clock is behind, has used it meanwhile.
            if self.rows.remove_unseen(record):
                announce(self.rows, [record])
        # A session that was found before has ended: it stays STORED, so that no save adds a row.
        if self.state is not State.STORED:
            self._session_key = None
            self.state = State.NEW
        return {}

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)() if await self.prepare() else self.load()

    def exists(self, session_key: str | None) -> bool:
        record = self.rows.read(digest(session_key)) if is_session_key(session_key) else None
        return record is not None and not self._is_over(
            record, self.decode(record.data), timezone.now()
        )

    def create(self) -> None:
        """Store this session under a new key, at once.

        If it has a key already, and nothing is stored under that yet, it is stored under that one:
        code that has noted the key after a login has noted the right one.
        """
        if self.state in (State.UNREAD, State.STORED) or self.session_key is None:
            self._session_key = self._new_key()
        self.save(must_create=True)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Store what this request changed.

        Raises ``UpdateError`` if the session has ended since it was looked up, and ``CreateError``
        if ``must_create`` is set and the key is taken.
        """
        data: dict[str, Any] = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # not in the stubs
        if self.state is State.UNREAD and not must_create:
            self.load()  # clear() replaces the data without reading the row
            if self._record is None:
                raise UpdateError
        if self._record is None or must_create:
            self._insert(data)
        else:
            self._update(self._record, data)
        self.state = State.STORED

    def delete(self, session_key: str | None = None) -> None:
        """End the session with this key, or this session; an unknown key is a no-op."""
        key = self.session_key if session_key is None else session_key
        if is_session_key(key):
            if get_conf().ADOPT_FROM is not None:
                self._find(key)
            ended = self.rows.remove_ids([digest(key)], EndReason.LOGOUT)
            announce(self.rows, ended, EndReason.LOGOUT)

    def flush(self) -> None:
        """Log out: end this session; the answer tells the browser to delete its cookie.

        From then on, this object is an empty session that is not stored.
        """
        self.end(EndReason.LOGOUT)
        self.state = State.FLUSHED

    async def aflush(self) -> None:
        await sync_to_async(self.flush)()

    def cycle_key(self) -> None:
        """Give the session a new key; the old one is dead from then on.

        Raises ``SessionInterrupted`` if the session has ended since it was looked up.
        """
        self._renew_key()

    async def acycle_key(self) -> None:
        await sync_to_async(self.cycle_key)()

    @classmethod
    def clear_expired(cls) -> None:
        """Delete expired sessions, a few rows at a time, so that no lock is held for long."""
        prune_expired(cls.rows)
        prune_ended()

    # Beyond Django's contract.

    @property
    def info(self) -> SessionInfo | None:
        """What may be known of this session; ``None`` if it is not stored, or not looked up yet."""
        return None if self._record is None else SessionInfo.of(self._record)

    async def prepare(self) -> bool:
        """Ask what the engine can ask in the event loop; say whether ``load()`` needs a thread.

        It does if more is to be asked, or the same again. If not, it may be called in the event
        loop: it asks nothing.
        """
        if "_session_cache" in vars(self) or "wsgi.version" in self.meta:
            return True  # under WSGI an event loop ends with its view: each would connect anew
        if is_session_key(self.session_key):
            self._fetched = await self.rows.fetch(digest(self.session_key))
            if self._fetched is None or self._fetched or get_conf().ADOPT_FROM is not None:
                return True
        return type(self).load is not BaseSessionStore.load

    def end(self, reason: EndReason) -> None:
        """End this session. From then on, this object is an empty one that is not stored.

        The browser keeps the cookie, which opens nothing any more. If a late answer deleted it, it
        could delete the new cookie of a login that came in between.
        """
        if own_ids := self._own_ids():
            ended = self.rows.remove_ids(own_ids, reason)
            # A rollback undoes the takeover, too: before the session can be ended again, it has to
            # be taken over again.
            announce(self.rows, ended, reason, prepare=partial(self._find, self.session_key))
        self.clear()
        self._session_key = None
        self._predecessor_ids = frozenset()
        self._record = None
        self.state = State.NEW

    def touch(self) -> None:
        """Record that the session is in use, at most once per ``LAST_SEEN_INTERVAL``.

        A passive request is recorded only if its address or user agent differs from the last one,
        and it does not prolong the session.

        If the store cannot write, nothing is recorded and nothing is raised.
        """
        now = timezone.now()
        if self._record is None or not self._is_worth_a_touch(self._record, now):
            return
        touched = seen(self._record, dict(self.items()), self._sighting(now))
        mark = self.rows.mark_passive if self.passive else self.rows.mark_seen
        with suppress(StoreUnavailable):  # which is logged
            if mark(touched, since=now - get_conf().LAST_SEEN_INTERVAL):
                self._record = touched

    def _is_worth_a_touch(self, record: Record, now: datetime) -> bool:
        """Say whether ``touch()`` is to record this request."""
        seen_at = record.passive_seen_at if self.passive else record.last_seen_at
        if seen_at is not None and now - get_conf().LAST_SEEN_INTERVAL < seen_at <= now:
            return False
        if not self.passive:
            return True
        client = client_info(self.meta)
        return (client.ip, client.user_agent) != (record.ip, record.user_agent)

    def _has_only_a_new_key(self) -> bool:
        """Say whether this request has stored all, and its new key is all that is to be told.

        Then another write could only fail, and the answer would deny what has been done.
        """
        return (
            self._has_new_key()
            and self._record is not None
            and self.encode(dict(self.items())) == self._record.data
        )

    def _has_new_key(self) -> bool:
        """Say whether this request has given the session its key, once and for all."""
        key = self._renewed_key
        return key is not None and key == self.session_key

    def prove(self, method: str) -> None:
        """Record that the user has proven by ``method`` who they are; give the session a new key.

        Raises ``SessionInterrupted`` as ``cycle_key()`` does.
        """
        self._renew_key(proof=method)

    def _renew_key(self, proof: str | None = None) -> None:
        self.keys()  # loads the data
        if self.state is State.UNREAD:
            self.load()
        if self._record is None:
            self._session_key = self._new_key()
        else:
            new_key = self._new_key(like=self._record)
            old_id = self._record.id
            record = self._renamed(self._record, digest(new_key), proof)
            if record is None:
                raise SessionInterrupted("The session ended before its key could be renewed.")
            adoption.forget([old_id])
            renewed = Notice(old_id, record.user_id, None, record.id)
            self.rows.when_final(partial(bus.spread, renewed))
            self._record = record
            self._session_key = new_key
            self.rows.when_final(partial(setattr, self, "_renewed_key", new_key))
        self.modified = True

    def _renamed(self, old: Record, new_id: str, proof: str | None) -> Record | None:
        """Give the row another id, and a proof if there is one; ``None`` if the row has ended."""
        if proof is None:
            return old._replace(id=new_id) if self.rows.rename(old.id, new_id) else None
        while True:
            now = timezone.now()
            methods = write_methods(read_methods(old.methods) | {proof: now})
            record = old._replace(id=new_id, authenticated_at=now, methods=methods)
            record = seen(record, dict(self.items()), self._sighting(now))
            if self.rows.rename(old.id, new_id, proven=record, methods=old.methods):
                return record
            there = self.rows.read(old.id)
            if there is None or there.methods == old.methods:
                return None
            # A factor was removed meanwhile: what it had proven must not come back.
            old = old._replace(methods=there.methods)

    def deadlines(self) -> Deadlines | None:
        """Return when this session ends; ``None`` if it is not stored."""
        if self._record is None:
            return None
        return self._deadlines(dict(self.items()), self._record, timezone.now())

    def describe(self) -> SessionDescription | None:
        """Return what the session's own browser is told of it; ``None`` if it has no key.

        An answer is written before the session is stored. So if this request has changed the
        session, this tells of it as it will be stored after the view.
        """
        record, data = self._record, self._to_store(dict(self.items()))
        idle_seconds = self.get_session_cookie_age()
        if self.modified and self._id is not None and not self._has_only_a_new_key():
            record = self._next_record(self._id, data, record)
            self._foreseen = record
        if record is None:
            return None
        return described(record, data, timezone.now(), idle_seconds=idle_seconds)

    def successor(
        self,
        user_id: Any = None,
        *,
        login: Login | None = None,
        keep: Iterable[str] = (),
    ) -> Self:
        """Return a new session that replaces this one, for ``log_in()`` of this user.

        It takes over the values of the keys ``keep`` and nothing else. When it is saved, this
        session ends in the same step. Until then, this one goes on.
        """
        successor = type(self)()
        successor.meta, successor._user_key = self.meta, self._user_key
        successor._for_user_id, successor._login = user_id, login
        successor.update({key: self[key] for key in keep if key in self})
        successor._predecessor_ids = self._own_ids()
        return successor

    def _begin_anew(self, login: Login | None) -> None:
        """Let this object be a new session: a user has just logged in, and not by ``log_in()``.

        Saving it ends the old session in the same step. Until then, the code that logs in can still
        read the data of the old one. They are not stored again, except for the keys in
        ``SESSION_AUTH_KEEP_AT_LOGIN`` and those that this request has set or changed.
        """
        self._login = login
        if self._record is not None:
            self._left_behind = self.decode(self._record.data)
            self._predecessor_ids = self._own_ids()
            self._record = None
            self.state = State.NEW
        elif self._session_key is None:
            return
        # Also where it has a key already: that was made before the user was known.
        self._session_key = self._new_key()
        self.modified = True

    def _find(
        self, key: str | None, fetched: Sequence[Any] | None = None
    ) -> tuple[Record | None, Callable[[], Any] | None]:
        """Return the row that the key opens; take it over from another engine first if need be."""
        if not is_session_key(key):
            return None, None
        session_id, old_engine = digest(key), get_conf().ADOPT_FROM
        found = self.rows.read_with_user(session_id, fetched)
        if found[0] is None and old_engine is not None and (data := adoption.old_data(key)):
            # Nobody knows when the user logged in: so it does not count as recent.
            adopted = self._next_record(session_id, data)
            adopted = adopted._replace(authenticated_at=None, methods="{}")
            self.rows.adopt(adopted, old_key=adoption.note_key(session_id, key))
            found = self.rows.read_with_user(session_id)
        return found

    @property
    def _id(self) -> str | None:
        """The digest of the key; ``None`` without a key, or with what cannot be one."""
        key = self.session_key
        if self._digested[0] != key:
            self._digested = key, digest(key) if is_session_key(key) else None
        return self._digested[1]

    def _new_key(self, *, like: Record | None = None) -> str:
        """Return a new key: for the stored session ``like``, or for the user in the data."""
        if like is not None:
            tag = self._tag(like.user_id, like=like.id)
        else:
            user_id = user_id_of(self._get_session(no_load=True))  # type: ignore[attr-defined]  # not in the stubs
            tag = self._tag(self._for_user_id if user_id is None else user_id, like=None)
        key = new_session_key(tag)
        self._digested = key, digest(key)
        return key

    def _tag(self, user_id: Any, *, like: str | None) -> str:
        """Return the tag of a new key, for an engine that finds sessions by it.

        ``user_id`` is ``None`` for a visitor; ``like`` is the id that the session has had so far.
        """
        return ""

    def _own_ids(self) -> frozenset[str]:
        """Return the ids of the sessions that this one replaces, and its own if it has one."""
        if self.state is State.UNREAD and get_conf().ADOPT_FROM is not None:
            self.load()  # takes it over: only then can it be ended
        own_id = self._id if self.state in (State.UNREAD, State.STORED) else None
        return self._predecessor_ids if own_id is None else self._predecessor_ids | {own_id}

    def _insert(self, data: dict[str, Any]) -> None:
        if self._id is None:
            self._session_key = self._new_key()
            self.modified = True  # the new key has to reach the client
        for left_behind in data.keys() - self._to_store(data).keys():
            del data[left_behind]
        self._left_behind = {}
        record = self._next_record(cast("str", self._id), data)
        ended = self._insert_record(record)
        for reason, records in ended.items():
            if records:
                announce(self.rows, records, reason, successor=record)
        self._predecessor_ids = frozenset()
        self._record = record

    def _insert_record(self, record: Record) -> Ended:
        at_most = get_conf().MAX_SESSIONS
        insert = partial(self.rows.insert, record, ending=self._predecessor_ids, at_most=at_most)
        if not self._store_by:
            return insert()
        for wrap in self._store_by:
            insert = partial(wrap, insert)
        try:
            return insert()
        except StoreUnavailable:
            # Perhaps it is stored, in another database than the one that has failed. Nobody gets
            # its key: it must not be in the list of its user.
            with suppress(StoreUnavailable):  # which is logged
                self.rows.take_back(record)
            raise

    def _to_store(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return ``data`` but for what was there before the login and nobody has set since."""
        if not self._left_behind:
            return data
        kept = AUTH_KEYS | RECORDS_OF_ALLAUTH | self._written | set(get_conf().KEEP_AT_LOGIN)
        return {
            key: value
            for key, value in data.items()
            if key in kept or key not in self._left_behind or self._left_behind[key] != value
        }

    def _update(self, before: Record, data: dict[str, Any]) -> None:
        after = self._next_record(before.id, data, before)
        if self.rows.compare_and_set(after, version=before.version):
            self._record = after
            return
        base, mine = self.decode(before.data), self.decode(after.data)

        def merged(theirs: Record) -> Record:
            data = merge(base, mine, self.decode(theirs.data), encode=self.encode)
            return self._next_record(before.id, data, theirs)

        revised = self.rows.revise(before.id, merged)
        if revised is None:
            raise UpdateError  # _record stays as it is: without it, a second save would add a row
        self._record = revised
        data.clear()
        data.update(self.decode(revised.data))

    def _next_record(
        self, session_id: str, data: dict[str, Any], before: Record | None = None
    ) -> Record:
        """Return the row to write for ``data``: a new one, or the next version of ``before``."""
        text, version = self.encode(data), before.version + 1 if before else 0
        told = self._foreseen
        if told is not None and (told.id, told.data, told.version) == (session_id, text, version):
            return told
        user_id, sighting = user_id_of(data), self._sighting(timezone.now())
        record = before
        if record is None or record.user_id != user_id:
            login = self._login or Login(began_at=sighting.at)
            proofs = login.proofs or {str(data.get(BACKEND_KEY, "unknown")): login.began_at}
            record = opened(before, user_id, proofs, began_at=login.began_at, now=sighting.at)
        return seen(record._replace(id=session_id, data=text, version=version), data, sighting)

    def _sighting(self, now: datetime) -> Sighting:
        return Sighting(
            at=now,
            idle_seconds=self.get_session_cookie_age(),
            client=client_info(self.meta),
            passive=self.passive,
        )

    def _deadlines(self, data: Mapping[str, Any], record: Record, now: datetime) -> Deadlines:
        return deadlines_of(record, data, now, idle_seconds=self.get_session_cookie_age())

    def _is_over(self, record: Record, data: dict[str, Any], now: datetime) -> bool:
        """Say whether the session has timed out.

        The settings may have become stricter since the row was written.
        """
        if now >= record.expires_at:
            return True
        if EXPIRY_KEY in data:
            return now >= self._deadlines(data, record, now).first
        # The same as _deadlines(), without the objects: every request comes here.
        start = record.authenticated_at or record.created_at
        idle_timeout = timedelta(seconds=self.get_session_cookie_age())
        return (
            now >= start + get_conf().ABSOLUTE_TIMEOUT or now >= record.last_seen_at + idle_timeout
        )


def session_of(request: HttpRequest) -> BaseSessionStore:
    """Return ``request.session``, which must be one of this package.

    Raises ``ImproperlyConfigured`` if another engine made it, or if there is none.
    """
    session = getattr(request, "session", None)
    if not isinstance(session, BaseSessionStore):
        raise ImproperlyConfigured(
            f"This needs a session of session_auth, but request.session is of the type "
            f"{type(session).__name__} and SESSION_ENGINE is '{settings.SESSION_ENGINE}'. Set it "
            f"to 'session_auth.engines.database', put session_auth.middleware.SessionMiddleware "
            f"into MIDDLEWARE, and let nothing replace request.session."
        )
    return session


@lru_cache
def _serializer(path: str) -> Any:
    return import_string(path)


def user_id_of(data: Mapping[str, Any]) -> Any:
    """Return the primary key that ``login()`` wrote, in its own type; ``None`` without one."""
    value = data.get(USER_ID_KEY)
    if value is None:
        return None
    try:
        return get_user_model()._meta.pk.to_python(value)
    except ValidationError:
        return None
