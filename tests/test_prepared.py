"""What docs/deployment.md advises for PostgreSQL; elsewhere, that the look-up needs none of it."""

import re
from ast import literal_eval
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, connections
from django.db.models import F
from django.test import override_settings

from session_auth.engines.database import SessionStore
from session_auth.models import EndedSession, Session
from tests.api_client import AUTH, PASSWORD, signed_in

PAGE = Path(__file__).parent.parent / "docs" / "deployment.md"
IS_POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture
def prepared() -> Iterator[Any]:
    """Make the connection one that has the options of the page."""
    [options] = re.findall(r'\["OPTIONS"\] = (\{.*\})', PAGE.read_text())
    before = connections["default"]
    preparing = before.copy()
    if IS_POSTGRESQL:
        preparing.settings_dict["OPTIONS"] |= literal_eval(options)
    connections["default"] = preparing
    yield preparing
    preparing.close()
    connections["default"] = before


@pytest.mark.django_db(transaction=True)
def test_the_look_up_is_prepared_once_for_all_sessions(prepared: Any) -> None:
    sessions = [SessionStore() for _ in range(3)]
    for number, session in enumerate(sessions):
        session["number"] = number
        session.save()

    found = [SessionStore(session.session_key).load() for session in sessions]

    assert found == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert look_ups_prepared(prepared) == (1 if IS_POSTGRESQL else 0)


def look_ups_prepared(connection: Any) -> int:
    if not IS_POSTGRESQL:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT statement FROM pg_prepared_statements WHERE statement LIKE %s",
            ['SELECT "session_auth_session"."id"%JOIN%'],
        )
        return len(cursor.fetchall())


# A statement that PostgreSQL takes with the parameters in it may be refused with them beside it.

kept = override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=90))


def reasons() -> list[str]:
    return list(EndedSession.objects.order_by("reason").values_list("reason", flat=True))


@kept
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("call", "body", "ended"),
    [
        ("POST logout/", {}, ["logout"]),
        ("POST login/", {"username": "alice", "password": PASSWORD}, ["replaced"]),
        ("POST reauthenticate/", {"password": PASSWORD}, []),
        ("DELETE sessions/", None, ["ended_by_user"]),
        (
            "POST password/change/",
            {"old_password": PASSWORD, "new_password": "another long sentence"},
            ["password_changed"],
        ),
    ],
)
def test_sessions_end_and_are_renewed_with_these_options_too(
    prepared: Any, alice: User, call: str, body: object, ended: list[str]
) -> None:
    here, _there = signed_in(), signed_in()
    method, path = call.split()

    response = here.call(method, AUTH + path, body)

    assert response.status_code == 200
    assert reasons() == ended


def deactivate(alice: User) -> None:
    alice.is_active = False
    alice.save()


def time_out(alice: User) -> None:
    Session.objects.update(expires_at=F("created_at"))
    call_command("clearsessions")


@kept
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (deactivate, "deactivated"),
        (User.delete, "deleted"),
        (lambda alice: call_command("end_sessions", user="alice"), "ended_by_admin"),
        (lambda alice: call_command("end_sessions", all=True), "ended_by_admin"),
        (time_out, "idle"),
    ],
)
def test_others_end_sessions_with_these_options_too(
    prepared: Any, alice: User, end: Callable[[User], object], reason: str
) -> None:
    signed_in()

    end(alice)

    assert not Session.objects.exists()
    assert reasons() == [reason]
