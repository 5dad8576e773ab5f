"""A login looks at what it has proven in one transaction with the storing of its session."""

from collections.abc import Callable
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings

from session_auth.sessions.listing import rows
from session_auth.testing import log_in
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.factors.calls import (
    code_of,
    from_base32,
    half_way,
    make_codes,
    second_factor,
    set_up_app,
    told,
)
from tests.factors.test_deleted_users import (
    Login,
    by_code,
    by_passkey,
    by_password_and_passkey,
    by_recovery_code,
)
from tests.factors.test_required import STAGES
from tests.outage import Dying, unreachable
from tests.vanishing import told_if_gone

pytestmark = pytest.mark.django_db(transaction=True)

LAST_STEP = "UPDATE auth_user"
"""What comes before the session: the time of the login."""

WAYS = [by_code, by_recovery_code, by_passkey, by_password_and_passkey]
TELLING = override_settings(SESSION_AUTH_SESSIONS_URL="https://example.org/sessions/")


def sessions() -> int:
    return len(rows().some(at_most=100))


@TELLING
@pytest.mark.parametrize("way", WAYS)
def test_whenever_the_database_dies_a_login_is_told_or_was_not_made(
    way: Callable[[], Login],
) -> None:
    """No session is in the user's list whose key nobody has."""
    is_dead, at = True, -1
    while is_dead:
        at += 1
        User.objects.all().delete()
        User.objects.create_user("alice", "alice@example.org", PASSWORD)
        login, before = way(), sessions()
        dying = Dying(after=LAST_STEP, at=at)
        with connection.execute_wrapper(dying):
            response = login()

        assert (response.status_code, sessions() - before) in [(200, 1), (503, 0)]
        is_dead = dying.is_dead
    assert at > 3


@pytest.mark.parametrize("way", WAYS)
def test_so_it_is_where_it_dies_at_the_commit(
    way: Callable[[], Login], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    login, before = way(), sessions()
    commit = connection.commit

    def die() -> None:
        if sessions() == before:
            commit()
        else:
            raise unreachable()

    with monkeypatch.context() as patched:
        patched.setattr(connection, "commit", die)
        response = login()

    assert (response.status_code, sessions() - before) == (503, 0)


def remove_all(owner: ApiClient) -> None:
    """Remove the passkeys and the app of the user who is logged in there."""
    found = owner.get(AUTH + "factors/").json()
    paths = [f"passkeys/{each['id']}/" for each in found["passkeys"]]
    paths += ["totp/"] if found["totp"] else []
    told = [owner.call("DELETE", f"{AUTH}factors/{path}").status_code for path in paths]
    assert set(told) <= {200, 204}


def recent(user: User) -> ApiClient:
    """Return a browser whose user has proven all that they can."""
    browser = ApiClient()
    log_in(browser, user, methods=("password", "mfa"))
    return browser


@pytest.mark.parametrize(
    "change", [make_codes, lambda owner: owner.call("DELETE", AUTH + "factors/recovery-codes/")]
)
def test_so_is_one_by_a_recovery_code_that_is_void_just_then(
    change: Callable[[ApiClient], object], alice: User
) -> None:
    login = by_recovery_code()
    owner = recent(alice)

    response = told_if_gone(lambda: change(owner), login, at=LAST_STEP)

    assert told(response) == (401, "session_ended")
    assert response.client.user() is None


def test_the_last_recovery_code_of_all_logs_in(alice: User) -> None:
    owner = signed_in()
    set_up_app(owner)
    codes = make_codes(owner)

    logins = [second_factor(half_way(), "recovery", code=code) for code in codes]

    assert {login.status_code for login in logins} == {200}
    assert {login.client.user()["username"] for login in logins} == {"alice"}


def with_terms(way: Callable[[], Login]) -> Login:
    """Return the last step of a login that asks for the terms after what it has proven."""
    login = way()
    User.objects.update(email="unread@example.org")
    browser = login().client
    return lambda: browser.call(
        "POST", AUTH + "login/second-factor/", {"method": "terms", "accept": True}
    )


def by_new_app() -> Login:
    """Return the last step of a login that sets the first app up."""
    User.objects.update(first_name="Required")
    browser = ApiClient()
    secret = from_base32(browser.log_in().json()["totp"]["secret"])
    return lambda: second_factor(browser, "totp_setup", code=code_of(secret))


def is_required(user: User) -> datetime | None:
    return user.date_joined if user.first_name else None


@override_settings(
    SESSION_AUTH_STAGES=[*STAGES, "tests.stages.Terms"],
    SESSION_AUTH_REQUIRE_FACTOR=f"{__name__}.is_required",
)
@pytest.mark.parametrize("way", [by_new_app, by_code, by_passkey, by_password_and_passkey])
@pytest.mark.parametrize("step", [lambda way: way(), with_terms])
def test_it_does_not_matter_in_which_request_it_was_proven(
    step: Callable[[Callable[[], Login]], Login], way: Callable[[], Login], alice: User
) -> None:
    login = step(way)
    owner = recent(alice)

    response = told_if_gone(lambda: remove_all(owner), login, at=LAST_STEP)

    assert told(response) == (401, "session_ended")
    assert response.client.user() is None


@override_settings(SESSION_AUTH_STAGES=[*STAGES, "tests.stages.Terms"])
@pytest.mark.parametrize("way", WAYS)
def test_what_was_proven_in_another_request_logs_in(way: Callable[[], Login], alice: User) -> None:
    assert with_terms(way)().status_code == 200
