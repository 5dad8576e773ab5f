"""Sessions and counts of guesses in the admin, and the commands for both."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from session_auth import admin, user_agents
from session_auth.guessing import accounts
from session_auth.models import GuessCount, Session
from tests.api_client import PASSWORD, ApiClient, id_of, signed_in
from tests.guessing import HOME, caller, guess

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password=PASSWORD))
    return client


LIST = "/admin/session_auth/session/"


def test_staff_find_sessions_by_user_and_see_no_key(staff: Client, alice: User, bob: User) -> None:
    here, foreign = signed_in(), signed_in("bob")

    page = staff.get(LIST, {"q": "alice"}).content.decode()

    assert id_of(here)[:8] in page
    assert id_of(foreign)[:8] not in page
    assert here.session_key() not in page


def test_staff_look_at_a_session_and_cannot_change_it(staff: Client, alice: User) -> None:
    here = signed_in()
    path = f"{LIST}{quote(id_of(here))}/change/"

    page = staff.get(path).content.decode()

    assert id_of(here) in page
    assert here.session_key() not in page
    assert 'name="_save"' not in page
    assert staff.get(LIST + "add/").status_code == 403
    assert staff.post(path, {"ip": "x"}).status_code == 403


MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0"


def listed_agents(staff: Client) -> list[str]:
    return re.findall(r'agent"><span.*?</span>', staff.get(LIST).content.decode())


def test_staff_read_a_user_agent_by_its_name_in_one_line(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ApiClient(HTTP_USER_AGENT=MAC).log_in()

    assert f'agent"><span title="{MAC}">Firefox on Mac OS X</span>' in listed_agents(staff)
    monkeypatch.setattr(user_agents, "parse", None)  # without the extra
    assert f'agent"><span title="{MAC}">{MAC[:39]}…</span>' in listed_agents(staff)


def test_a_user_agent_is_text_and_not_html(staff: Client, alice: User) -> None:
    ApiClient(HTTP_USER_AGENT='"><script>alert(1)</script>').log_in()

    assert "<script>alert" not in staff.get(LIST).content.decode()


def test_a_page_of_one_session_has_a_short_heading(staff: Client, alice: User) -> None:
    here = signed_in()

    page = staff.get(f"{LIST}{quote(id_of(here))}/change/").content.decode()

    assert f"<h2>{id_of(here)[:8]}…</h2>" in page


def test_staff_end_the_sessions_that_they_select(
    staff: Client, alice: User, bob: User, ends: list[Any]
) -> None:
    here, foreign = signed_in(), signed_in("bob")

    staff.post(
        LIST,
        {"action": "delete_selected", "_selected_action": [id_of(here)], "post": "yes"},
    )

    assert ends == [(id_of(here), alice.pk, "ended_by_admin")]
    assert (here.user(), foreign.user() is not None) == (None, True)


def test_staff_end_one_session(staff: Client, alice: User, ends: list[Any]) -> None:
    here = signed_in()

    staff.post(f"{LIST}{quote(id_of(here))}/delete/", {"post": "yes"})

    assert ends == [(id_of(here), alice.pk, "ended_by_admin")]


def test_the_page_that_asks_first_names_numbers_and_not_each_session(
    staff: Client, alice: User
) -> None:
    browsers = [signed_in() for _ in range(3)]
    select = {"action": "delete_selected", "_selected_action": [id_of(browsers[0])]}

    page = staff.post(LIST, select | {"select_across": "1"}).content.decode()
    few = staff.post(LIST, select | {"select_across": "0"}).content.decode()

    assert "4 sessions" in page  # and that of the staff
    assert 'name="select_across" value="1"' in page
    assert "1 session<" in few
    assert [id_of(browser) in few for browser in browsers] == [True, False, False]


def test_staff_end_all_sessions_that_match(staff: Client, alice: User, bob: User) -> None:
    alices, bobs = [signed_in() for _ in range(3)], signed_in("bob")

    staff.post(
        LIST + "?q=alice",
        {
            "action": "delete_selected",
            "_selected_action": [id_of(alices[0])],
            "select_across": "1",
            "post": "yes",
        },
    )

    assert [browser.user() for browser in alices] == [None] * 3
    assert bobs.user() is not None


def test_staff_without_the_right_to_delete_end_nothing(alice: User) -> None:
    reader = User.objects.create_user("reader", password=PASSWORD, is_staff=True)
    reader.user_permissions.add(
        Permission.objects.get(codename="view_session", content_type__app_label="session_auth")
    )
    here, client = signed_in(), Client()
    client.force_login(reader)

    client.post(
        LIST, {"action": "delete_selected", "_selected_action": [id_of(here)], "post": "yes"}
    )

    assert here.user() is not None


def expired(browser: ApiClient) -> str:
    Session.objects.filter(id=id_of(browser)).update(expires_at=timezone.now() - timedelta(1))
    return id_of(browser)[:8]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, {"live", "expired"}),
        ({"state": "live"}, {"live"}),
        ({"state": "expired"}, {"expired"}),
        ({"user__isempty": "1"}, set()),
        ({"q": "ALI"}, {"live", "expired"}),
        ({"q": " "}, {"live", "expired"}),
        ({"q": "alices"}, set()),
        ({"q": "192.0.2.7"}, {"live"}),
        ({"q": "192.0.2.8"}, set()),
    ],
)
def test_staff_find_sessions_and_see_which_have_expired(
    staff: Client, alice: User, query: dict[str, str], shown: set[str]
) -> None:
    live, old = signed_in(), signed_in()
    Session.objects.filter(id=id_of(live)).update(ip="192.0.2.7")
    ids = {"live": id_of(live)[:8], "expired": expired(old)}

    page = staff.get(LIST, query).content.decode()

    assert {state for state, short in ids.items() if short in page} == shown
    assert ('class="field-state">expired' in page) is ("expired" in shown)
    details = staff.get(f"{LIST}{quote(id_of(old))}/change/").content.decode()
    assert ">expired<" in details


def test_a_whole_id_finds_its_session_and_a_whole_name_its_user(staff: Client, alice: User) -> None:
    User.objects.create_user("alicesson", password=PASSWORD)
    here, other = signed_in(), signed_in("alicesson")

    by_id = staff.get(LIST, {"q": id_of(other)}).content.decode()
    by_name = staff.get(LIST, {"q": "alice"}).content.decode()

    assert [id_of(each)[:8] in by_id for each in (here, other)] == [False, True]
    assert [id_of(each)[:8] in by_name for each in (here, other)] == [True, False]


def test_a_list_counts_no_more_rows_than_anybody_looks_at(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "COUNTED_ROWS", 2)
    signed_in()
    assert "2 sessions" in staff.get(LIST).content.decode()

    signed_in()
    page = staff.get(LIST).content.decode()

    assert "2+ sessions" in page
    assert "All 2+ selected" in page


@pytest.mark.parametrize("path", [LIST, "/admin/session_auth/endedsession/"])
def test_a_list_is_sorted_by_an_index_alone(
    staff: Client, path: str, django_assert_num_queries: Any
) -> None:
    with CaptureQueriesContext(connection) as queries:
        staff.get(path)

    [listed] = [q["sql"] for q in queries if "ORDER BY" in q["sql"] and "COUNT" not in q["sql"]]
    sort = listed.split("ORDER BY")[1]
    assert "_at" in sort
    assert "," not in sort


@override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=1))
@pytest.mark.parametrize(
    ("query", "is_shown"),
    [
        ({"reason": "logout"}, True),
        ({"reason": "deleted"}, False),
        ({"q": "{user}"}, True),
        ({"q": "{session}"}, True),
        ({"q": "0"}, False),
    ],
)
def test_staff_find_why_a_session_ended(
    staff: Client, alice: User, query: dict[str, str], is_shown: bool
) -> None:
    here = signed_in()
    ids = {"user": alice.pk, "session": id_of(here)}
    here.log_out()

    query = {key: value.format(**ids) for key, value in query.items()}
    page = staff.get("/admin/session_auth/endedsession/", query).content.decode()

    assert ('class="field-why">logged out' in page) is is_shown


def test_the_end_of_many_sessions_is_one_entry_of_the_log_and_says_end(
    staff: Client, alice: User
) -> None:
    for _ in range(3):
        signed_in()
    assert "End selected sessions" in staff.get(LIST).content.decode()
    ids = list(Session.objects.filter(user=alice).values_list("id", flat=True))

    form = {"action": "delete_selected", "_selected_action": ids, "post": "yes"}
    page = staff.post(LIST, form, follow=True).content.decode()

    assert "Ended 3 sessions." in page
    assert [str(entry.object_repr) for entry in LogEntry.objects.all()] == ["3 sessions"]


COUNTS = "/admin/session_auth/guesscount/"


def test_staff_unlock_an_account_by_deleting_what_was_counted_for_it(
    staff: Client, alice: User, clock: Any
) -> None:
    guess(caller(), 6)
    guess(caller(), 1, "nobody")
    assert "0 counts of guesses" in staff.get(COUNTS).content.decode()

    page = staff.get(COUNTS, {"q": " alice@example.org"}).content.decode()
    ids = accounts.row_ids("alice")
    assert all(row_id[:8] in page for row_id in ids if GuessCount.objects.filter(id=row_id))
    form = {"action": "delete_selected", "_selected_action": ids, "post": "yes"}
    staff.post(f"{COUNTS}?q=alice", form)

    assert ApiClient().log_in().status_code == 200
    assert GuessCount.objects.count() > 3


def test_a_command_unlocks_accounts_and_addresses(alice: User, capsys: Any, clock: Any) -> None:
    guess(ApiClient(), 6)
    guess(ApiClient(), 6, "nobody")
    for n in range(51):
        guess(caller(), 1, f"name-{n}")
    assert caller().log_in().status_code == 429

    call_command("unlock", "alice@example.org", "nobody", HOME, "somebody", "fe80::1")

    assert capsys.readouterr().out.splitlines() == [
        "Unlocked alice@example.org.",
        "Unlocked nobody.",
        f"Unlocked {HOME}.",
        "Nothing was counted for somebody.",
        "Nothing was counted for fe80::1.",
    ]
    assert caller().log_in().status_code == 200
    assert guess(ApiClient(), 1, "nobody") == [401]


def test_the_command_that_ends_the_sessions_of_a_user_throws_their_devices_out(
    alice: User,
) -> None:
    here = signed_in()

    call_command("end_sessions", user="alice")

    guess(ApiClient(), 5)
    assert here.log_in().status_code == 429
