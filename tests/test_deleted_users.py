"""Who is deleted amid their login is as unknown as anybody: 401, and never 503."""

from collections.abc import Callable
from itertools import count, takewhile
from typing import Any

import pytest
from django.contrib.auth import login, user_logged_in
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.db.transaction import TransactionManagementError
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from session_auth.exceptions import InvalidCredentials
from session_auth.sessions import end_sessions
from session_auth.sessions.listing import rows
from session_auth.stores import USERS
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.vanishing import by_orm, by_sql, told_if_gone

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


def other_login(request: HttpRequest) -> HttpResponse:
    login(request, User.objects.get(username="alice"))
    return HttpResponse()


urlpatterns = [path("api/auth/", include("session_auth.urls")), path("api/other/", other_login)]


@pytest.fixture(params=[by_orm, by_sql])
def delete(request: pytest.FixtureRequest) -> Callable[[], None]:
    call: Callable[[], None] = request.param
    return call


def answer_to(at: int, delete: Callable[[], None]) -> Any:
    """Return the answer to a login whose user is gone before the statement with this number."""
    User.objects.create_user("alice", password=PASSWORD)
    browser = ApiClient()
    browser.get(AUTH + "csrf/")
    response = told_if_gone(delete, browser.log_in, at=at)
    User.objects.all().delete()
    return response


def test_a_login_is_refused_or_was_faster(delete: Callable[[], None]) -> None:
    answers = takewhile(bool, (answer_to(at, delete) for at in count(1)))

    told = [(each.status_code, each.json().get("code")) for each in answers]
    refused = [each for each in told if each != (200, None)]
    assert set(refused) == {(401, "invalid_credentials")}
    assert told == refused + [(200, None)] * (len(told) - len(refused))


def test_nobody_is_logged_in_by_a_login_of_other_code(
    delete: Callable[[], None], alice: User
) -> None:
    browser = ApiClient()
    assert ApiClient().call("POST", "/api/other/").status_code == 200
    end_sessions(alice)

    response = told_if_gone(
        delete, lambda: browser.call("POST", "/api/other/"), at="UPDATE auth_user"
    )

    assert (response.status_code, response.json()["code"]) == (401, "invalid_credentials")
    assert browser.session_key() == ""
    assert rows().some(at_most=1) == []


def test_who_is_gone_is_unknown_without_a_session_of_ours(alice: User) -> None:
    User.objects.all().delete()

    with pytest.raises(InvalidCredentials):
        user_logged_in.send(User, request=None, user=alice)


def test_a_login_in_a_transaction_that_is_broken_is_a_fault_of_the_caller(alice: User) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            user_logged_in.send(User, request=None, user=alice)


def test_an_error_of_the_database_is_none_of_the_user() -> None:
    """A driver's error has a cause, by which Django has wrapped it."""
    with pytest.raises(Exception, match="not available") as told, USERS.guards():
        raise DatabaseError from OSError()

    assert told.value.__class__.__name__ == "StoreUnavailable"
