"""Mails: they must be sent after a commit, even if the client hangs up or the process is killed.

Code that has a reason for a mail calls ``post()``, in the same transaction as the change that is
the reason. ``post()`` writes a row. After the commit, a thread of the process makes the mail, sends
it, and deletes the row: so each mail is sent at least once. If the process is killed before that,
others send the mail: the next process at its first request, ``manage.py send_mails``, or
``manage.py prune_sessions``.

A row holds what is needed to make the mail, and no secret: the link of a reset is made together
with its mail.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core import mail
from django.core.serializers.json import DjangoJSONEncoder
from django.core.signals import request_started
from django.db import connections, router, transaction
from django.db.models import F, Min, QuerySet
from django.db.models.functions import Greatest
from django.utils import timezone, translation

from session_auth import stores
from session_auth.models import PendingMail

LEASE = timedelta(minutes=1)
"""How long one process has a mail for itself, unless it is found dead on this machine before."""

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
"""A mail that cannot be sent is tried again after a pause, which doubles each time."""

GIVEN_UP_AFTER = timedelta(days=1)
"""A mail is given up at the first try that fails so long after it was posted."""

FAULTS_BORNE = 10
"""How often in a row the thread finds the database out of reach before it ends."""

IN_MEMORY = "django.core.mail.backends.locmem.EmailBackend"

logger = logging.getLogger("session_auth")


senders: dict[str, Callable[..., None]] = {}
"""For each kind of mail, the function that makes and sends it.

It is called with the time at which the mail was posted, and with the details of the mail.
"""


def alias() -> str:
    """Return the database of the mails."""
    return router.db_for_write(PendingMail)


MAILS = stores.Boundary("mails", alias=alias)


def post(
    kind: str, *, earliest: timedelta = timedelta(0), is_foreign: bool = False, **details: Any
) -> int:
    """Write down a mail of this kind, in the transaction of the caller; return its number.

    Call ``hand_over()`` with it, inside the transaction or after it. The mail is not sent before
    ``earliest`` has passed. It is in the language that is active, unless the user has another one
    (``mails``); in that of the site if the request is not the user's (``is_foreign``). Raises
    ``StoreUnavailable``.
    """
    now = timezone.now()
    details["language"] = settings.LANGUAGE_CODE if is_foreign else translation.get_language()
    row = PendingMail(
        kind=kind,
        details=json.dumps(details, cls=DjangoJSONEncoder),
        posted_at=now,
        due_at=now + earliest,
        claimed_until=now,
    )
    MAILS.changes(row.save)(using=alias(), force_insert=True)
    return int(row.pk)


def hand_over(mail_id: int, deliver: Callable[[int], None], *, using: str) -> None:
    """Call ``deliver`` with the number, once the transaction of the database ``using`` commits.

    If ``deliver`` fails, for example because a queue cannot be reached, this process sends the mail
    itself.
    """
    call = partial(_deliver, mail_id, deliver)
    if stores.in_transaction(using):
        transaction.on_commit(call, using=using)
    else:
        call()


def wake(mail_id: int) -> None:
    """Let a thread of this process send the mail, and all others that are due.

    In tests, where mails are kept in memory, the caller sends it at once: another thread would not
    see what a ``TestCase`` has written.
    """
    if not _is_in_memory():
        _worker().wake()
    elif mail := _claim(_mails().filter(pk=mail_id)):
        _try_to_send(mail)


def begin(**kwargs: Any) -> None:
    """Receive the first request of this process: send the mails that other processes have left."""
    request_started.disconnect(begin, dispatch_uid=__name__)
    if not _is_in_memory():
        _worker().wake()


def send_mail(mail_id: int) -> None:
    """Send the mail with this number: for the task of a queue.

    A no-op if it was sent already, or is being sent. It raises what sending raises, so that the
    queue can try again. If the queue does not, the mail is sent together with others that are left.
    """
    if mail := _claim(_mails().filter(pk=mail_id)):
        _send(mail)


def send_left() -> tuple[int, int]:
    """Send each mail that waits, due or not; return how many were sent and how many failed.

    It waits for mails that another process is sending: that process may have been killed.
    """
    sent = failed = 0
    for mail_id in list(_mails().order_by("pk").values_list("pk", flat=True)):
        rows = _mails().filter(pk=mail_id)
        while rows.exists():
            _release_of_the_dead(rows)
            if mail := _claim(rows):
                is_sent = _try_to_send(mail)
                sent, failed = sent + is_sent, failed + (not is_sent)
                break
            time.sleep(1)
    return sent, failed


class Worker:
    """A thread of this process, for as long as it has mails to send."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.Lock()
        self._is_wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._faults = 0
        self._is_new = True

    def wake(self) -> None:
        with self._lock:
            self._is_wanted.set()
            if self._thread is None:
                # A daemon thread, which keeps no process alive: the row outlives the process.
                thread = threading.Thread(target=self._run, name=__name__, daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while True:
            self._is_wanted.clear()
            pause = self._send_due()
            with self._lock:
                if pause is None and not self._is_wanted.is_set():
                    self._thread = None
                    return
            self._is_wanted.wait(pause)

    def _send_due(self) -> float | None:
        """Send the mails that are due; return the seconds until the next, or ``None``."""
        try:
            _release_of_the_dead(_mails())
            waiting = _mails().filter(attempts__gt=0)
            if self._is_new and waiting.exists():
                waiting.update(due_at=timezone.now())  # a new process is a new chance
            self._is_new = False
            while mail := _claim(_mails().filter(due_at__lte=timezone.now())):
                _try_to_send(mail)
            pause = _seconds_until_due()
            self._faults = 0
        except Exception:
            self._faults += 1
            logger.exception("Mails could not be sent, since the database cannot be asked.")
            return FIRST_PAUSE.total_seconds() if self._faults < FAULTS_BORNE else None
        finally:
            connections.close_all()  # those of this thread, which may pause for long
        return pause


_the_worker = Worker()


def _worker() -> Worker:
    """Return the worker of this process: that of its parent has no thread here after a fork."""
    global _the_worker
    if _the_worker.pid != os.getpid():
        _the_worker = Worker()
    return _the_worker


def _deliver(mail_id: int, deliver: Callable[[int], None]) -> None:
    try:
        deliver(mail_id)
    except Exception:
        logger.exception("A mail could not be handed over: this process sends it.")
        if deliver is not wake:
            _deliver(mail_id, wake)


def _claim(mails: QuerySet[PendingMail]) -> PendingMail | None:
    """Take one of these mails that nobody is sending; nobody else gets it for a while."""
    now = timezone.now()
    free = mails.filter(claimed_until__lte=now)
    while (mail := free.order_by("due_at", "pk").first()) is not None:
        # Each claim counts an attempt. So a process that has read an older count updates nothing.
        seen = free.filter(pk=mail.pk, attempts=mail.attempts)
        lease = {"claimed_until": now + LEASE, "claimed_by": f"{_here()} {os.getpid()}"}
        if seen.update(attempts=F("attempts") + 1, **lease):
            mail.attempts += 1
            return mail
    return None


def _release_of_the_dead(mails: QuerySet[PendingMail]) -> None:
    """Release the mails that dead processes of this machine have claimed."""
    now = timezone.now()
    for row in mails.filter(claimed_until__gt=now):
        if _is_dead(row.claimed_by):
            mails.filter(pk=row.pk, attempts=row.attempts).update(claimed_until=now)


def _here() -> str:
    """Return a name for this machine or container, in which process ids are unique."""
    numbering = Path("/proc/self/ns/pid")  # on Linux; elsewhere no process is taken for dead
    return f"{socket.gethostname()[:100]} {numbering.readlink()}" if numbering.is_symlink() else ""


def _is_dead(process: str) -> bool:
    """Say whether the process with this name ran on this machine, and has surely ended."""
    where, _, pid = process.rpartition(" ")
    if not where or where != _here():
        return False
    try:
        os.kill(int(pid), 0)  # sends no signal, only asks
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return True
    except OSError:  # another user's process has this id
        return False
    return state == "Z"  # a zombie


def _try_to_send(mail: PendingMail) -> bool:
    try:
        _send(mail)
    except Exception:
        logger.exception("A mail of the kind %s could not be sent.", mail.kind)
        return False
    return True


def _send(mail: PendingMail) -> None:
    try:
        details = json.loads(mail.details)
        with translation.override(details.pop("language")):
            senders[mail.kind](mail.posted_at, **details)
    except Exception:
        _put_back(mail)
        raise
    _mails().filter(pk=mail.pk).delete()


def _put_back(mail: PendingMail) -> None:
    """Let a mail that could not be sent be tried again later, or give it up."""
    now = timezone.now()
    ours = _mails().filter(pk=mail.pk, attempts=mail.attempts)
    if now >= mail.posted_at + GIVEN_UP_AFTER:
        logger.error("A mail of the kind %s is given up after %s", mail.kind, GIVEN_UP_AFTER)
        ours.delete()
        return
    pause = FIRST_PAUSE * 2 ** min(mail.attempts - 1, 10)
    ours.update(due_at=now + min(pause, LONGEST_PAUSE), claimed_until=now)


def _seconds_until_due() -> float | None:
    """Return when to look again: a mail is due, or the process that has claimed it may be dead."""
    at = _mails().aggregate(at=Min(Greatest("due_at", "claimed_until")))["at"]
    return None if at is None else max(0.1, (at - timezone.now()).total_seconds())


def _mails() -> QuerySet[PendingMail]:
    """Return the rows of the kinds that this process knows."""
    return PendingMail.objects.using(alias()).filter(kind__in=list(senders))


def _is_in_memory() -> bool:
    has_mailers = django.VERSION >= (6, 1)
    if has_mailers and not hasattr(settings, "MAILERS"):
        return hasattr(mail, "outbox")  # reading the old setting is deprecated
    default = settings.MAILERS.get("default", {}) if has_mailers else {}
    backend = default.get("BACKEND") if has_mailers else settings.EMAIL_BACKEND
    return bool(backend == IN_MEMORY)
