"""PostgreSQL tells other processes of ends; while the connection is cut, they look."""

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings

from session_auth.checks import deployment
from session_auth.doctor.findings import Finding
from session_auth.doctor.project import examine_database
from session_auth.engines import notices
from session_auth.sessions import bus, listen_for_ends, watching
from session_auth.signals import EndReason
from tests.api_client import id_of, signed_in
from tests.faults import databases
from tests.faults.slow import PGBOUNCER, pgbouncer
from tests.live import CLOSED, Elsewhere, Server, heard, opened, wait_until
from tests.outage import unreachable_database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no look find what the bus should tell."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 60.0)
    monkeypatch.setattr(watching, "LOOK_SECONDS_WITH_BUS", 60.0)


def test_a_new_login_of_the_user_in_another_process_closes_nothing(
    server: Server, elsewhere: Elsewhere, alice: User
) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())
    heard()

    elsewhere.does(
        f"old = SessionStore('{browser.session_key()}');"
        "new = old.successor(keep=list(old.keys())); new.save()"
    )

    assert socket.is_quiet(0.8)
    elsewhere.does("end_by_ids([new.info.id], reason=EndReason.LOGOUT)")
    assert socket.next() == CLOSED


def test_a_process_is_told_of_ends_in_others(
    elsewhere: Elsewhere, alice: User, told: list[Any]
) -> None:
    browser = signed_in()
    listen_for_ends()
    listen_for_ends()
    heard()

    elsewhere.does(f"end_by_ids(['{id_of(browser)}'], reason=EndReason.ENDED_BY_ADMIN)")
    elsewhere.does("end_all_sessions(reason=EndReason.LOGOUT)")
    wait_until(lambda: len(told) >= 2)
    asyncio.run(asyncio.sleep(0.2))  # to see that none is told twice

    assert told == [
        (id_of(browser), alice.pk, EndReason.ENDED_BY_ADMIN),
        (None, None, EndReason.LOGOUT),
    ]
    bus.stop()


def test_an_end_that_is_rolled_back_closes_nothing(
    server: Server, elsewhere: Elsewhere, alice: User
) -> None:
    browser = signed_in()
    socket = opened(server, browser.session_key())
    heard()

    elsewhere.does(
        "from django.db import transaction; block = transaction.atomic(); block.__enter__()"
    )
    elsewhere.does(f"end_by_ids(['{id_of(browser)}'], reason=EndReason.LOGOUT)")
    elsewhere.does("transaction.set_rollback(True); block.__exit__(None, None, None)")

    assert socket.is_quiet(0.5)


def test_what_is_told_while_the_connection_is_cut_is_found(
    server: Server, elsewhere: Elsewhere, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus, "RECONNECT_SECONDS", 1.0)
    browsers = [signed_in(), signed_in()]
    sockets = [opened(server, browser.session_key()) for browser in browsers]
    heard()

    databases.cut_connections()
    connection.close()
    elsewhere.does("connection.close()")
    elsewhere.does(f"end_by_ids(['{id_of(browsers[0])}'], reason=EndReason.LOGOUT)")

    assert sockets[0].next() == CLOSED  # since it looks when the connection is there again
    assert heard()
    elsewhere.does(f"end_by_ids(['{id_of(browsers[1])}'], reason=EndReason.LOGOUT)")
    assert sockets[1].next() == CLOSED


def test_a_connection_that_carries_nothing_is_no_bus(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As of PgBouncer in transaction mode, which gives each statement another connection."""
    monkeypatch.setattr(bus, "PROOF_SECONDS", 0.1)
    with override_settings(SESSION_AUTH_LISTEN_AT={"NAME": "postgres"}):
        listen_for_ends()
        wait_until(lambda: any("Is there a pooler in between?" in m for m in caplog.messages))

        assert not bus.is_up()
    bus.stop()


# Behind PgBouncer

behind_pgbouncer = pytest.mark.skipif(not PGBOUNCER, reason="pgbouncer is not installed")


def direct() -> dict[str, str]:
    """Return what differs from the bouncer for the server itself."""
    return {name: connection.settings_dict[name] for name in ("HOST", "PORT")}


@behind_pgbouncer
def test_ends_are_heard_past_a_pgbouncer(server: Server, elsewhere: Elsewhere, alice: User) -> None:
    browser = signed_in()
    with override_settings(SESSION_AUTH_LISTEN_AT=direct()), pgbouncer():
        socket = opened(server, browser.session_key())
        assert heard()

        at = {name: connection.settings_dict[name] for name in ("HOST", "PORT")}
        elsewhere.does(f"connection.close(); connection.settings_dict |= {at!r}")
        elsewhere.does(f"end_by_ids(['{id_of(browser)}'], reason=EndReason.LOGOUT)")

        assert socket.next() == CLOSED
        bus.stop()
    elsewhere.does(f"connection.close(); connection.settings_dict |= {direct()!r}")


@behind_pgbouncer
def test_through_a_pgbouncer_sockets_close_at_the_next_look(
    server: Server, elsewhere: Elsewhere, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.3)
    monkeypatch.setattr(bus, "PROOF_SECONDS", 0.3)
    browser = signed_in()
    with pgbouncer():
        socket = opened(server, browser.session_key())

        elsewhere.does(f"end_by_ids(['{id_of(browser)}'], reason=EndReason.LOGOUT)")

        assert socket.next() == CLOSED
        assert not bus.is_up()
        bus.stop()


@behind_pgbouncer
@pytest.mark.parametrize("databases", [None, ["default"], ["other"]])
def test_the_check_finds_a_pgbouncer_by_asking_it(databases: list[str] | None) -> None:
    def found() -> list[str]:
        messages = deployment.ends_are_heard_past_a_pooler(databases=databases)
        return [str(message.id) for message in messages]

    assert found() == []
    with pgbouncer(port="7432"):
        connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = False

        assert found() == (["session_auth.I104"] if databases == ["default"] else [])


def test_the_check_does_not_ask_who_does_not_answer() -> None:
    with unreachable_database():
        assert deployment.ends_are_heard_past_a_pooler(databases=["default"]) == []


@behind_pgbouncer
def test_the_doctor_tries_whether_a_notice_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "PROOF_SECONDS", 2.0)
    monkeypatch.setattr(notices, "TICK_SECONDS", 0.1)

    assert [(each.level, each.seen) for each in bus_findings()] == [("pass", "it arrives")]
    with override_settings(SESSION_AUTH_LISTEN_AT=direct()), pgbouncer():
        assert [(each.level, each.seen) for each in bus_findings()] == [("pass", "it arrives")]
    with pgbouncer():
        [finding] = bus_findings()
    assert (finding.level, finding.seen) == ("info", "it does not arrive")
    assert "SESSION_AUTH_LISTEN_AT = {'HOST'" in finding.hint
    with override_settings(SESSION_AUTH_LISTEN_AT={"NAME": "no_such_database"}):
        [finding] = bus_findings()
    assert finding.seen.startswith("OperationalError: ")


def bus_findings() -> list[Finding]:
    return [finding for finding in examine_database() if finding.id == "bus"]
