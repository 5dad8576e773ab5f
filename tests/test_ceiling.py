"""A hundred wrong passwords in a row, after which none is right: who is told, and who lifts it."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from session_auth import throttling
from session_auth.guessing import counts
from session_auth.models import GuessCount, PendingMail
from tests.api_client import ApiClient, signed_in
from tests.guessing import device_cookie, guess, retry_after
from tests.password_calls import NEW, change, confirm, link_for

pytestmark = pytest.mark.django_db


def fail(browser: ApiClient, clock: Any, times: int, username: str = "alice") -> None:
    """Send the first and the last of so many wrong passwords; those between are counted at once."""
    assert browser.log_in(username, "wrong").status_code == 401
    clock.shift(3600)
    if times > 1:
        counted = GuessCount.objects.filter(failures__gt=0)
        counted.update(failures=F("failures") + times - 2)
        assert browser.log_in(username, "wrong").status_code == 401
        clock.shift(3600)


@pytest.mark.parametrize("backend", ["django.contrib.auth.backends", "session_auth.backends"])
def test_after_a_hundred_failures_in_a_row_no_password_is_right(
    alice: User, clock: Any, backend: str
) -> None:
    here = signed_in()
    stranger = ApiClient()
    fail(stranger, clock, 100)

    with override_settings(AUTHENTICATION_BACKENDS=[f"{backend}.ModelBackend"]):
        refused = stranger.log_in()

    assert refused.json() == {"error": "Invalid credentials", "code": "invalid_credentials"}
    assert "sessionid" not in refused.cookies
    clock.shift(3600)
    assert here.log_in().status_code == 200


def test_the_hundredth_guess_may_still_be_right(alice: User, clock: Any) -> None:
    stranger = ApiClient()
    fail(stranger, clock, 99)

    assert stranger.log_in().status_code == 200


def test_a_login_on_a_known_device_begins_the_hundred_anew(alice: User, clock: Any) -> None:
    here = signed_in()
    stranger = ApiClient()
    fail(stranger, clock, 100)
    here.log_in()

    fail(stranger, clock, 99)
    assert stranger.log_in().status_code == 200


def test_a_login_on_a_known_device_gives_strangers_no_guesses(alice: User, clock: Any) -> None:
    here = signed_in()
    stranger = ApiClient()
    guess(stranger, 5)
    here.log_in()

    assert retry_after(stranger.log_in()) == 30


def test_a_reset_begins_the_hundred_anew(alice: User, clock: Any) -> None:
    stranger = ApiClient()
    fail(stranger, clock, 100)
    confirm(ApiClient(), link_for())

    assert stranger.log_in(password=NEW).status_code == 200


def test_an_administrator_lets_a_user_begin_anew(alice: User, clock: Any) -> None:
    stranger = ApiClient()
    fail(stranger, clock, 100)
    throttling.forget(alice)

    assert stranger.log_in().status_code == 200


def events(caplog: Any) -> list[tuple[str, int | None]]:
    """Return the name and the user of each event since the last call."""
    told = [vars(each) for each in caplog.records if hasattr(each, "event")]
    caplog.clear()
    return [(each["event"], each.get("user_id")) for each in told]


@pytest.mark.parametrize("username", ["alice", "nobody"])
def test_the_hundredth_failure_is_told_and_its_owner_by_mail(
    alice: User, clock: Any, caplog: Any, username: str
) -> None:
    user_id = alice.pk if username == "alice" else None
    fail(ApiClient(), clock, 99, username)
    caplog.clear()
    assert mail.outbox == []

    with CaptureQueriesContext(connection) as queries:
        fail(ApiClient(), clock, 1, username)

    assert events(caplog) == [("login_failed", user_id), ("ceiling_reached", user_id)]
    posted = [each for each in queries if "INSERT" in each["sql"] and "pendingmail" in each["sql"]]
    assert len(posted) == 1  # whoever is meant: the time must not tell
    assert [notice.to for notice in mail.outbox] == [["alice@example.org"]] * (user_id is not None)
    mail.outbox.clear()
    fail(ApiClient(), clock, 1, username)
    assert events(caplog) == [("login_failed", user_id)]
    assert mail.outbox == []


@pytest.mark.parametrize("gone", [{"email": ""}, {"is_active": False}])
def test_who_cannot_be_told_of_the_ceiling_is_not(
    alice: User, clock: Any, gone: dict[str, Any]
) -> None:
    User.objects.update(**gone)

    fail(ApiClient(), clock, 100)

    assert mail.outbox == []
    assert not PendingMail.objects.exists()


def test_without_a_request_the_ceiling_is_told_too(alice: User, clock: Any, caplog: Any) -> None:
    fail(ApiClient(), clock, 99)
    caplog.clear()

    with override_settings(AUTHENTICATION_BACKENDS=["session_auth.backends.ModelBackend"]):
        authenticate(username="alice", password="wrong")

    assert events(caplog) == [("login_failed", alice.pk), ("ceiling_reached", alice.pk)]
    assert len(mail.outbox) == 1


def test_a_right_password_above_the_ceiling_is_no_plain_failure_in_the_log(
    alice: User, clock: Any, caplog: Any
) -> None:
    here = signed_in()
    device = here.cookies.pop("sessionid_device")
    fail(ApiClient(), clock, 100)
    caplog.clear()

    ApiClient().log_in()
    clock.shift(3600)
    change(here)

    told = [("right_password_refused", alice.pk), ("right_password_refused", alice.pk)]
    assert [each for each in events(caplog) if each[0] != "refused"] == told
    here.cookies["sessionid_device"] = device.value
    clock.shift(3600)
    assert change(here).status_code == 200


def test_a_new_password_that_staff_set_lifts_the_ceiling(alice: User, clock: Any) -> None:
    fail(ApiClient(), clock, 100)
    staff = Client()
    staff.force_login(User.objects.create_superuser("root"))

    staff.post(
        f"/admin/auth/user/{alice.pk}/password/",
        {"password1": NEW, "password2": NEW, "usable_password": "true"},
    )

    assert ApiClient().log_in(password=NEW).status_code == 200


def test_the_command_that_unlocks_lifts_the_ceiling(alice: User, clock: Any) -> None:
    fail(ApiClient(), clock, 100)

    call_command("unlock", "alice", stdout=StringIO())

    assert ApiClient().log_in().status_code == 200


def test_a_device_above_the_ceiling_is_a_stranger_until_it_logs_in(
    alice: User, clock: Any, caplog: Any
) -> None:
    here = signed_in()
    device = device_cookie(here)
    fail(here, clock, 100)
    assert ("ceiling_reached", alice.pk) in events(caplog)

    assert here.log_in().status_code == 200

    assert device_cookie(here) != device
    assert guess(here, 6) == [401] * 5 + [429]


def test_a_reset_lifts_the_ceiling_of_a_device(alice: User, clock: Any) -> None:
    here = signed_in()
    fail(here, clock, 100)
    fail(ApiClient(), clock, 100)
    assert 429 in guess(here, 7)

    confirm(here, link_for())

    assert here.log_in(password=NEW).status_code == 200


def test_failures_in_a_row_are_remembered_while_names_that_nobody_has_are_forgotten(
    alice: User, clock: Any
) -> None:
    stranger = ApiClient()
    fail(stranger, clock, 100)
    guess(stranger, 1, "nobody")
    clock.shift(timedelta(days=300))

    counts.prune()

    assert GuessCount.objects.count() == 1
    assert guess(ApiClient(), 1, "ALICE ") == [401]  # a spelling that nobody has
    clock.shift(timedelta(days=60))
    counts.prune()
    assert ApiClient().log_in().status_code == 401
