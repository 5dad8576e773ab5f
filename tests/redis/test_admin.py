"""Lists and commands, where sessions are in no table."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models import Q
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from session_auth import models, stored_sessions
from session_auth.engines.redis.client import store
from session_auth.keys import digest
from session_auth.stored_sessions import StoredSessions
from tests.api_client import PASSWORD, id_of, signed_in
from tests.storing import stored

pytestmark = pytest.mark.django_db

LIST = "/admin/session_auth/session/"
TABLE = models.Session._meta.db_table


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    return client


def pages() -> Iterator[str]:
    """Yield each list of the admin."""
    for namespace in get_resolver().namespace_dict["admin"][1].reverse_dict:
        if isinstance(namespace, str) and namespace.endswith("_changelist"):
            app, model = namespace.removesuffix("_changelist").rsplit("_", 1)
            yield f"/admin/{app}/{model}/"


def test_no_page_of_the_admin_asks_the_empty_table(staff: Client, alice: User) -> None:
    here, other = signed_in(), signed_in()
    lists = list(pages())
    assert LIST in lists
    assert "/admin/auth/user/" in lists
    one = f"{LIST}{quote(id_of(here))}"
    select = {"action": "delete_selected", "_selected_action": [id_of(other)]}

    with CaptureQueriesContext(connection) as queries:
        answers = [
            *(staff.get(path) for path in ("/admin/", *lists, LIST + "?q=alice&o=2.-6")),
            *(staff.get(f"{one}/{page}/") for page in ("change", "history", "delete")),
            staff.get(f"/admin/auth/user/{alice.pk}/change/"),
            staff.post(LIST, select),
            staff.post(LIST, select | {"post": "yes"}, follow=True),
            staff.post(f"{one}/delete/", {"post": "yes"}, follow=True),
        ]

    assert {answer.status_code for answer in answers} == {200}
    assert (here.user(), other.user()) == (None, None)
    assert [query["sql"] for query in queries if f'"{TABLE}"' in query["sql"]] == []


def test_the_columns_are_those_of_the_table(staff: Client, alice: User) -> None:
    here = signed_in()

    page = staff.get(LIST, {"q": "alice"}).content.decode()

    for column in (id_of(here)[:8], "alice", "127.0.0.1", "live"):
        assert f">{column}" in page
    assert "1 session\n" in page


def test_a_session_of_a_visitor_has_no_user(staff: Client) -> None:
    visitor = stored(cart=1)

    page = staff.get(LIST, {"user__isempty": "1"}).content.decode()
    others = staff.get(LIST, {"user__isempty": "0"}).content.decode()

    assert digest(str(visitor.session_key))[:8] in page
    assert ('class="field-of_user">-' in page, 'class="field-of_user">-' in others) == (True, False)


def test_a_page_of_a_session_that_is_not_there_is_none(staff: Client, alice: User) -> None:
    ended = signed_in()
    session_id = id_of(ended)
    ended.log_out()

    for each in (session_id, "x", "{a}"):
        assert staff.get(f"{LIST}{quote(each)}/change/", follow=True).redirect_chain


def test_what_nobody_can_look_for_is_said(staff: Client) -> None:
    assert staff.get(LIST, {"user__username": "root"}).status_code == 400
    assert staff.get(LIST, {"version__range": "1"}, follow=True).redirect_chain
    for condition in (Q(ip="a") | Q(ip="b"), ~Q(ip="a"), Q(data__regex="a")):
        with pytest.raises(ValueError, match="cannot be looked for"):
            StoredSessions().filter(condition)


def test_a_list_says_that_there_are_more(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_sessions, "LOOKED_AT", 2)
    for _ in range(3):
        signed_in()

    assert "2+ sessions" in staff.get(LIST).content.decode()


def test_lists_are_sorted_whatever_is_missing(staff: Client, alice: User) -> None:
    visitor, here = stored(cart=1), signed_in()

    rows = StoredSessions().order_by("user_id", "-pk")

    assert next(row.user_id for row in rows) is None
    keys = [row.user_id for row in rows if row.user_id is not None]
    assert keys == sorted(keys)
    assert next(row.pk for row in rows.order_by("-user_id")) == id_of(here)
    assert len(rows._clone()) == 3
    assert visitor.session_key


@override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=1))
def test_commands_end_and_delete_what_is_in_redis(
    alice: User, bob: User, clock: Any, ends: list[Any], capsys: Any
) -> None:
    alices, bobs = signed_in(), signed_in("bob")

    call_command("end_sessions", user="alice")
    assert (alices.user(), bobs.user() is not None) == (None, True)
    assert ends == [(id_of(alices), alice.pk, "ended_by_admin")]

    ends.clear()
    clock.shift(timedelta(days=14))
    call_command("clearsessions")
    assert ends == [(id_of(bobs), bob.pk, "idle")]
    assert list(store().scan("sa:{*}:s:*")) == []

    ends.clear()
    late = signed_in()
    clock.shift(timedelta(days=14))
    call_command("prune_sessions")
    assert ends == [(id_of(late), alice.pk, "idle")]

    last = signed_in()
    call_command("end_sessions", all=True)
    assert last.user() is None
    assert list(store().scan("sa:{*}:s:*")) == []
    out = capsys.readouterr().out
    assert out.count("Sessions ended: 1\n") == 2
    assert "Expired sessions deleted: 1\n" in out
