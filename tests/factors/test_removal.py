"""An administrator removes the factors of a user who has lost them."""

import logging
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from session_auth.factors.models import Factor
from session_auth.factors.removal import remove_all
from session_auth.models import Session
from tests.api_client import PASSWORD, signed_in
from tests.factors.calls import half_way, make_codes, second_factor, set_up_app

pytestmark = pytest.mark.django_db

LIST = "/admin/session_auth_factors/factor/"


@pytest.fixture
def lost(clock: Any, alice: User) -> User:
    browser = signed_in()
    set_up_app(browser)
    make_codes(browser)
    mail.outbox.clear()
    return alice


@pytest.fixture
def staff(db: None) -> Client:
    user = User.objects.create_user("staff", "staff@example.org", PASSWORD, is_staff=True)
    names = ("view_factor", "delete_factor")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(user)
    return client


def by_command(staff: Client, reason: str) -> None:
    call_command("remove_factors", "alice", reason=reason, stdout=StringIO())


def by_admin(staff: Client, reason: str) -> Any:
    chosen = Factor.objects.values_list("id", flat=True).first()
    body = {"action": "remove_all_of_user", "_selected_action": chosen, "reason": reason}
    return staff.post(LIST, body, follow=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", [by_command, by_admin])
def test_all_factors_go_with_all_sessions_a_mail_and_an_event(
    clock: Any,
    lost: User,
    staff: Client,
    ends: list[Any],
    caplog: pytest.LogCaptureFixture,
    way: Callable[[Client, str], object],
) -> None:
    with caplog.at_level(logging.WARNING, logger="session_auth.security"):
        way(staff, "Met at the desk.")

    assert not Factor.objects.exists()
    assert {(user_id, reason) for _, user_id, reason in ends} == {(lost.pk, "factor_removed")}
    assert not Session.objects.filter(user=lost).exists()
    [message] = mail.outbox
    assert message.to == ["alice@example.org"]
    assert message.body.startswith("An administrator has removed all sign-in methods of alice")
    [event] = [r for r in caplog.records if vars(r).get("event") == "factors_removed_by_admin"]
    told = vars(event)
    assert (told["user_id"], told["reason"], told["count"]) == (lost.pk, "Met at the desk.", 11)
    clock.shift(timedelta(seconds=1))  # what was begun in the second of the end is void
    assert signed_in().user() is not None


def test_who_has_done_it_in_the_admin_is_logged(
    lost: User, staff: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="session_auth.security"):
        by_admin(staff, "Met at the desk.")

    [event] = [r for r in caplog.records if vars(r).get("event") == "factors_removed_by_admin"]
    assert vars(event)["by"] == User.objects.get(username="staff").pk


def test_a_login_on_its_way_is_void(lost: User) -> None:
    browser = half_way()

    remove_all(lost, reason="Met at the desk.")

    assert second_factor(browser, "totp", code="123456").json()["code"] == "login_expired"


@pytest.mark.parametrize("reason", ["", " "])
def test_the_admin_wants_a_reason(lost: User, staff: Client, reason: str) -> None:
    response = by_admin(staff, reason)

    assert "Give a reason" in response.content.decode()
    assert Factor.objects.count() == 11


def test_it_needs_a_reason(lost: User) -> None:
    with pytest.raises(ValueError, match="Give a reason"):
        remove_all(lost, reason="")


def test_it_needs_the_permission_to_delete(lost: User, staff: Client) -> None:
    User.objects.get(username="staff").user_permissions.remove(
        Permission.objects.get(codename="delete_factor")
    )

    by_admin(staff, "Met at the desk.")

    assert Factor.objects.count() == 11


@pytest.mark.parametrize(("term", "count"), [("alice", 11), ("LIC", 11), ("staff", 0), ("x'", 0)])
def test_the_admin_finds_the_factors_of_a_user_by_name(
    lost: User, staff: Client, term: str, count: int
) -> None:
    found = staff.get(LIST, {"q": f" {term} "})

    assert found.context["cl"].result_count == count


def test_the_admin_shows_no_secret(lost: User, staff: Client) -> None:
    factor = Factor.objects.get(kind="totp")

    pages = [staff.get(LIST), staff.get(f"{LIST}{factor.pk}/change/")]

    for page in pages:
        assert page.status_code == 200
        assert factor.material not in page.content.decode()
    assert staff.get(f"{LIST}{factor.pk}/delete/").status_code == 403


def test_an_unknown_name_is_an_error(db: None) -> None:
    with pytest.raises(CommandError, match="no user named 'nobody'"):
        call_command("remove_factors", "nobody", reason="x")
