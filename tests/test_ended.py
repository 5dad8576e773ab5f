"""The table of ended sessions: switched on by a setting, and pruned."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.test import Client, override_settings

from session_auth.models import EndedSession, Session
from session_auth.sessions import end_sessions
from session_auth.signals import session_ended
from tests.api_client import PASSWORD, ApiClient, id_of, signed_in
from tests.clock import NOON

pytestmark = pytest.mark.django_db

kept = override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=90))


@contextmanager
def without_table(model: type[Model]) -> Iterator[None]:
    """Make the statements that need the table fail."""
    with connection.schema_editor() as editor:
        editor.alter_db_table(model, model._meta.db_table, "elsewhere")
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(model, "elsewhere", model._meta.db_table)


def test_nothing_is_kept_unless_asked_for(alice: User) -> None:
    signed_in().log_out()

    assert not EndedSession.objects.exists()


@kept
def test_what_is_kept_says_whose_how_when_where_from_and_why(clock: Any, alice: User) -> None:
    here = signed_in(user_agent="Laptop")
    session_id = id_of(here)
    clock.move_to(NOON + timedelta(hours=1))
    here.user()
    clock.move_to(NOON + timedelta(hours=2))

    here.log_out()

    assert EndedSession.objects.values().get() == {
        "session_id": session_id,
        "user_id": str(alice.pk),
        "reason": "logout",
        "methods": '{"password": "2026-11-24T12:00:00Z"}',
        "created_at": NOON,
        "last_seen_at": NOON + timedelta(hours=1),
        "ended_at": NOON + timedelta(hours=2),
        "ip": "127.0.0.1",
        "user_agent": "Laptop",
    }


@kept
def test_several_ends_are_kept_with_one_statement(
    alice: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(20):
        signed_in()

    # The stamp of the user, their rows, the records; two brackets of transactions, and a lock.
    with django_assert_max_num_queries(3 + 4 + 1):
        end_sessions(alice)

    assert EndedSession.objects.count() == 20


@kept
def test_the_session_of_an_anonymous_visitor_leaves_no_record(browser: ApiClient) -> None:
    browser.call("POST", "/api/note/?cart=3")

    browser.get("/api/flush/")

    assert not EndedSession.objects.exists()


@kept
def test_a_record_outlives_its_user(alice: User) -> None:
    signed_in()
    user_id = str(alice.pk)

    alice.delete()

    assert EndedSession.objects.values_list("user_id", "reason").get() == (user_id, "deleted")


@pytest.mark.parametrize("command", ["prune_sessions", "clearsessions"])
def test_old_records_are_pruned_and_young_ones_are_kept(
    clock: Any, alice: User, command: str
) -> None:
    with kept:
        signed_in().log_out()
        clock.move_to(NOON + timedelta(days=1))
        young = signed_in()
        young_id = id_of(young)
        young.log_out()
        clock.move_to(NOON + timedelta(days=90))

        call_command(command)

    assert EndedSession.objects.get().session_id == young_id


def test_records_go_when_the_setting_does(alice: User) -> None:
    with kept:
        signed_in().log_out()

    call_command("prune_sessions", "--batch", "1")

    assert not EndedSession.objects.exists()


@kept
@pytest.mark.django_db(transaction=True)
def test_a_record_that_cannot_be_written_is_in_the_log_whole(
    alice: User, ends: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    here = signed_in(user_agent="Laptop")
    session_id = id_of(here)

    with without_table(EndedSession):
        response = here.log_out()

    assert response.status_code == 200
    assert not Session.objects.exists()
    assert ends == [(session_id, alice.pk, "logout")]
    [lost] = [each for each in caplog.records if "session_record_lost" in each.message]
    logged = {field.attname: vars(lost)[field.attname] for field in EndedSession._meta.fields}
    assert (logged["session_id"], logged["user_id"]) == (session_id, str(alice.pk))
    assert (logged["reason"], logged["user_agent"]) == ("logout", "Laptop")
    assert lost.levelname == "ERROR"


@kept
def test_a_receiver_of_the_end_finds_the_record(alice: User) -> None:
    seen = []

    def look(*, session_id: str, **kwargs: object) -> None:
        seen.append(EndedSession.objects.get(session_id=session_id).reason)

    session_ended.connect(look)
    try:
        signed_in().log_out()
    finally:
        session_ended.disconnect(look)

    assert seen == ["logout"]


@kept
def test_staff_read_the_records_and_can_neither_change_nor_delete_them(alice: User) -> None:
    here = signed_in()
    session_id = id_of(here)
    here.log_out()
    staff = Client()
    staff.force_login(User.objects.create_superuser("root", password=PASSWORD))
    path = "/admin/session_auth/endedsession/"

    one = f"{path}{quote(session_id)}/"

    page = staff.get(path, {"q": session_id}).content.decode()
    record = staff.get(one + "change/").content.decode()
    changed = staff.post(one + "change/", {"reason": "idle"})
    deleted = staff.post(one + "delete/", {"post": "yes"})

    assert "logout" in page
    assert session_id in record
    assert staff.get(path + "add/").status_code == 403
    assert (changed.status_code, deleted.status_code) == (403, 403)
    assert EndedSession.objects.get().reason == "logout"
