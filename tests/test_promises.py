"""Promises 1 and 2 as a state machine: any interleaving of requests against a simple model.

A request looks a session up, changes keys of its data, and saves it later. In between, others log
in and out, renew keys, end each other's sessions, change the password and let sessions expire.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import hypothesis
import pytest
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from session_auth import attempts, flows, passwords
from session_auth.exceptions import LoginExpired, StageRequired
from session_auth.keys import digest
from session_auth.models import LoginAttempt, Session
from session_auth.sessions import end_sessions
from tests.api_client import PASSWORD
from tests.stages import PIN
from tests.storing import SessionStore

KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.integers() | st.booleans() | st.lists(st.none())
CHANGES = st.dictionaries(KEYS, VALUES, min_size=1)


@dataclass
class Modelled:
    """What a session should be: its data, the one key that opens it, and whose it is."""

    key: str
    data: dict[str, Any]
    has_user: bool
    ended: bool = False

    def opens_with(self, key: str) -> bool:
        return not self.ended and key == self.key


@dataclass
class Request:
    """A request under way: its store, the session that it found, and what it wrote.

    To write what was there when it began is to change nothing.
    """

    store: SessionStore
    key: str
    found: Modelled | None
    base: dict[str, Any]
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Half:
    """A login that is not complete: the secret that goes on with it."""

    secret: str
    ended: bool = False


class Browsers(RuleBasedStateMachine):
    keys = Bundle("keys")
    halves = Bundle("halves")
    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.user = User.objects.create_user("alice", first_name="pin")
        self.begun: list[Half] = []
        self.sessions: list[Modelled] = []
        self.issued: list[str] = []

    def teardown(self) -> None:
        LoginAttempt.objects.all().delete()
        Session.objects.all().delete()
        User.objects.all().delete()

    def issue(self, store: SessionStore) -> str:
        key = str(store.session_key)
        self.issued.append(key)
        return key

    def opened_by(self, key: str) -> Modelled | None:
        return next((session for session in self.sessions if session.opens_with(key)), None)

    # A visitor comes, or logs in with or without a session from before.

    @rule(target=keys, value=st.integers())
    def visit(self, value: int) -> str:
        store = SessionStore()
        store["a"] = value
        store.save()
        self.sessions.append(Modelled(str(store.session_key), {"a": value}, has_user=False))
        return self.issue(store)

    @rule(target=keys, key=keys)
    def log_in(self, key: str) -> str:
        store = SessionStore(key).successor()
        store[SESSION_KEY] = str(self.user.pk)
        store.save()
        if before := self.opened_by(key):
            before.ended = True
        data = {SESSION_KEY: str(self.user.pk)}
        self.sessions.append(Modelled(str(store.session_key), data, has_user=True))
        return self.issue(store)

    # Requests, which overlap with everything else.

    # Or in stages: the first holds the login, the second completes it, in any browser's session.

    @rule(target=halves, key=keys)
    def log_in_half(self, key: str) -> Half:
        request, response = HttpRequest(), HttpResponse()
        request.session = SessionStore(key)
        with pytest.raises(StageRequired):
            flows.log_in(request, self.user)
        attempts.answer(request, response)
        half = Half(response.cookies[attempts.cookie_name()].value)
        self.begun.append(half)
        return half

    @rule(target=keys, key=keys, half=halves)
    def log_in_wholly(self, key: str, half: Half) -> Any:
        request = HttpRequest()
        request.COOKIES[attempts.cookie_name()] = half.secret
        store = request.session = SessionStore(key)
        data = {"code": PIN, "trust": False}
        if half.ended:
            with pytest.raises(LoginExpired):
                flows.pass_stage(request, method="pin", data=data)
            assert request.session is store
            return multiple()
        flows.pass_stage(request, method="pin", data=data)
        half.ended = True
        after: Any = request.session
        after.save()
        if before := self.opened_by(key):
            before.ended = True
        self.sessions.append(Modelled(str(after.session_key), dict(after.items()), has_user=True))
        return self.issue(after)

    @rule(target=requests, key=keys)
    def begin(self, key: str) -> Request:
        store = SessionStore(key)
        store.keys()
        found = self.opened_by(key)
        return Request(store, key, found, dict(found.data) if found else {})

    @rule(request=requests, name=KEYS, value=VALUES)
    def write(self, request: Request, name: str, value: object) -> None:
        request.store[name] = value
        request.changes[name] = value

    @rule(request=requests, name=KEYS)
    def erase(self, request: Request, name: str) -> None:
        if request.store.pop(name, None) is not None or name in request.changes:
            request.changes[name] = None

    @rule(target=keys, request=requests)
    def finish(self, request: Request) -> Any:
        if not request.store.modified:
            return multiple()
        session = request.found
        if session is not None and not session.opens_with(request.key):
            with pytest.raises(UpdateError):
                request.store.save()
            return multiple()
        request.store.save()
        if session is None:
            session = Modelled(str(request.store.session_key), {}, has_user=False)
            self.sessions.append(session)
            request.key, request.found = self.issue(request.store), session
        for name, value in request.changes.items():
            if repr(value) != repr(request.base.get(name)):
                session.data[name] = value
                if value is None:
                    del session.data[name]
        request.changes.clear()
        request.base = dict(session.data)
        return request.key

    @rule(target=keys, key=keys, first=CHANGES, second=CHANGES)
    def overlap(self, key: str, first: dict[str, Any], second: dict[str, Any]) -> Any:
        """Two requests that began with the same row save one after the other."""
        requests = [(self.begin(key), first), (self.begin(key), second)]
        for request, changes in requests:
            for name, value in changes.items():
                self.write(request, name, value)
        issued = [self.finish(request) for request, _ in requests]
        return multiple(*[key for key in issued if isinstance(key, str)])

    # Ends and new keys.

    @rule(target=keys, key=keys)
    def renew_key(self, key: str) -> Any:
        session = self.opened_by(key)
        store = SessionStore(key)
        store.cycle_key()
        if session is None:
            return multiple()
        session.key = str(store.session_key)
        return self.issue(store)

    @rule(target=keys, request=requests)
    def renew_key_late(self, request: Request) -> Any:
        """A request that began before renews the key: only while its own key still counts."""
        if request.found is None:
            return multiple()
        if not request.found.opens_with(request.key):
            with pytest.raises(SessionInterrupted):
                request.store.cycle_key()
            return multiple()
        request.store.cycle_key()
        request.key = request.found.key = self.issue(request.store)
        return request.key

    @rule(key=keys)
    def log_out(self, key: str) -> None:
        SessionStore(key).flush()
        if session := self.opened_by(key):
            session.ended = True

    @rule(key=keys)
    def end_others(self, key: str) -> None:
        end_sessions(self.user, but=digest(key))
        self.end_all(but=self.opened_by(key))

    @rule(target=keys, key=keys)
    def change_password(self, key: str) -> Any:
        session = self.opened_by(key)
        if session is None or not session.has_user:
            return multiple()
        request = HttpRequest()
        store = request.session = SessionStore(key)
        passwords.change_password(request, self.new_password())
        store.save()
        self.end_all(but=session)
        self.end_halves()
        session.key = str(store.session_key)
        session.data[HASH_SESSION_KEY] = self.user.get_session_auth_hash()
        return self.issue(store)

    @rule()
    def reset_password(self) -> None:
        passwords.reset_password(self.new_password())
        self.end_all()
        self.end_halves()

    def new_password(self) -> "SetPasswordForm[Any]":
        form = SetPasswordForm(self.user, {"new_password1": PASSWORD, "new_password2": PASSWORD})
        assert form.is_valid()
        return form

    def end_halves(self) -> None:
        for half in self.begun:
            half.ended = True

    def end_all(self, but: Modelled | None = None) -> None:
        for session in self.sessions:
            session.ended = session.ended or (session.has_user and session is not but)

    @rule()
    def deactivate_and_reactivate(self) -> None:
        for is_active in (False, True):
            self.user.is_active = is_active
            self.user.save(update_fields=["is_active"])
        self.end_all()
        self.end_halves()

    @rule(key=keys)
    def expire(self, key: str) -> None:
        past = timezone.now() - timedelta(seconds=1)
        Session.objects.filter(id=digest(key)).update(expires_at=past)
        if session := self.opened_by(key):
            session.ended = True

    # What must hold at all times.

    @invariant()
    def each_key_opens_what_it_should_and_nothing_else(self) -> None:
        for key in self.issued:
            session = self.opened_by(key)
            assert SessionStore(key).load() == (session.data if session else {})

    @invariant()
    def no_row_is_left_or_missing(self) -> None:
        alive = {digest(session.key) for session in self.sessions if not session.ended}
        assert {row.id for row in Session.objects.all()} == alive


@pytest.mark.django_db
def test_nothing_is_lost_and_nothing_comes_back(stages: None) -> None:
    run_state_machine_as_test(
        Browsers,
        settings=hypothesis.settings(max_examples=60, stateful_step_count=30),
    )


@pytest.mark.django_db
def test_requests_that_overlap_with_an_end_go_by_the_model() -> None:
    """What a random walk may miss: each step is one of the model's, which checks it."""
    browsers = Browsers()
    key = browsers.visit(value=0)
    late, idle = browsers.begin(key), browsers.begin(key)
    browsers.write(late, "b", 1)
    browsers.log_out(key)
    browsers.finish(late)
    browsers.finish(idle)
    browsers.renew_key_late(late)
    browsers.renew_key(key)
    new = browsers.begin(key)
    browsers.renew_key_late(new)
    browsers.erase(new, "a")
    browsers.write(new, "a", 1)
    key = browsers.finish(new)
    browsers.write(new, "a", 1)
    browsers.finish(new)
    browsers.erase(new, "a")
    browsers.finish(new)
    key = browsers.renew_key(browsers.renew_key_late(new))
    browsers.change_password(key)
    first, second = browsers.log_in(key), browsers.log_in(key)
    late = browsers.begin(second)
    browsers.write(late, "c", 1)
    second = browsers.change_password(second)
    browsers.finish(late)
    first = browsers.log_in(first)
    browsers.log_out(key)
    browsers.expire(key)
    browsers.overlap(first, first={"a": 1}, second={"b": 2})
    browsers.expire(first)
    browsers.end_others(second)
    browsers.deactivate_and_reactivate()
    browsers.log_in(first)
    browsers.reset_password()

    browsers.each_key_opens_what_it_should_and_nothing_else()
    browsers.no_row_is_left_or_missing()
    browsers.teardown()


@pytest.mark.django_db
def test_logins_in_stages_that_overlap_go_by_the_model(stages: None) -> None:
    browsers = Browsers()
    key = browsers.visit(value=0)
    first, second = browsers.log_in_half(key), browsers.log_in_half(key)
    browsers.log_in_wholly(key, first)
    browsers.log_in_wholly(key, first)
    new = browsers.log_in_wholly(key, second)
    third = browsers.log_in_half(new)
    browsers.reset_password()
    browsers.log_in_wholly(new, third)

    browsers.each_key_opens_what_it_should_and_nothing_else()
    browsers.no_row_is_left_or_missing()
    browsers.teardown()


@pytest.mark.django_db
def test_no_account_is_there_before_somebody_makes_one() -> None:
    """ASVS 6.3.2"""
    assert User.objects.count() == 0
