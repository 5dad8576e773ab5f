"""Any user model and any backend: run with ``--ds=tests.custom_user.settings``."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import override_settings

from session_auth.engines import everybody
from session_auth.models import EndedSession, Session
from session_auth.sessions import end_all_sessions
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.custom_user.models import Employee, Guest, Member

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Member:
    return Member.objects.create_user("ada@example.org", PASSWORD)


def test_the_project_passes_the_checks() -> None:
    call_command("check")


def test_a_file_is_nothing_to_show_since_json_cannot_hold_it() -> None:
    with override_settings(SESSION_AUTH_USER_FIELDS=["id", "photo"]):
        [message] = [found for found in run_checks() if found.id == "session_auth.E008"]

    assert "'photo', a FileField: JSON cannot hold what it is." in message.msg


def test_username_stands_for_the_field_that_the_model_calls_so(
    browser: ApiClient, member: Member
) -> None:
    response = browser.log_in("ada@example.org")

    assert response.status_code == 200
    assert response.json()["user"] == {
        "id": str(member.key),
        "username": str(member),
        "label": "ada",
    }
    assert browser.user() == response.json()["user"]


@pytest.mark.parametrize("name", ["email", "username"])
def test_the_login_name_goes_by_either_name(browser: ApiClient, member: Member, name: str) -> None:
    body = {name: "ada@example.org", "password": PASSWORD}

    assert browser.call("POST", AUTH + "login/", body).status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("email", "", "This field is required."),
        ("username", "", "This field is required."),
        ("email", 1, "Must be a string."),
        ("mail", "ada@example.org", "Unknown field."),
    ],
)
def test_what_is_wrong_with_it_goes_by_the_name_that_was_sent(
    browser: ApiClient, name: str, value: object, problem: str
) -> None:
    response = browser.call("POST", AUTH + "login/", {name: value, "password": PASSWORD})

    assert response.json()["fields"] == {name: [problem]}


def test_the_login_name_is_sent_once(browser: ApiClient, member: Member) -> None:
    name = "ada@example.org"
    body = {"email": name, "username": name, "password": PASSWORD}

    response = browser.call("POST", AUTH + "login/", body)

    assert response.json()["fields"] == {"email": ["Unknown field."]}


def test_the_row_knows_a_user_with_a_uuid(browser: ApiClient, member: Member) -> None:
    browser.log_in("ada@example.org")
    assert Session.objects.get().user_id == member.key

    browser.call("POST", AUTH + "logout/")
    assert Session.objects.count() == 0


def test_a_second_save_keeps_the_time_of_the_login(browser: ApiClient, member: Member) -> None:
    browser.log_in("ada@example.org")
    before = Session.objects.get()
    session = browser.session
    session["a"] = 1
    session.save()

    after = Session.objects.get()
    assert after.user_id == member.key
    assert after.authenticated_at == before.authenticated_at
    assert after.version == before.version + 1


def test_a_backend_of_the_project_lets_its_users_in(browser: ApiClient, member: Member) -> None:
    response = browser.log_in("ada@example.org", f"badge-{str(member.key)[:8]}")

    assert response.status_code == 200
    assert browser.user()["username"] == "ada@example.org"


@pytest.mark.parametrize(
    "credentials",
    [
        {"username": "ada@example.org", "password": "wrong"},
        {"username": "nobody@example.org", "password": PASSWORD},
        {"username": "gone@example.org", "password": PASSWORD},
    ],
)
def test_every_failure_looks_the_same(
    browser: ApiClient, member: Member, credentials: dict[str, Any]
) -> None:
    Member.objects.create_user("gone@example.org", PASSWORD, active=False)

    response = browser.log_in(**credentials)

    assert response.status_code == 401
    assert response.json() == {"error": "Invalid credentials", "code": "invalid_credentials"}


def test_deleting_a_user_ends_their_sessions(browser: ApiClient, member: Member) -> None:
    browser.log_in("ada@example.org")

    member.delete()

    assert browser.user() is None
    assert Session.objects.count() == 0


def test_a_change_of_the_password_asks_the_models_own_check(member: Member) -> None:
    browser = ApiClient()
    browser.log_in("ada@example.org")

    response = browser.call(
        "POST",
        AUTH + "password/change/",
        {"old_password": f" {PASSWORD} ", "new_password": "an even better horse"},
    )

    assert response.status_code == 200
    assert Member.objects.get().check_password("an even better horse")


def deactivate(user: Member) -> None:
    user.active = False
    user.save()
    user.active = True
    user.save()


def set_password(user: Member) -> None:
    user.set_password("another")
    user.save()


def delete(user: Member) -> None:
    user.delete()


def delete_by_query(user: Member) -> None:
    type(user)._base_manager.filter(pk=user.pk).delete()


def delete_as_member(user: Member) -> None:
    Member.objects.filter(pk=user.pk).delete()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [Member, Guest, Employee])
@pytest.mark.parametrize(
    "change", [deactivate, set_password, delete, delete_by_query, delete_as_member]
)
def test_whichever_model_a_user_is_changed_by_their_sessions_end_for_good(
    browser: ApiClient,
    ends: list[tuple[str, Any, str]],
    model: type[Member],
    change: Callable[[Member], None],
) -> None:
    user = model._default_manager.create(email="ada@example.org")
    user.set_password(PASSWORD)
    user.save()
    browser.log_in("ada@example.org")
    assert browser.user() is not None

    change(model._default_manager.get(pk=user.pk))

    assert browser.user() is None
    assert not Session.objects.exists()
    assert [user_id for _, user_id, _ in ends] == [user.pk]


@override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=1))
def test_the_record_of_an_end_names_a_user_as_their_key_is_written(
    browser: ApiClient, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everybody, "BATCH_ROWS", 1)
    browser.log_in("ada@example.org")
    ApiClient().log_in("ada@example.org")

    assert end_all_sessions() == 2

    kept = EndedSession.objects.values_list("user_id", "reason")
    assert list(kept) == [(str(member.key), "ended_by_admin")] * 2
