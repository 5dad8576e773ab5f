"""The bus: each process learns of sessions that have ended in another one.

An engine tells of an end in the very step that ends the session, by a text of ``text_of()``; its
``Rows.listen()`` yields what the engines of all processes tell. Of an end in its own process, each
process knows without that. Nothing else is told: no save, and no timeout, which everybody can
foresee.

What an engine tells may be lost while the connection is down. Then subscribers get ``None``, and
have to look for themselves.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import close_old_connections, connections

from session_auth.sessions.rows import Rows
from session_auth.signals import EndReason, session_ended_anywhere

RECONNECT_SECONDS = 1.0
"""The pause before the next try to listen, which doubles up to ``LONGEST_PAUSE_SECONDS``."""

LONGEST_PAUSE_SECONDS = 15.0

PROOF_SECONDS = 5.0
"""How long the first notice of one's own may take. Then nothing arrives, it seems."""

NOBODY = "-"
PROOF = "proof"

logger = logging.getLogger("session_auth")


class Notice(NamedTuple):
    """A session has ended, or goes on under another id."""

    session_id: str | None
    """``None``: everybody's sessions have ended."""

    user_id: Any
    reason: EndReason | None
    """``None``: it has not ended, but has a new key."""

    successor: str | None = None
    """The id under which its user goes on in the same browser."""


Subscriber = Callable[[Notice | None], None]

_subscribers: list[Subscriber] = []


def subscribe(call: Subscriber) -> None:
    """Let each notice come to ``call``, in any thread; ``None`` says that some may be lost."""
    _subscribers.append(call)


def unsubscribe(call: Subscriber) -> None:
    """Undo ``subscribe()``."""
    with suppress(ValueError):
        _subscribers.remove(call)


def spread(notice: Notice | None) -> None:
    """Tell the subscribers in this process."""
    for call in tuple(_subscribers):
        call(notice)
    if notice is not None and notice.reason is not None:
        session_ended_anywhere.send_robust(
            sender=None,
            session_id=notice.session_id,
            user_id=notice.user_id,
            reason=notice.reason,
        )


def origin() -> str:
    """Return the name of this process: it leaves out what it has told itself."""
    return _origin(os.getpid())


@lru_cache(maxsize=1)
def _origin(pid: int) -> str:
    return uuid4().hex


def text_of(notice: Notice) -> str:
    """Return the text by which an engine tells a notice."""
    words = (notice.reason, notice.session_id, notice.successor, notice.user_id)
    return " ".join([origin(), *(NOBODY if each is None else str(each) for each in words)])


def hear(text: str) -> None:
    """Spread what another process has told. If it is not understood, some may be lost."""
    teller, _, rest = text.partition(" ")
    if teller != origin() and not rest.startswith(PROOF):
        try:
            spread(_parse(rest))
        except (ValueError, ValidationError):  # as of a newer version
            spread(None)


def new_proof() -> str:
    """Return a text that shows whether it arrives, and tells nothing."""
    return f"{origin()} {PROOF} {uuid4().hex}"


def _parse(text: str) -> Notice:
    reason, session_id, successor, user_id = (
        None if word == NOBODY else word for word in text.split(" ", 3)
    )
    return Notice(
        session_id=session_id,
        user_id=None if user_id is None else get_user_model()._meta.pk.to_python(user_id),
        reason=None if reason is None else EndReason(reason),
        successor=successor,
    )


def is_carried(rows: Rows) -> bool:
    """Say whether what one connection tells arrives in another, by trying it."""
    proof, ends_at = new_proof(), None
    with ThreadPoolExecutor(1) as thread:  # which has a connection of its own, in no transaction
        for text in rows.listen():  # pragma: no branch # it has no end
            if text == proof:
                return True
            if text is None and ends_at is None:
                thread.submit(_tell, rows, proof).result()
                ends_at = time.monotonic() + PROOF_SECONDS
            elif ends_at is not None and time.monotonic() > ends_at:
                break
    return False


def _tell(rows: Rows, text: str) -> None:
    try:
        rows.tell(text)
    finally:
        connections.close_all()


class Listener:
    """A thread of this process that hears what others tell, for as long as the process lives."""

    def __init__(self, rows: Rows) -> None:
        self.is_up = False
        self.rows = rows
        self._is_stopped = threading.Event()
        self._pause = RECONNECT_SECONDS
        # A daemon thread, which keeps no process alive.
        self._thread = threading.Thread(target=self._run, name=__name__, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._is_stopped.set()
        if self.is_up:
            self.rows.tell("")  # wakes it
        self._thread.join()

    def _run(self) -> None:
        while not self._is_stopped.is_set():
            try:
                self._listen()
            except Exception as error:
                logger.warning("Ends of sessions in other processes are looked for: %r", error)
            finally:
                self._set_up(False)
                connections.close_all()  # those of this thread
            self._is_stopped.wait(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    def _listen(self) -> None:
        proof = new_proof()
        proves_until = None
        for text in self.rows.listen():
            if self._is_stopped.is_set():
                return
            if text == proof:
                self._pause = RECONNECT_SECONDS
                self._set_up(True)
            elif text is not None:
                hear(text)
                close_old_connections()  # those of receivers, who run outside any request
            elif not self.is_up:
                now = time.monotonic()
                proves_until = proves_until or now + PROOF_SECONDS
                if now > proves_until:
                    raise TimeoutError(
                        "What is told does not arrive. Is there a pooler in between?"
                    )
                # Again each second: a server that is failing over may lose it.
                self.rows.tell(proof)

    def _set_up(self, is_up: bool) -> None:
        if self.is_up is not is_up:
            self.is_up = is_up
            spread(None)  # some may have been lost until now; from now on, none or all are


_listener: Listener | None = None
_lock = threading.Lock()


def listen(rows: Rows) -> None:
    """Let this process hear what others tell, if the engine can tell it."""
    global _listener
    with _lock:
        if rows.can_listen() and _listener is None:
            _listener = Listener(rows)


def _listen_anew() -> None:  # pragma: no cover # in a fork, where nothing is measured
    """Let a process that was forked hear, too: neither the thread nor an event loop came along."""
    global _listener, _lock
    _lock = threading.Lock()
    _subscribers.clear()
    if _listener is not None:
        _listener = Listener(_listener.rows)


if hasattr(os, "register_at_fork"):  # pragma: no branch # Windows has no fork
    os.register_at_fork(after_in_child=_listen_anew)


def is_up() -> bool:
    """Say whether each end in another process is heard at once."""
    return _listener is not None and _listener.is_up


def stop() -> None:
    """Hear nothing any more: for tests."""
    global _listener
    with _lock:
        if _listener is not None:
            _listener.stop()
            _listener = None
