"""What staff can do for users in the admin, each by a permission of its own."""

import logging
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.test import Client

from session_auth.admin import UserAdminWithActions, add_actions
from session_auth.models import RequiredPassword, Session
from session_auth.user_admin import UserActions
from tests.api_client import PASSWORD, ApiClient, signed_in
from tests.guessing import caller, guess

pytestmark = pytest.mark.django_db

USERS = "/admin/auth/user/"
PERMISSIONS = {
    "send_link": "add_requiredpassword",
    "require_new_password": "add_requiredpassword",
    "end_sessions": "delete_session",
    "unlock": "delete_guesscount",
}


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.SESSION_AUTH_PASSWORD_RESET_URL = "https://example.org/#/new/{uid}/{token}"
    settings.SESSION_AUTH_STAGES = ["session_auth.passwords.stages.NewPassword"]


@pytest.fixture
def helper(db: None) -> User:
    """One of the staff, who may look at users, and change none."""
    user = User.objects.create_user("helper", password=PASSWORD, is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    return user


@pytest.fixture
def desk(helper: User) -> Client:
    client = Client()
    client.force_login(helper)
    return client


def permit(user: User, *names: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))


def act(desk: Client, action: str, *users: User) -> str:
    form = {"action": action, "_selected_action": [user.pk for user in users]}
    return desk.post(USERS, form, follow=True).content.decode()


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[tuple[Any, Any]]:
    """Return of whom the events with this name tell, and who did it."""
    found = [vars(record) for record in caplog.records if vars(record).get("event") == event]
    return [(each["user_id"], each["by"]) for each in found]


def offered(desk: Client) -> set[str]:
    page = desk.get(USERS).content.decode()
    return {name for name in PERMISSIONS if f'<option value="{name}">' in page}


@pytest.mark.parametrize("action", PERMISSIONS)
def test_each_action_wants_its_permission(
    alice: User, helper: User, desk: Client, action: str
) -> None:
    here = signed_in()
    others = set(PERMISSIONS.values()) - {PERMISSIONS[action]}
    permit(helper, "change_user", *others)

    act(desk, action, alice)

    assert action not in offered(desk)
    assert here.user() is not None
    assert mail.outbox == []
    assert not RequiredPassword.objects.exists()
    assert not LogEntry.objects.exists()
    permit(helper, PERMISSIONS[action])
    assert action in offered(desk)


def test_what_the_project_has_not_switched_on_is_not_offered(
    helper: User, desk: Client, settings: Any
) -> None:
    permit(helper, *PERMISSIONS.values())
    assert offered(desk) == set(PERMISSIONS)
    settings.SESSION_AUTH_PASSWORD_RESET_URL, settings.SESSION_AUTH_STAGES = None, []

    assert offered(desk) == {"end_sessions", "unlock"}


def test_a_link_goes_to_the_user_alone_and_staff_see_none(
    alice: User, bob: User, helper: User, desk: Client, caplog: pytest.LogCaptureFixture
) -> None:
    User.objects.create_user("twin", alice.email, PASSWORD)
    permit(helper, "add_requiredpassword")

    with caplog.at_level(logging.INFO, logger="session_auth.security"):
        page = act(desk, "send_link", alice, bob)

    [message] = mail.outbox
    assert (message.to, "https://example.org/#/new/" in message.body) == ([alice.email], True)
    assert "Sent a link for a new password. (alice)" in page
    assert "for want of an address or a password, to: bob" in page
    assert "#/new/" not in page
    assert told(caplog, "reset_link_sent") == [(alice.pk, helper.pk)]
    [entry] = LogEntry.objects.all()
    assert (entry.user, entry.object_id) == (helper, str(alice.pk))
    assert entry.change_message == "Sent a link for a new password."


def test_nobody_who_may_not_log_in_gets_a_link(alice: User, helper: User, desk: Client) -> None:
    permit(helper, "add_requiredpassword")
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert "to: alice" in act(desk, "send_link", alice)
    assert mail.outbox == []


def test_staff_require_a_new_password(
    alice: User, helper: User, desk: Client, caplog: pytest.LogCaptureFixture
) -> None:
    here = signed_in()
    permit(helper, "add_requiredpassword")

    with caplog.at_level(logging.INFO, logger="session_auth.security"):
        act(desk, "require_new_password", alice)

    assert here.user() is None
    assert here.log_in().json()["code"] == "new_password_required"
    assert told(caplog, "new_password_required") == [(alice.pk, helper.pk)]
    assert LogEntry.objects.get().change_message == "Required a new password."


def test_staff_take_back_that_a_new_password_is_required(alice: User, desk: Client) -> None:
    RequiredPassword.objects.create(user_id=str(alice.pk), required_at=alice.date_joined)
    User.objects.filter(username="helper").update(is_superuser=True)
    path = "/admin/session_auth/requiredpassword/"

    assert f">{alice.pk}<" in desk.get(path, {"q": alice.pk}).content.decode()
    form = {"action": "delete_selected", "_selected_action": [alice.pk], "post": "yes"}
    desk.post(path, form)

    assert ApiClient().log_in().status_code == 200


def test_staff_end_the_sessions_of_users(
    alice: User,
    bob: User,
    helper: User,
    desk: Client,
    ends: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    here, foreign = signed_in(), signed_in("bob")
    permit(helper, "delete_session")

    with caplog.at_level(logging.INFO, logger="session_auth.security"):
        act(desk, "end_sessions", alice)

    assert [(user_id, reason) for _, user_id, reason in ends] == [(alice.pk, "ended_by_admin")]
    assert (here.user(), foreign.user() is not None) == (None, True)
    assert not Session.objects.filter(user=alice).exists()
    assert told(caplog, "session_ended") == [(alice.pk, helper.pk)]
    assert LogEntry.objects.get().user == helper
    guess(here, 5)
    assert here.log_in().status_code == 429  # the browser is no known device any more


def test_staff_unlock_users(
    alice: User, helper: User, desk: Client, caplog: pytest.LogCaptureFixture
) -> None:
    guess(caller(), 6)
    assert ApiClient().log_in().status_code == 429
    permit(helper, "delete_guesscount")

    with caplog.at_level(logging.INFO, logger="session_auth.security"):
        act(desk, "unlock", alice)

    assert ApiClient().log_in().status_code == 200
    assert told(caplog, "unlocked") == [(alice.pk, helper.pk)]
    assert LogEntry.objects.get().change_message == "Unlocked."


def test_an_admin_of_a_projects_is_left_as_it_is_and_takes_the_actions_if_it_likes() -> None:
    class Own(UserAdmin):  # type: ignore[type-arg]  # not generic at run time
        pass

    for before, after in [(UserAdmin, UserAdminWithActions), (Own, Own), (None, None)]:
        site = admin.AdminSite()
        if before is not None:
            site.register(User, before)

        add_actions(site)

        found = site._registry.get(User)
        assert (found and type(found)) == after

    class OwnWithActions(UserActions, admin.ModelAdmin):  # type: ignore[type-arg]  # not at run time
        actions = (*UserActions.actions, "own")

        def own(self, request: Any, queryset: Any) -> None: ...

    assert OwnWithActions(User, admin.AdminSite()).check() == []


def test_the_admin_of_djangos_users_has_them() -> None:
    assert type(admin.site._registry[User]) is UserAdminWithActions
