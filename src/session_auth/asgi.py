"""WebSockets and event streams that are closed when their session ends: see docs/live.md."""

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse

from session_auth import csrf, events
from session_auth.answers import JSONEncoder, error_body, error_response
from session_auth.asgi_messages import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
    header,
    is_event_stream,
    is_last,
    messages_of,
    request_of,
)
from session_auth.conf import get_conf
from session_auth.exceptions import InvalidRequest, SessionAuthError, SessionEnded
from session_auth.keys import digest, is_session_key
from session_auth.middleware import STREAMED, AuthenticationMiddleware, SessionMiddleware
from session_auth.sessions.base import BaseSessionStore, session_of
from session_auth.sessions.users import user_of, why_not_logged_in
from session_auth.sessions.values import Record
from session_auth.sessions.watching import Watch, Watched, look, look_again, watch

__all__ = ["LiveSessions"]

logger = logging.getLogger("session_auth")

CLOSE_CODE = 4000
"""To which the status of the reason is added: 4401 says that the session has ended."""

GRACE_SECONDS = 5.0
"""How long the client may take to be told, and then the application to return."""


class LiveSessions:
    """Closes the WebSockets and event streams of ``app`` when their session ends.

    ``app`` is any ASGI application: what ``get_asgi_application()`` returns, a router of Channels,
    or one that is mounted beside Django.

    A page of another site opens no WebSocket. ``scope`` has the ``session`` and the ``user`` whose
    cookie came with it. When the session ends, for whatever reason, the WebSocket is closed with
    code 4401. What comes over it does not count as activity of the user, unless ``activity`` is
    set.

    An answer of the type ``text/event-stream`` is looked after in the same way; its last event is
    ``session_ended``. Any other request passes as it is.

    With ``login_required``, whoever is not logged in is refused: a WebSocket is not opened, and the
    answer to a request is 401. Then requests have ``session`` and ``user`` in their scope, too, and
    unsafe ones from pages of other sites are refused.
    """

    def __init__(
        self, app: Application, *, login_required: bool = False, activity: bool = False
    ) -> None:
        self.app = app
        self.login_required = login_required
        self.activity = activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _Socket(self, scope, receive, send).serve()
        elif scope["type"] == "http":
            await _Stream(self, scope, receive, send).serve()
        else:
            await self.app(scope, receive, send)


class _Connection(ABC):
    """One call of the application, and what stands between it and the server."""

    disconnect: Message
    """What the application receives when its session has ended."""

    _session: BaseSessionStore
    _noted: Record | None
    """The row of the session when it was last looked at."""

    _user: Any
    _watch: Watch
    _watched: Watched | None = None
    _lock: asyncio.Lock
    """Held while something is sent: the client is told of the end between two messages."""

    _why: SessionAuthError | None = None
    _is_admitted = False
    _is_told: asyncio.Event
    _is_overdue = False
    _has_left = False
    _caller: asyncio.Task[Any]
    _reader: asyncio.Task[Any] | None = None
    _parting: asyncio.Task[None] | None = None

    def __init__(self, live: LiveSessions, scope: Scope, receive: Receive, send: Send) -> None:
        self._live = live
        self._scope = scope
        self._receive_raw = receive
        self._send_raw = send

    async def run(self) -> None:
        """Call the application; if its session ends, return when the client has been told."""
        self._caller = _current_task()
        try:
            await self._live.app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not self._is_overdue or self._caller.uncancel():
                raise
        finally:
            self.forget()
            if self._parting is not None:
                if not self._caller.cancelling():
                    await self._is_told.wait()
                self._parting.cancel()

    async def admit(self, request: HttpRequest) -> None:
        """Find out who is calling, and watch over their session from now on.

        Raises what a request would be refused with; then nobody is watched over.
        """
        try:
            await self._admit(request)
        except BaseException:
            self.forget()
            raise

    async def _admit(self, request: HttpRequest) -> None:
        if SessionMiddleware(HttpResponse).process_request(request) is not None:
            raise InvalidRequest  # two session cookies
        AuthenticationMiddleware(HttpResponse).process_request(request)
        self._session = session = session_of(request)
        session.passive = not self._live.activity
        self._watch = watch()
        if is_session_key(session.session_key):  # before it is looked up, so that no end is missed
            self._watched = self._watch.begin(digest(session.session_key), self.cut)
        await session.prepare()
        self._user = await sync_to_async(_look_up)(request)
        self._noted = session._record
        if not self._user.is_authenticated:
            self.forget()
            if self._live.login_required:
                raise why_not_logged_in(request)
        elif self._watched is not None:
            self.note(self._watched, session)
        if self._why is not None:
            raise self._why

    def note(self, watched: Watched, session: BaseSessionStore) -> None:
        """Note when the session will end, which has been looked up."""
        seen = look(cast("Record", session._record))
        if seen is None:
            self.forget()
            self.cut(SessionEnded())
        else:
            self._watch.note(watched, seen)

    def forget(self) -> None:
        """Watch over no session any more."""
        if self._watched is not None:
            self._watch.discard(self._watched)
            self._watched = None

    def cut(self, why: SessionAuthError) -> None:
        """End this connection because of ``why``: the watch calls it when the session has ended."""
        self._why, self._watched = why, None
        if self._is_admitted:
            self.part(why)

    def part(self, why: SessionAuthError) -> None:
        """Begin to tell the client, and then the application, that this is over."""
        self._is_told = asyncio.Event()
        self._parting = asyncio.create_task(self._part(why))

    async def receive(self) -> Message:
        if self._parting is not None:
            return await self._leave()
        self._reader = reader = _current_task()
        try:
            return await self._receive_raw()
        except asyncio.CancelledError:
            if self._parting is None or reader.uncancel():
                raise
            return await self._leave()
        finally:
            self._reader = None

    async def send(self, message: Message) -> None:
        """Pass ``message`` on, unless this is over."""
        async with self._lock:
            if self._parting is None:
                await self._send_raw(message)
                if is_last(message):
                    self.forget()  # the client gets no more; the application may have work to do

    @abstractmethod
    async def tell(self, why: SessionAuthError) -> None:
        """Tell the client why this is over."""

    async def _part(self, why: SessionAuthError) -> None:
        try:
            async with asyncio.timeout(GRACE_SECONDS), self._lock:
                await self.tell(why)
        except Exception as error:  # the client has gone, whatever the server calls it
            logger.debug("A client could not be told that its session has ended: %r", error)
        finally:
            self._is_told.set()
        self.stop_reading()
        await asyncio.sleep(GRACE_SECONDS)
        self._is_overdue = True
        self._caller.cancel()

    def stop_reading(self) -> None:
        """Let ``receive()`` return, if the application waits there."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()

    async def _leave(self) -> Message:
        if self._has_left:  # who asks again and again would keep the event loop from all else
            await asyncio.get_running_loop().create_future()
        self._has_left = True
        return dict(self.disconnect)


class _Socket(_Connection):
    disconnect: Message = {  # noqa: RUF012 # is copied
        "type": "websocket.disconnect",
        "code": CLOSE_CODE + SessionEnded.status,
        "reason": SessionEnded.code,
    }
    _marked_at = 0.0
    _marking: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        self._lock = asyncio.Lock()
        request = request_of(self._scope)
        try:
            csrf.verify_handshake(request)
            await self.admit(request)
        except SessionAuthError as error:
            events.record_refusal(request, status=error.status, code=error.code)
            await self._receive_raw()  # that somebody connects
            await self.tell(error)
            return
        self._is_admitted = True
        self._marked_at = asyncio.get_running_loop().time()
        self._scope = {**self._scope, "session": self._session, "user": self._user}
        await self.run()

    async def receive(self) -> Message:
        self._follow_application()
        message = await super().receive()
        if self._live.activity and message["type"] == "websocket.receive":
            self._mark_active()
        return message

    async def send(self, message: Message) -> None:
        self._follow_application()
        await super().send(message)

    async def tell(self, why: SessionAuthError) -> None:
        self.stop_reading()  # granian closes nothing while somebody waits for a message
        code = CLOSE_CODE + why.status
        await self._send_raw({"type": "websocket.close", "code": code, "reason": why.code})

    def _follow_application(self) -> None:
        """Watch over the session that the application has opened, or given a new key."""
        record = self._session._record
        if record is self._noted:
            return
        self._noted = record
        if record is None or record.user_id is None or self._why is not None:
            return
        if self._watched is None or self._watched.session_id != record.id:
            self.forget()
            self._watched = self._watch.begin(record.id, self.cut)
        self.note(self._watched, self._session)

    def _mark_active(self) -> None:
        """Record activity of the user, at most once per ``LAST_SEEN_INTERVAL``."""
        now, interval = asyncio.get_running_loop().time(), get_conf().LAST_SEEN_INTERVAL
        if self._watched is not None and now >= self._marked_at + interval.total_seconds():
            self._marked_at = now
            self._marking = asyncio.create_task(self._mark(self._watched))

    async def _mark(self, watched: Watched) -> None:
        session = self._session.of_record(cast("Record", watched.record), self._session.meta)
        await sync_to_async(_touch)(session)
        if self._watched is watched:  # or it has been closed meanwhile
            self.note(watched, session)


class _Stream(_Connection):
    disconnect: Message = {"type": "http.disconnect"}  # noqa: RUF012 # is copied
    _session_of_view: BaseSessionStore | None = None
    """The session of Django's request, as it was when its answer was ready."""

    _has_begun = False
    _is_plain = True
    """Whether an event can be written into the stream, which is not compressed."""

    async def serve(self) -> None:
        if self._live.login_required:
            request = request_of(self._scope)
            try:
                if request.method not in csrf.SAFE_METHODS:
                    csrf.verify_handshake(request)
                await self.admit(request)
            except SessionAuthError as error:
                events.record_refusal(request, status=error.status, code=error.code)
                await self.tell(error)
                return
            self._scope = {**self._scope, "session": self._session, "user": self._user}
        STREAMED.set(self._view_has)
        await self.run()

    def _view_has(self, session: BaseSessionStore) -> None:
        self._session_of_view = session

    async def send(self, message: Message) -> None:
        if self._is_admitted:
            await super().send(message)
        elif message["type"] == "http.response.start" and is_event_stream(message):
            await self._begin(message)
        elif self._parting is None:
            self.forget()  # it is no stream
            await self._send_raw(message)

    async def _begin(self, message: Message) -> None:
        self._lock = asyncio.Lock()
        try:
            if self._live.login_required and self._why is not None:
                raise self._why
            if not self._live.login_required:
                await self.admit(request_of(self._scope))
        except SessionAuthError as error:
            self.forget()
            self.part(error)
            return
        self._is_admitted = self._has_begun = True
        self._is_plain = header(message, b"content-encoding") == b""
        await super().send(message)

    async def _admit(self, request: HttpRequest) -> None:
        await super()._admit(request)
        record = None if self._session_of_view is None else self._session_of_view._record
        if self._watched is not None or record is None or record.user_id is None:
            return
        # The view knew a user, and the cookie opens nothing. Has their session ended since, or has
        # it another key?
        self._watched = self._watch.begin(record.id, self.cut)
        seen = await sync_to_async(look_again)(record)
        if seen is None or self._why is not None:
            raise SessionEnded
        self._watch.follow(self._watched, seen)

    async def tell(self, why: SessionAuthError) -> None:
        if self._has_begun:
            text = json.dumps(error_body(why), cls=JSONEncoder)
            # It may have been cut within an event: the empty line ends that.
            event = f"\n\nevent: {why.code}\ndata: {text}\n\n" if self._is_plain else ""
            await self._send_raw({"type": "http.response.body", "body": event.encode()})
            return
        for message in messages_of(error_response(why)):
            await self._send_raw(message)


def _current_task() -> asyncio.Task[Any]:
    return cast("asyncio.Task[Any]", asyncio.current_task())


def _look_up(request: HttpRequest) -> Any:
    """Return the user of the session, and record where it is used from, if that is due."""
    with _own_connections():
        user = user_of(request)
        if user.is_authenticated:
            session_of(request).touch()
        return user


def _touch(session: BaseSessionStore) -> None:
    with _own_connections():
        session.touch()


@contextmanager
def _own_connections() -> Iterator[None]:
    """Do what Django does with connections to databases before and after each request."""
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()
