"""A proof that is taken back stays away, whatever other requests of the session are doing."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.exceptions import SessionInterrupted

from session_auth.sessions.proofs import retract
from session_auth.sessions.values import read_methods
from tests.api_client import signed_in
from tests.storing import SessionStore, another_request_for, data_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(alice: User) -> SessionStore:
    session = SessionStore(signed_in().session_key())
    session.prove("totp")
    session.save()
    return session


def proven_in(session: SessionStore) -> set[str]:
    other = another_request_for(session)
    assert other._record is not None
    return set(read_methods(other._record.methods))


def save(session: SessionStore) -> None:
    session["cart"] = 1
    session.save()


def new_key(session: SessionStore) -> None:
    session.cycle_key()
    save(session)


def new_proof(session: SessionStore) -> None:
    session.prove("password")
    save(session)


@pytest.mark.parametrize("go_on", [save, new_key, new_proof])
def test_a_request_that_has_read_it_does_not_bring_it_back(
    session: SessionStore, go_on: Callable[[SessionStore], None]
) -> None:
    other = another_request_for(session)
    assert retract(session, ["totp"])

    go_on(other)

    assert proven_in(other) == {"password"}
    assert data_of(other)["cart"] == 1


def test_a_session_that_has_ended_meanwhile_gets_no_proof(session: SessionStore) -> None:
    other = another_request_for(session)
    assert retract(session, ["totp"])
    session.flush()

    with pytest.raises(SessionInterrupted):
        other.prove("password")
