"""What can happen to a user with two browsers, each in any order, and what is answered then."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    multiple,
    rule,
)

from session_auth import passwords
from session_auth.factors import totp
from session_auth.factors.removal import remove_all
from session_auth.factors.takeover import recovery_code, take_over
from tests.api_client import AUTH, PASSWORD
from tests.factors.authenticator import Authenticator
from tests.factors.calls import from_base32, second_factor, told
from tests.factors.model import App, Browser, Half, Model
from tests.logged import secrets as logged_secrets

NUMBERS = st.integers(0, 1)
MOSTLY = st.sampled_from([True, True, True, False])
STEPS = st.integers(-1, 1)
WRONG = (401, "invalid_credentials")
NOT_OFFERED = (400, "invalid_request")
OPENED_BY_APP = {"totp", "totp_setup"}
OPENED_BY_PASSKEY = {"passkey"}
OPENED_BY_CODE = {"recovery"}


class Doors(Model):
    # A walk begins with a user who has all kinds of factors, and is logged in in one browser.

    @initialize(target=Model.secrets)
    def begin_with_an_app(self) -> Any:
        secret = self.begin_app(self.logged_in())
        self.confirm_app(0, is_right=True, steps=-1)
        return secret

    @initialize(target=Model.keys)
    def begin_with_a_passkey(self) -> Any:
        return self.add_passkey(self.logged_in())

    @initialize(target=Model.codes)
    def begin_with_codes(self) -> Any:
        return self.make_codes(self.logged_in())

    def logged_in(self) -> int:
        if self.browsers[0].session is None:
            self.log_in(0, is_right=True)
        return 0

    # Logins

    @rule(at=NUMBERS, is_right=MOSTLY)
    def log_in(self, at: int, is_right: bool) -> None:
        browser = self.browsers[at]
        body = {"username": "alice", "password": PASSWORD if is_right else "wrong"}
        answer = self.call(browser, "POST", "login/", body)
        if not is_right:
            assert told(answer) == WRONG
            return
        due = self.due(browser)
        if due is None:
            assert answer.status_code == 200
            self.open(browser, {"password"})
            return
        assert told(answer) == (401, due)
        browser.half = Half(timezone.now() + timedelta(minutes=10))
        self.halves.append(browser.half)
        self.note_stage(browser, due, answer)

    def note_stage(self, browser: Browser, due: str, answer: Any) -> None:
        if due == "factor_setup_required":
            self.begun(browser, answer.json()["totp"]["secret"])
        else:
            assert answer.json()["methods"] == self.offered()

    def begun(self, browser: Browser, text: str) -> bytes:
        logged_secrets.add(text)
        secret = from_base32(text)
        browser.pending = secret, timezone.now() + timedelta(minutes=5)
        return secret

    def passed(self, browser: Browser, answer: Any, method: str, *, is_right: Any) -> bool:
        """Check the answer to a proof at a login; say whether the user is in by it."""
        half = browser.half
        if half is None or not half.is_alive or half.until <= timezone.now():
            assert told(answer) == (401, "login_expired")
            return False
        due = self.due(browser)
        if due is None:  # what was due is gone
            assert answer.status_code == 200
            self.complete(browser, {"password"})
            return False
        offers = self.offered() if due == "second_factor_required" else ["totp_setup"]
        if method not in offers:
            assert told(answer) == NOT_OFFERED
            return False
        if not is_right():
            assert told(answer) == WRONG
            return False
        assert answer.status_code == 200
        self.complete(browser, {"password", method})
        return True

    def complete(self, browser: Browser, methods: set[str]) -> None:
        assert browser.half is not None
        browser.half.is_alive = False
        self.open(browser, methods)

    @rule(at=NUMBERS, secret=Model.secrets, steps=STEPS, trust=MOSTLY)
    def pass_by_app(self, at: int, secret: bytes, steps: int, trust: bool) -> None:
        browser = self.browsers[at]
        self.moved.shift(1)
        code = totp.code_at(secret, totp.current_step() + steps)
        answer = second_factor(browser.client, "totp", code=code, trust=trust)

        def is_right() -> bool:
            return self.is_right(secret, steps)

        if self.passed(browser, answer, "totp", is_right=is_right) and trust:
            browser.trust = self.trusting()

    @rule(at=NUMBERS, code=Model.codes)
    def pass_by_code(self, at: int, code: str) -> None:
        browser = self.browsers[at]
        self.moved.shift(1)
        answer = second_factor(browser.client, "recovery", code=code)
        if self.passed(browser, answer, "recovery", is_right=lambda: code in self.unused):
            self.unused.remove(code)

    @rule(at=NUMBERS, key=Model.keys)
    def pass_by_passkey(self, at: int, key: Authenticator) -> None:
        browser = self.browsers[at]
        asked = self.call(browser, "POST", "passkeys/options/", {"purpose": "stage"})
        half = browser.half
        if half is None or not half.is_alive or half.until <= timezone.now():
            assert told(asked) == (401, "login_expired")
            return
        credential = key.get(asked.json()["publicKey"])
        answer = second_factor(browser.client, "passkey", credential=credential)
        self.passed(browser, answer, "passkey", is_right=lambda: key.id in self.passkeys)

    @rule(at=NUMBERS, is_right=MOSTLY)
    def pass_by_setup(self, at: int, is_right: bool) -> None:
        """The first factor of a user who must have one."""
        browser = self.browsers[at]
        self.moved.shift(1)
        secret, until = browser.pending or (b"?" * 20, timezone.now())
        code = totp.code_at(secret if is_right else b"!" * 20, totp.current_step())
        half, due = browser.half, self.due(browser)
        is_open = half is not None and half.is_alive and half.until > timezone.now()
        answer = second_factor(browser.client, "totp_setup", code=code)
        if is_open and due == "factor_setup_required" and until <= timezone.now():
            assert told(answer) == (404, "not_found")
            return
        if self.passed(browser, answer, "totp_setup", is_right=lambda: is_right):
            self.app, browser.pending = App(secret, totp.current_step()), None

    @rule(at=NUMBERS, key=Model.keys)
    def log_in_by_passkey(self, at: int, key: Authenticator) -> None:
        browser = self.browsers[at]
        options = self.call(browser, "POST", "passkeys/options/", {}).json()["publicKey"]
        answer = self.call(browser, "POST", "login/passkey/", {"credential": key.get(options)})
        if key.id not in self.passkeys:
            assert told(answer) == (401, "unknown_passkey")
            return
        assert answer.status_code == 200
        self.open(browser, {"passkey"})

    # Proofs of who is logged in

    def proven(self, browser: Browser, answer: Any, method: str, *, is_right: Any) -> bool:
        session = browser.session
        if session is None or not session.is_alive:
            assert answer.status_code == 401
            return False
        if method not in ["password", *self.offered()]:
            assert told(answer) == NOT_OFFERED
            return False
        if not is_right():
            assert told(answer) == WRONG
            return False
        assert answer.status_code == 200
        session.methods.add(method)
        return True

    @rule(at=NUMBERS, is_right=MOSTLY)
    def prove_by_password(self, at: int, is_right: bool) -> None:
        browser = self.browsers[at]
        body = {"password": PASSWORD if is_right else "wrong"}
        answer = self.call(browser, "POST", "reauthenticate/", body)
        self.proven(browser, answer, "password", is_right=lambda: is_right)

    @rule(at=NUMBERS, secret=Model.secrets, steps=STEPS)
    def prove_by_app(self, at: int, secret: bytes, steps: int) -> None:
        browser = self.browsers[at]
        self.moved.shift(1)
        code = totp.code_at(secret, totp.current_step() + steps)
        body = {"method": "totp", "code": code}
        answer = browser.client.call("POST", AUTH + "reauthenticate/", body)
        self.proven(browser, answer, "totp", is_right=lambda: self.is_right(secret, steps))

    @rule(at=NUMBERS, code=Model.codes)
    def prove_by_code(self, at: int, code: str) -> None:
        browser = self.browsers[at]
        body = {"method": "recovery", "code": code}
        answer = self.call(browser, "POST", "reauthenticate/", body)
        if self.proven(browser, answer, "recovery", is_right=lambda: code in self.unused):
            self.unused.remove(code)

    # Changes of factors

    @rule(target=Model.secrets, at=NUMBERS)
    def begin_app(self, at: int) -> Any:
        browser = self.browsers[at]
        answer = self.call(browser, "POST", "factors/totp/")
        with self.changing(browser, answer) as session:
            return multiple() if session is None else self.begun(browser, answer.json()["secret"])

    @rule(at=NUMBERS, is_right=MOSTLY, steps=STEPS)
    def confirm_app(self, at: int, is_right: bool, steps: int) -> None:
        browser = self.browsers[at]
        self.moved.shift(1)
        secret, until = browser.pending or (b"?" * 20, timezone.now())
        step = totp.current_step() + steps
        body = {"code": totp.code_at(secret if is_right else b"!" * 20, step)}
        answer = browser.client.call("POST", AUTH + "factors/totp/confirm/", body)
        with self.changing(browser, answer) as session:
            if session is None:
                return
            if until <= timezone.now():
                assert told(answer) == (404, "not_found")
            elif not is_right:
                assert told(answer) == (400, "invalid_request")
            else:
                assert answer.status_code == 201
                if self.app is not None:
                    self.forget(session, OPENED_BY_APP)
                self.app, browser.pending = App(secret, step), None
                session.methods.add("totp")
                session.is_alive = True

    @rule(target=Model.keys, at=NUMBERS)
    def add_passkey(self, at: int) -> Any:
        browser = self.browsers[at]
        asked = self.call(browser, "POST", "factors/passkeys/options/")
        with self.changing(browser, asked) as session:
            if session is None:
                return multiple()
            key = Authenticator()
            credential = key.create(asked.json()["publicKey"])
            body = {"credential": credential, "name": "Laptop"}
            answer = self.call(browser, "POST", "factors/passkeys/", body)
            assert answer.status_code == 201
            self.passkeys[key.id] = answer.json()["passkey"]["id"]
            session.methods.add("passkey")
            return key

    @rule(target=Model.codes, at=NUMBERS)
    def make_codes(self, at: int) -> Any:
        browser = self.browsers[at]
        answer = self.call(browser, "POST", "factors/recovery-codes/")
        with self.changing(browser, answer) as session:
            if session is None:
                return multiple()
            made = answer.json()["recovery_codes"]
            logged_secrets.update(made)
            self.unused = self.made_here = set(made)
            self.end_sessions(but=session, opened_by=OPENED_BY_CODE)
            return multiple(*made[:3])

    def removed(self, at: int, path: str, *, is_there: bool, methods: set[str]) -> bool:
        browser = self.browsers[at]
        answer = self.call(browser, "DELETE", path)
        with self.changing(browser, answer) as session:
            if session is None:
                return False
            if not is_there:
                assert told(answer) == (404, "not_found")
                return False
            assert answer.status_code in (200, 204)
            self.forget(session, methods)
            return True

    @rule(at=NUMBERS)
    def remove_app(self, at: int) -> None:
        if self.removed(at, "factors/totp/", is_there=bool(self.app), methods=OPENED_BY_APP):
            self.app = None

    @rule(at=NUMBERS)
    def remove_codes(self, at: int) -> None:
        is_there = bool(self.unused)
        if self.removed(at, "factors/recovery-codes/", is_there=is_there, methods=OPENED_BY_CODE):
            self.unused = set()

    @rule(at=NUMBERS, key=Model.keys)
    def remove_passkey(self, at: int, key: Authenticator) -> None:
        path = f"factors/passkeys/{self.passkeys.get(key.id, 'gone')}/"
        is_there = key.id in self.passkeys
        if self.removed(at, path, is_there=is_there, methods=OPENED_BY_PASSKEY):
            del self.passkeys[key.id]

    # Ends, an administrator, and what comes from elsewhere

    @rule(at=NUMBERS)
    def log_out(self, at: int) -> None:
        browser = self.browsers[at]
        assert self.call(browser, "POST", "logout/").status_code == 200
        for one in (browser.session, browser.half):
            if one is not None:
                one.is_alive = False

    @rule(at=NUMBERS)
    def end_others(self, at: int) -> None:
        browser = self.browsers[at]
        answer = self.call(browser, "DELETE", "sessions/")
        if browser.session is None or not browser.session.is_alive:
            assert answer.status_code == 401
            return
        assert answer.status_code == 200
        self.end_sessions(but=browser.session)
        self.end_halves()
        self.generation += 1

    @rule()
    def reset_password(self) -> None:
        """It changes no factor, and logs nobody in."""
        self.moved.shift(1)
        form = SetPasswordForm(self.user, {"new_password1": PASSWORD, "new_password2": PASSWORD})
        assert form.is_valid()
        passwords.reset_password(form)
        self.end_sessions()
        self.end_halves()

    @rule()
    def administrator_removes_all(self) -> None:
        self.moved.shift(1)
        remove_all(self.user, reason="Showed a passport.")
        self.end_sessions()
        self.end_halves()
        self.app, self.passkeys, self.unused = None, {}, set()
        self.generation += 1

    @rule(value=st.booleans())
    def require_factor(self, value: bool) -> None:
        self.is_required = value
        User.objects.update(is_staff=value)

    @rule(target=Model.codes, number=st.sampled_from("012"))
    def take_over_code(self, number: str) -> str:
        code = f"1234567{number}"
        found = recovery_code(number, user_id=self.user.pk, code=code)
        result = take_over([found], source="the old one")
        if number not in self.taken_over and not self.unused & self.made_here:
            assert result.taken == [found]
            self.taken_over.add(number)
            self.unused.add(code)
        else:
            assert result.taken == []
        return code

    @rule(seconds=st.sampled_from([30, 300]))
    def wait(self, seconds: int) -> None:
        self.moved.shift(seconds)
