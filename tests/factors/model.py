"""What logins and factors should be: a model of a user with two browsers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import time_machine
from django.contrib.auth.models import User
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
)

from session_auth.factors import totp
from session_auth.factors.models import Challenge, Factor, TakenOver
from session_auth.models import LoginAttempt, Session
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.clock import NOON

KNOWN = {"password", "passkey"}
HAD = {"totp", "recovery", "passkey", "totp_setup"}
STAGES = [
    "session_auth.factors.stages.SecondFactor",
    "session_auth.factors.setup_stage.SetUpFactor",
]


def required_from(user: User) -> datetime | None:
    return NOON if user.is_staff else None


@dataclass
class Opened:
    """A session that should be alive, and what was proven in it."""

    methods: set[str]
    is_alive: bool = True

    @property
    def level(self) -> int:
        return 2 if self.methods & KNOWN and self.methods & HAD else 1


@dataclass
class Half:
    """A login that is not complete."""

    until: datetime
    is_alive: bool = True


@dataclass
class App:
    secret: bytes
    last_step: int


@dataclass
class Browser:
    client: ApiClient = field(default_factory=ApiClient)
    session: Opened | None = None
    half: Half | None = None
    pending: tuple[bytes, datetime] | None = None
    """The secret of an app that is being set up, and until when."""

    trust: object = None
    """What the user had when they trusted this browser: it is trusted as long as that is so."""


class Model(RuleBasedStateMachine):
    secrets = Bundle("secrets")
    codes = Bundle("codes")
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.clock = time_machine.travel(NOON, tick=False)
        self.moved = self.clock.start()
        self.user = User.objects.create_user("alice", "alice@example.org", PASSWORD)
        self.browsers = [Browser(), Browser()]
        self.sessions: list[Opened] = []
        self.halves: list[Half] = []
        self.app: App | None = None
        self.unused: set[str] = set()
        self.made_here: set[str] = set()
        self.taken_over: set[str] = set()
        self.passkeys: dict[bytes, str] = {}
        """The ids of the rows, by the ids of the passkeys."""

        self.generation = 0
        self.is_required = False

    def teardown(self) -> None:
        self.clock.stop()
        for model in (Factor, Challenge, LoginAttempt, Session, TakenOver, User):
            model._base_manager.all().delete()

    # What the model knows

    def trusting(self) -> object:
        """Return what a trusted browser is bound to."""
        app = self.app and self.app.secret
        return self.user.password, self.generation, app, frozenset(self.passkeys)

    def has_factor(self) -> bool:
        return self.app is not None or bool(self.passkeys)

    def due(self, browser: Browser) -> str | None:
        """Return the code of the stage that a login with the password has to pass now."""
        if self.has_factor():
            is_trusted = browser.trust == self.trusting()
            return None if is_trusted else "second_factor_required"
        return "factor_setup_required" if self.is_required else None

    def offered(self) -> list[str]:
        found = {"passkey": self.passkeys, "totp": self.app, "recovery": self.unused}
        return [name for name, has in found.items() if has] if self.has_factor() else []

    def refusal(self, browser: Browser) -> tuple[int, str] | None:
        """Return how a change of factors is refused in this browser, if it is."""
        session = browser.session
        if session is None or not session.is_alive:
            return 401, "not_authenticated"
        if session.level < (2 if self.has_factor() else 1):
            return 403, "reauthentication_required"
        return None

    def is_right(self, secret: bytes, steps: int) -> bool:
        """Say whether a code is right, which is used up by that."""
        step = totp.current_step() + steps
        if self.app is None or self.app.secret != secret or step <= self.app.last_step:
            return False
        self.app.last_step = step
        return True

    def end_sessions(self, but: Opened | None = None, opened_by: set[str] | None = None) -> None:
        for session in self.sessions:
            if session is not but and (opened_by is None or opened_by & session.methods):
                session.is_alive = False

    def end_halves(self) -> None:
        for half in self.halves:
            half.is_alive = False

    def open(self, browser: Browser, methods: set[str]) -> None:
        if browser.session is not None:
            browser.session.is_alive = False
        browser.session = Opened(methods)
        self.sessions.append(browser.session)

    def forget(self, session: Opened, methods: set[str]) -> None:
        """Let a factor be gone: sessions that it opened end, this one goes on without it."""
        self.end_sessions(but=session, opened_by=methods)
        session.methods -= methods
        session.is_alive = bool(session.methods)

    def call(self, browser: Browser, method: str, path: str, body: Any = None) -> Any:
        self.moved.shift(1)
        return browser.client.call(method, AUTH + path, body)

    @contextmanager
    def changing(self, browser: Browser, answer: Any) -> Iterator[Opened | None]:
        """Yield the session in which a change is made; or ``None``, if it is refused."""
        refusal = self.refusal(browser)
        if refusal is None:
            yield browser.session
            return
        status, code = refusal
        assert answer.status_code == status
        assert status == 401 or answer.json()["code"] == code
        yield None

    # What must hold at all times

    @invariant()
    def those_are_logged_in_who_should_be(self) -> None:
        for browser in self.browsers:
            is_in = browser.session is not None and browser.session.is_alive
            assert (browser.client.user() is not None) == is_in

    @invariant()
    def each_factor_is_there_that_should_be(self) -> None:
        kinds = [*Factor.objects.values_list("kind", flat=True)]
        counts = {kind: kinds.count(kind) for kind in ("totp", "passkey", "recovery")}
        assert counts == {
            "totp": int(self.app is not None),
            "passkey": len(self.passkeys),
            "recovery": len(self.unused),
        }

    @invariant()
    def sessions_tell_what_was_proven(self) -> None:
        told = sorted(sorted(json.loads(row.methods)) for row in Session.objects.all())
        alive = [session for session in self.sessions if session.is_alive]
        assert told == sorted(sorted(session.methods) for session in alive)
