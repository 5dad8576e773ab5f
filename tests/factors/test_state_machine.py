"""Factors as a state machine: any order of requests against the model of ``doors``."""

from collections.abc import Iterator
from datetime import timedelta

import hypothesis
import pytest
from django.test import override_settings
from hypothesis.stateful import run_state_machine_as_test

from tests.factors.doors import Doors
from tests.factors.model import STAGES, Opened, required_from


@pytest.fixture(autouse=True)
def many_guesses() -> Iterator[None]:
    with override_settings(
        SESSION_AUTH_STAGES=STAGES,
        SESSION_AUTH_REQUIRE_FACTOR=f"{required_from.__module__}.required_from",
        SESSION_AUTH_RECENT_LOGIN=timedelta(days=1),
        SESSION_AUTH_GUESSES_PER_ACCOUNT=10_000,
        SESSION_AUTH_GUESSES_PER_ADDRESS=10_000,
    ):
        yield


@pytest.mark.django_db
def test_no_order_of_requests_gets_past_a_factor() -> None:
    run_state_machine_as_test(
        Doors, settings=hypothesis.settings(max_examples=25, stateful_step_count=25)
    )


@pytest.fixture
def doors(db: None) -> Iterator[Doors]:
    """The model, to walk through by hand: what a random walk may miss."""
    machine = Doors()
    yield machine
    machine.those_are_logged_in_who_should_be()
    machine.each_factor_is_there_that_should_be()
    machine.sessions_tell_what_was_proven()
    machine.teardown()


def test_an_app_goes_by_the_model(doors: Doors) -> None:
    doors.begin_app(0)
    doors.confirm_app(0, is_right=True, steps=0)
    doors.log_in(0, is_right=False)
    doors.log_in(0, is_right=True)
    doors.confirm_app(0, is_right=True, steps=0)
    old = doors.begin_app(0)
    doors.confirm_app(0, is_right=False, steps=0)
    doors.confirm_app(0, is_right=True, steps=-1)
    doors.log_in(1, is_right=True)
    doors.pass_by_app(1, old, steps=-1, trust=False)
    doors.pass_by_app(1, old, steps=0, trust=True)
    doors.pass_by_app(1, old, steps=1, trust=False)
    assert [browser.session.methods for browser in doors.browsers if browser.session] == [
        {"password", "totp"}
    ] * 2
    doors.log_in(1, is_right=True)
    doors.begin_app(1)
    doors.remove_app(1)
    doors.make_codes(1)
    doors.add_passkey(1)
    doors.remove_codes(1)
    assert doors.browsers[1].session == Opened({"password"})  # one factor, in a trusted browser
    doors.prove_by_app(1, old, steps=0)
    doors.prove_by_app(1, old, steps=1)
    new = doors.begin_app(1)
    doors.wait(300)
    doors.confirm_app(1, is_right=True, steps=0)
    new = doors.begin_app(1)
    doors.confirm_app(1, is_right=True, steps=0)
    assert doors.browsers[0].session is not None
    assert not doors.browsers[0].session.is_alive
    doors.log_in(1, is_right=True)
    doors.pass_by_app(1, old, steps=1, trust=False)
    doors.pass_by_app(1, new, steps=1, trust=False)
    doors.remove_app(1)
    doors.remove_app(1)
    doors.prove_by_app(1, new, steps=1)
    doors.prove_by_app(0, new, steps=1)


def test_passkeys_go_by_the_model(doors: Doors) -> None:
    doors.log_in(0, is_right=True)
    key, other = doors.add_passkey(0), doors.add_passkey(0)
    doors.log_in(1, is_right=True)
    doors.pass_by_passkey(1, key)
    doors.pass_by_passkey(1, key)
    doors.log_in_by_passkey(1, other)
    doors.remove_passkey(1, key)
    doors.log_in_by_passkey(0, key)
    doors.log_in(0, is_right=True)
    doors.pass_by_passkey(0, key)
    doors.wait(300)
    doors.wait(300)
    doors.pass_by_passkey(0, other)
    doors.add_passkey(0)
    doors.log_in_by_passkey(0, other)
    doors.remove_passkey(0, key)
    doors.log_in(1, is_right=True)
    doors.remove_passkey(0, other)
    doors.pass_by_passkey(1, other)
    assert doors.browsers[1].session is not None
    assert doors.browsers[1].session.methods == {"password"}


def test_recovery_codes_go_by_the_model(doors: Doors) -> None:
    doors.make_codes(0)
    doors.log_in(0, is_right=True)
    taken = doors.take_over_code("0")
    secret = doors.begin_app(0)
    doors.confirm_app(0, is_right=True, steps=-1)
    doors.log_in(1, is_right=True)
    doors.pass_by_code(1, taken)
    doors.pass_by_code(1, taken)
    doors.prove_by_code(1, taken)
    doors.take_over_code("0")
    doors.prove_by_code(1, taken)
    first, second, *_ = doors.make_codes(1).values
    doors.take_over_code("1")
    doors.log_in(0, is_right=True)
    doors.pass_by_code(0, first)
    doors.prove_by_code(0, first)
    doors.prove_by_code(0, second)
    doors.prove_by_password(0, is_right=False)
    doors.prove_by_password(0, is_right=True)
    doors.remove_codes(1)
    assert doors.browsers[0].session is not None
    assert not doors.browsers[0].session.is_alive
    doors.remove_codes(1)
    doors.remove_codes(0)
    doors.pass_by_app(0, secret, steps=0, trust=False)


def test_ends_and_an_administrator_go_by_the_model(doors: Doors) -> None:
    doors.log_out(0)
    doors.end_others(0)
    doors.log_in(0, is_right=True)
    secret = doors.begin_app(0)
    doors.confirm_app(0, is_right=True, steps=-1)
    doors.log_in(1, is_right=True)
    doors.reset_password()
    doors.pass_by_app(1, secret, steps=0, trust=False)
    doors.log_in(1, is_right=True)
    doors.pass_by_app(1, secret, steps=0, trust=True)
    doors.log_in(0, is_right=True)
    doors.end_others(1)
    doors.pass_by_app(0, secret, steps=1, trust=False)
    doors.log_in(1, is_right=True)
    doors.log_out(1)
    doors.pass_by_app(1, secret, steps=1, trust=False)
    doors.log_in(1, is_right=True)
    doors.administrator_removes_all()
    doors.pass_by_app(1, secret, steps=1, trust=False)
    doors.log_in(1, is_right=True)
    assert doors.browsers[1].session is not None
    assert doors.browsers[1].session.methods == {"password"}


def test_a_factor_that_is_required_goes_by_the_model(doors: Doors) -> None:
    doors.log_in(1, is_right=True)
    doors.require_factor(value=True)
    doors.pass_by_setup(0, is_right=True)
    doors.log_in(0, is_right=True)
    doors.pass_by_app(0, b"?" * 20, steps=0, trust=False)
    doors.pass_by_setup(0, is_right=False)
    doors.wait(300)
    doors.pass_by_setup(0, is_right=True)
    doors.log_in(0, is_right=True)
    doors.pass_by_setup(0, is_right=True)
    assert doors.browsers[0].session is not None
    assert doors.browsers[0].session.methods == {"password", "totp_setup"}
    doors.log_in(1, is_right=True)
    doors.pass_by_setup(1, is_right=True)
    doors.remove_app(0)
    assert doors.browsers[0].session.is_alive
