"""Mails are sent at least once, outside any request."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any, ClassVar

import django
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.core.management import CommandError, call_command
from django.core.signals import request_started
from django.db import transaction
from django.test import Client, override_settings
from django.utils import timezone

from session_auth import later, passwords
from session_auth.models import PendingMail
from session_auth.passwords.mail import post_notice
from session_auth.views import PasswordChangeView
from tests.api_client import ApiClient, signed_in
from tests.clock import NOON
from tests.mailing import addressees
from tests.password_calls import ask, change, with_links

IN_THREADS = f"{__name__}.ThreadsBackend"
LATER = "session_auth.later"


class ThreadsBackend(EmailBackend):
    """Keeps mails in memory, but is not the backend that the package knows to do so."""

    is_down = False
    threads: ClassVar[list[threading.Thread]] = []

    def send_messages(self, messages: Any) -> Any:
        self.threads.append(threading.current_thread())
        if self.is_down:
            raise ConnectionRefusedError("The mail server is down.")
        return super().send_messages(messages)


def backend(path: str) -> Any:
    new, old = {"MAILERS": {"default": {"BACKEND": path}}}, {"EMAIL_BACKEND": path}
    return override_settings(**(new if django.VERSION >= (6, 1) else old))


@pytest.fixture
def in_production(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Mails go the way that they go outside tests, but for the last step of it."""
    monkeypatch.setattr(later, "_the_worker", later.Worker())
    monkeypatch.setattr("session_auth.passwords.mail.LONGEST_PAUSE_SECONDS", 0)
    ThreadsBackend.threads.clear()
    with backend(IN_THREADS):
        yield
        wait_for(lambda: later._the_worker._thread is None)


@pytest.fixture
def mail_server(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A mail server that can be switched off and on."""

    class Switch:
        def set_down(self, is_down: bool) -> None:
            monkeypatch.setattr(ThreadsBackend, "is_down", is_down)

    return Switch()


def wait_for(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends_at, "It has not come."
        time.sleep(0.01)


# In a process that serves requests


def test_without_the_setting_for_mailers_django_says_whether_it_is_a_test() -> None:
    with override_settings():
        del settings.MAILERS

        assert later._is_in_memory()


@with_links
def test_mails_are_sent_by_a_thread_that_ends(in_production: None, alice: User) -> None:
    change(signed_in())
    ask(ApiClient())

    wait_for(lambda: addressees() == ["alice@example.org"] * 2 and not PendingMail.objects.exists())
    wait_for(lambda: later._the_worker._thread is None)
    assert threading.current_thread() not in ThreadsBackend.threads


def test_nothing_is_sent_of_what_is_rolled_back(in_production: None, alice: User) -> None:
    with transaction.atomic():
        mail_id = post_notice(None, alice)
        assert mail_id is not None
        later.hand_over(mail_id, later.wake, using="default")
        transaction.set_rollback(True)

    assert not PendingMail.objects.exists()
    assert later._the_worker._thread is None


def test_a_mail_is_sent_once_all_around_it_is_committed(in_production: None, alice: User) -> None:
    with transaction.atomic():
        change(signed_in())
        assert later._the_worker._thread is None

    wait_for(lambda: addressees() == ["alice@example.org"])


def test_what_cannot_be_sent_is_tried_again(
    in_production: None, alice: User, mail_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(later, "FIRST_PAUSE", timedelta(milliseconds=10))
    mail_server.set_down(True)
    change(signed_in())
    wait_for(lambda: len(ThreadsBackend.threads) > 2)

    mail_server.set_down(False)

    wait_for(lambda: addressees() == ["alice@example.org"])


def test_a_thread_that_rests_is_woken(
    in_production: None, alice: User, bob: User, mail_server: Any
) -> None:
    mail_server.set_down(True)
    change(signed_in())
    wait_for(lambda: PendingMail.objects.get().due_at > timezone.now() + timedelta(seconds=10))
    User.objects.filter(pk=bob.pk).update(email="bob@example.org")
    mail_server.set_down(False)

    change(signed_in("bob"))

    wait_for(lambda: addressees() == ["bob@example.org"])
    PendingMail.objects.all().delete()
    later._the_worker.wake()  # lets it see that nothing is left


def test_the_first_request_of_a_process_sends_what_others_have_left(
    in_production: None, alice: User
) -> None:
    post_notice(None, alice)
    request_started.connect(later.begin, dispatch_uid=LATER)

    Client().get("/page/untouched/")

    wait_for(lambda: addressees() == ["alice@example.org"])
    assert not request_started.disconnect(later.begin, dispatch_uid=LATER)


def test_the_first_request_of_a_test_starts_no_thread(alice: User) -> None:
    post_notice(None, alice)
    request_started.connect(later.begin, dispatch_uid=LATER)

    Client().get("/page/untouched/")

    assert mail.outbox == []
    assert not request_started.disconnect(later.begin, dispatch_uid=LATER)


def test_a_process_that_was_forked_has_a_thread_of_its_own(
    in_production: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents = later._the_worker
    monkeypatch.setattr(parents, "pid", os.getpid() + 1)

    change(signed_in())

    wait_for(lambda: addressees() == ["alice@example.org"])
    assert later._the_worker is not parents


def test_the_thread_bears_a_database_that_is_away_for_a_while(
    in_production: None,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(later, "FIRST_PAUSE", timedelta(milliseconds=10))
    monkeypatch.setattr(PendingMail._meta, "db_table", "no_such_table")

    later._the_worker.wake()
    wait_for(lambda: later._the_worker._thread is None)

    faults = [r for r in caplog.records if "database cannot be asked" in r.getMessage()]
    assert len(faults) == later.FAULTS_BORNE
    monkeypatch.undo()


# Who sends


@pytest.mark.parametrize("command", ["send_mails", "prune_sessions"])
def test_a_command_sends_what_is_left(left: PendingMail, command: str) -> None:
    output = StringIO()

    call_command(command, stdout=output)

    assert addressees() == ["alice@example.org"]
    assert not PendingMail.objects.exists()
    assert "Mails sent: 1" in output.getvalue()


def test_a_command_sends_what_waits_to_be_tried_again(left: PendingMail) -> None:
    PendingMail.objects.update(due_at=NOON + timedelta(hours=1), attempts=7)

    call_command("send_mails", stdout=StringIO())

    assert addressees() == ["alice@example.org"]


def test_a_command_says_what_it_could_not_send(left: PendingMail, no_mail: None) -> None:
    with pytest.raises(CommandError, match="Mails that could not be sent: 1"):
        call_command("send_mails", stdout=StringIO())

    assert PendingMail.objects.get().attempts == 1


@pytest.mark.parametrize(
    ("owner", "is_free"),
    [
        ("{here} {dead}", True),
        ("{here} {zombie}", True),
        ("{here} {alive}", False),
        ("elsewhere {dead}", False),
        (" {dead}", False),
    ],
)
def test_what_a_process_has_that_is_seen_to_be_dead_is_taken_over_at_once(
    left: PendingMail, owner: str, is_free: bool
) -> None:
    assert later._claim(PendingMail.objects.all())
    with running_nothing() as dead:
        dead.wait()
    with running_nothing() as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays
        pids = {"dead": dead.pid, "zombie": zombie.pid, "alive": os.getpid()}
        PendingMail.objects.update(claimed_by=owner.format(here=later._here(), **pids))

        later._release_of_the_dead(PendingMail.objects.all())

    assert (later._claim(PendingMail.objects.all()) is not None) is is_free


def running_nothing() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-S", "-c", ""])


def test_a_process_of_another_user_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)

    assert not later._is_dead(f"{later._here()} 1")


def test_a_new_process_does_not_wait_for_the_next_try(in_production: None, alice: User) -> None:
    post_notice(None, alice)
    PendingMail.objects.update(attempts=7, due_at=timezone.now() + timedelta(hours=1))

    later._the_worker.wake()

    wait_for(lambda: addressees() == ["alice@example.org"])


def test_a_command_waits_for_the_mails_of_a_process_that_may_be_dead(
    left: PendingMail, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert later._claim(PendingMail.objects.all())
    rests: list[float] = []

    def rest(seconds: float) -> None:
        rests.append(seconds)
        clock.shift(timedelta(seconds=seconds))

    monkeypatch.setattr(time, "sleep", rest)
    call_command("send_mails", stdout=StringIO())

    assert sum(rests) == later.LEASE.total_seconds()
    assert addressees() == ["alice@example.org"]


def test_a_command_leaves_what_another_process_has_sent_meanwhile(
    left: PendingMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert later._claim(PendingMail.objects.all())
    monkeypatch.setattr(time, "sleep", lambda seconds: PendingMail.objects.all().delete())

    assert later.send_left() == (0, 0)


def test_a_mail_belongs_to_who_claims_it_first(left: PendingMail, clock: Any) -> None:
    mails = PendingMail.objects.all()

    assert later._claim(mails) == left
    assert later._claim(mails) is None
    later.send_mail(left.pk)
    assert mail.outbox == []
    clock.shift(later.LEASE)
    assert later._claim(mails) == left


def test_a_mail_that_was_sent_already_is_sent_no_more(left: PendingMail) -> None:
    later.wake(left.pk)
    later.wake(left.pk)

    assert addressees() == ["alice@example.org"]


def test_who_comes_a_moment_too_late_gets_nothing(
    left: PendingMail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the claim, another process claims the mail."""
    first = type(PendingMail.objects.all()).first

    def overtaken(mails: Any) -> Any:
        found = first(mails)
        PendingMail.objects.update(attempts=1, claimed_until=NOON + later.LEASE)
        return found

    monkeypatch.setattr(type(PendingMail.objects.all()), "first", overtaken)

    assert later._claim(PendingMail.objects.all()) is None


def test_a_queue_can_take_the_mails_over(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    queue: list[int] = []
    monkeypatch.setattr(PasswordChangeView, "deliver", lambda view, mail_id: queue.append(mail_id))

    change(signed_in())
    assert mail.outbox == []
    passwords.send_mail(queue[0])
    passwords.send_mail(queue[0])

    assert addressees() == ["alice@example.org"]


def test_a_queue_is_told_of_what_fails(left: PendingMail, no_mail: None) -> None:
    with pytest.raises(ConnectionRefusedError):
        passwords.send_mail(left.pk)

    assert PendingMail.objects.exists()


def test_a_queue_that_is_away_costs_no_mail(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(view: Any, mail_id: int) -> None:
        raise ConnectionRefusedError("The broker is down.")

    monkeypatch.setattr(PasswordChangeView, "deliver", fail)

    assert change(signed_in()).status_code == 200
    assert "A mail could not be handed over: this process sends it." in caplog.messages
    assert addressees() == ["alice@example.org"]


def test_without_a_thread_to_be_had_the_answer_is_given_all_the_same(
    in_production: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = signed_in()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        response = change(here)

    assert response.status_code == 200
    assert PendingMail.objects.exists()
    later._the_worker.wake()
    wait_for(lambda: addressees() == ["alice@example.org"])


def no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


# How long


def test_pauses_grow_and_at_last_a_mail_is_given_up(
    left: PendingMail, clock: Any, no_mail: None, caplog: pytest.LogCaptureFixture
) -> None:
    pauses = []
    while PendingMail.objects.exists():
        later.send_left()
        pauses += [row.due_at - timezone.now() for row in PendingMail.objects.all()]
        clock.shift(pauses[-1])

    assert [pause.total_seconds() for pause in pauses[:3]] == [30, 60, 120]
    assert max(pauses) == later.LONGEST_PAUSE
    assert 24 <= len(pauses) <= 40
    assert any("is given up" in message for message in caplog.messages)


def test_a_mail_of_a_kind_that_is_not_known_here_is_left_to_others(left: PendingMail) -> None:
    """While new code is rolled out, old processes meet mails of the new ones."""
    PendingMail.objects.update(kind="new")

    assert later.send_left() == (0, 0)
    assert PendingMail.objects.exists()
