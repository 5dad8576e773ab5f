"""Real threads on real connections: sixteen at once, and one wins."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connection, transaction
from django.test import RequestFactory, override_settings

from session_auth import testing
from session_auth.factors import changes, rows
from session_auth.factors.changes import Change
from session_auth.factors.models import Factor, Kind
from session_auth.factors.recovery import id_of
from session_auth.factors.takeover import recovery_code
from session_auth.models import Session
from session_auth.sessions import end_sessions
from session_auth.sessions.listing import end_by_ids
from session_auth.sessions.proofs import retract
from tests.api_client import AUTH, ApiClient, signed_in
from tests.api_client import id_of as session_id
from tests.clock import NOON
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    code_of,
    half_way,
    make_codes,
    options_for,
    register,
    second_factor,
    set_up_app,
)
from tests.factors.taken import taken
from tests.factors.test_required import STAGES as BOTH
from tests.storing import SessionStore
from tests.test_races import at_once

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("many_guesses"),
]

AT_ONCE = 16


@pytest.fixture
def many_guesses() -> Any:
    """Let the throttle not be what stops them."""
    with override_settings(SESSION_AUTH_GUESSES_PER_ACCOUNT=1000):
        yield


def statuses(*calls: Callable[[], Any]) -> list[int]:
    return sorted(response.status_code for response in at_once(*calls))


def test_of_many_logins_with_one_code_one_wins(clock: Any, alice: User) -> None:
    """CVE-2026-82470"""
    secret = set_up_app(signed_in())
    browsers = [half_way() for _ in range(AT_ONCE)]
    written = [f"{code_of(secret)}", f" {code_of(secret)}", f"{code_of(secret)}\t"]

    found = statuses(
        *[
            partial(second_factor, browser, "totp", code=written[number % len(written)])
            for number, browser in enumerate(browsers)
        ]
    )

    assert found == [200, *[401] * (AT_ONCE - 1)]
    assert Session.objects.filter(user=alice).count() == 2


def test_of_many_logins_with_one_recovery_code_one_wins(clock: Any, alice: User) -> None:
    here = signed_in()
    set_up_app(here)
    code = make_codes(here)[0]
    browsers = [half_way() for _ in range(AT_ONCE)]

    found = statuses(*[partial(second_factor, each, "recovery", code=code) for each in browsers])

    assert found == [200, *[401] * (AT_ONCE - 1)]
    assert Factor.objects.filter(kind=Kind.RECOVERY).count() == 9


def test_of_many_logins_with_one_code_that_was_taken_over_one_wins(clock: Any, alice: User) -> None:
    set_up_app(signed_in())
    taken(*(recovery_code("codes", user_id=alice.pk, code=code) for code in ("12345678", "2")))
    browsers = [half_way() for _ in range(AT_ONCE)]

    found = statuses(
        *[partial(second_factor, each, "recovery", code="1234-5678") for each in browsers]
    )

    assert found == [200, *[401] * (AT_ONCE - 1)]
    assert Factor.objects.filter(kind=Kind.RECOVERY).count() == 1


def test_of_many_answers_to_one_challenge_one_wins(alice: User) -> None:
    passkey = Authenticator()
    register(signed_in(), passkey)
    browser = ApiClient()
    body = {"credential": passkey.get(options_for(browser))}

    def log_in() -> Any:
        copy = ApiClient()
        copy.cookies.update(browser.cookies)
        return copy.call("POST", AUTH + "login/passkey/", body)

    assert statuses(*[log_in] * AT_ONCE) == [200, *[401] * (AT_ONCE - 1)]


def test_of_many_registrations_of_one_passkey_one_wins(alice: User) -> None:
    browser, passkey = signed_in(), Authenticator()
    options = browser.call("POST", AUTH + "factors/passkeys/options/").json()["publicKey"]
    body = {"credential": passkey.create(options)}

    def send() -> Any:
        copy = ApiClient()
        copy.cookies.update(browser.cookies)
        return copy.call("POST", AUTH + "factors/passkeys/", body)

    found = statuses(*[send] * AT_ONCE)

    assert (found.count(201), Factor.objects.count()) == (1, 1)
    assert {status for status in found if status != 201} <= {400, 401, 403}


@pytest.mark.parametrize("attempt", range(8))
def test_a_session_that_ends_adds_no_factor(alice: User, attempt: int) -> None:
    """CVE-2026-134321: either the factor is first, or the end of the session is."""
    request = testing.log_in(RequestFactory().post("/"), alice)
    factor = Factor(id="x" * 43, user_id=alice.pk, kind=Kind.PASSKEY, created_at=alice.date_joined)
    added: list[bool] = []

    def add() -> None:
        # Either it is first, or it is refused.
        with (
            suppress(SessionInterrupted),
            changes.announced(request, alice, Change.ADDED, kind=Kind.PASSKEY),
        ):
            factor.save(force_insert=True)  # pragma: no cover # if it is first
            # Whether the session was still there.
            added.append(Session.objects.filter(user=alice).exists())  # pragma: no cover # likewise

    def end() -> None:
        end_sessions(get_user_model().objects.get(), but="nobody's")

    at_once(*[add, end][: 1 + bool(attempt)])  # the first time, nobody ends it

    assert added in ([], [True])
    assert Factor.objects.exists() == bool(added)
    assert Session.objects.exists() == (attempt == 0)


def test_a_session_that_has_ended_adds_no_factor(clock: Any, alice: User) -> None:
    """CVE-2026-134321"""
    request = testing.log_in(RequestFactory().post("/"), alice)
    assert request.user == alice  # looked up before the end
    end_sessions(alice)

    change = changes.announced(request, alice, Change.ADDED, kind=Kind.PASSKEY)
    with pytest.raises(SessionInterrupted):
        change.__enter__()


def test_no_login_outlives_the_removal_of_its_passkey(alice: User) -> None:
    """Either the removal sees the session, or the login sees the removal."""
    owner, passkey = signed_in(), Authenticator()
    made = register(owner, passkey).json()["passkey"]["id"]
    browsers = [ApiClient() for _ in range(AT_ONCE - 1)]
    bodies = [{"credential": passkey.get(options_for(browser))} for browser in browsers]

    at_once(
        *[
            partial(browser.call, "POST", AUTH + "login/passkey/", body)
            for browser, body in zip(browsers, bodies, strict=True)
        ],
        lambda: owner.call("DELETE", f"{AUTH}factors/passkeys/{made}/"),
    )

    assert not Factor.objects.exists()
    assert [browser.user() for browser in browsers] == [None] * len(browsers)
    assert owner.user()["username"] == "alice"


def two_with_a_proof() -> tuple[ApiClient, ApiClient]:
    owner, there = signed_in(), signed_in()
    proof = {"method": "totp", "code": code_of(set_up_app(there))}
    assert owner.call("POST", AUTH + "reauthenticate/", proof).status_code == 200
    return owner, there


def test_a_session_that_gets_a_new_key_meanwhile_ends_with_its_factor(
    clock: Any, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, there = two_with_a_proof()
    session = SessionStore(there.session_key())

    def renew_first(*args: Any, **kwargs: Any) -> int:
        if not session.modified:
            session.cycle_key()
        return end_by_ids(*args, **kwargs)

    monkeypatch.setattr("session_auth.factors.changes.end_by_ids", renew_first)
    assert owner.call("DELETE", AUTH + "factors/totp/").status_code == 204

    assert session.modified
    assert SessionStore(session.session_key).load() == {}
    assert owner.user() is not None


def test_a_session_that_is_there_and_cannot_be_ended_is_tried_twice(
    clock: Any, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a transaction that does not see what has become of it."""
    owner, there = two_with_a_proof()
    tried: list[list[str]] = []

    def end(ids: list[str], **kwargs: Any) -> int:
        tried.append(ids)
        return 0

    monkeypatch.setattr("session_auth.factors.changes.end_by_ids", end)
    assert owner.call("DELETE", AUTH + "factors/totp/").status_code == 204

    assert tried == [[session_id(there)]] * 2


def test_a_browser_whose_session_gets_a_new_key_while_it_removes_its_factor_is_signed_out(
    clock: Any, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Redis, which locks no row; the one with the new key had proven that factor, too."""
    owner = signed_in()
    set_up_app(owner)
    session = SessionStore(owner.session_key())

    def renew_first(*args: Any) -> bool:
        session.cycle_key()
        return retract(*args)

    monkeypatch.setattr("session_auth.factors.changes.retract", renew_first)
    owner.call("DELETE", AUTH + "factors/totp/")

    assert session.modified
    assert SessionStore(session.session_key).load() == {}


def test_a_login_that_asks_for_its_factor_waits_for_who_removes_it(alice: User) -> None:
    """To look without waiting would find what is gone at the commit."""
    register(signed_in(), Authenticator())
    factor = Factor.objects.get()
    found: list[bool] = []

    def ask() -> None:
        found.append(rows.is_there(factor.id, factor.created_at))
        connection.close()

    asking = Thread(target=ask)
    with transaction.atomic():
        Factor.objects.all().delete()
        asking.start()
        asking.join(0.2)
        assert asking.is_alive()
    asking.join()

    assert found == [False]


@pytest.mark.parametrize("had_some", [False, True])
def test_of_many_who_make_recovery_codes_the_last_one_wins(alice: User, had_some: bool) -> None:
    """Ten are good, however many browsers were shown some."""
    browsers = [signed_in() for _ in range(8)]
    if had_some:
        make_codes(browsers[0])

    found = at_once(
        *[partial(each.call, "POST", AUTH + "factors/recovery-codes/") for each in browsers]
    )

    shown = [response.json()["recovery_codes"] for response in found]
    good = set(Factor.objects.values_list("id", flat=True))
    assert [{id_of(alice.pk, code) for code in codes} for codes in shown].count(good) == 1


def test_two_who_remove_a_factor_are_in_nobodys_way(alice: User) -> None:
    """Each ends the session of the other: in an order, and not in a deadlock."""
    browsers, passkey = [signed_in() for _ in range(6)], Authenticator()
    path = f"{AUTH}factors/passkeys/{register(browsers[0], passkey).json()['passkey']['id']}/"
    for browser in browsers[1:]:
        credential = passkey.get(options_for(browser, "proof"))
        proof = {"method": "passkey", "credential": credential}
        assert browser.call("POST", AUTH + "reauthenticate/", proof).status_code == 200

    found = statuses(*[partial(browser.call, "DELETE", path) for browser in browsers])

    assert found[0] == 200
    assert set(found[1:]) <= {401, 404}  # one that comes in late finds no passkey any more
    assert Session.objects.count() == 1


@override_settings(
    SESSION_AUTH_STAGES=BOTH,
    SESSION_AUTH_REQUIRE_FACTOR="tests.factors.test_required.staff_need_one",
)
def test_of_many_who_set_up_the_first_factor_one_wins(clock: Any, alice: User) -> None:
    """Whoever else knows the password adds none to that of the owner."""
    User.objects.update(is_staff=True)
    clock.move_to(NOON + timedelta(days=15))
    browsers = [ApiClient() for _ in range(AT_ONCE)]
    options = [browser.log_in().json()["publicKey"] for browser in browsers]

    found = statuses(
        *[
            partial(second_factor, browser, "passkey_setup", credential=Authenticator().create(its))
            for browser, its in zip(browsers, options, strict=True)
        ]
    )

    assert (found[0], Factor.objects.count()) == (200, 1)
    assert set(found[1:]) <= {400, 401}
    assert Session.objects.count() == 1
