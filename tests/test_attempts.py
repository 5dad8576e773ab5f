"""Logins on their way through stages: whose they are, how long they last, how often they count."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from session_auth import attempts
from session_auth.keys import digest
from session_auth.models import LoginAttempt, Session, Tombstone
from session_auth.sessions import end_sessions, prune_sessions
from tests.api_client import ApiClient
from tests.stages import COOKIE, EXPIRED, NEXT, PIN, pin

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stages")]


@pytest.mark.parametrize("value", [None, "", "x", "x" * 43, "foreign"])
def test_without_an_attempt_of_this_browser_there_is_nothing_to_go_on_with(
    holder: User, browser: ApiClient, value: str | None
) -> None:
    other = ApiClient()
    other.log_in()
    if value is not None:
        browser.cookies[COOKIE] = (
            digest(other.cookies[COOKIE].value) if value == "foreign" else value
        )

    response = pin(browser)

    assert (response.status_code, response.json()) == (401, EXPIRED)


@pytest.mark.parametrize("body", [{}, {"method": "pin"}, {"method": "nonsense", "x": 1}])
def test_nobody_learns_of_methods_without_an_attempt(browser: ApiClient, body: Any) -> None:
    assert browser.call("POST", NEXT, body).json() == EXPIRED


def test_an_attempt_is_used_once(holder: User, browser: ApiClient) -> None:
    browser.log_in()
    cookie = browser.cookies[COOKIE].value
    pin(browser)
    browser.log_out()
    browser.cookies[COOKIE] = cookie

    assert pin(browser).json() == EXPIRED
    assert browser.user() is None


def test_an_attempt_lasts_ten_minutes(clock: Any, holder: User, browser: ApiClient) -> None:
    browser.log_in()
    clock.shift(600)

    assert pin(browser).json() == EXPIRED


def change_password(user: User) -> None:
    user.set_password("another one")
    user.save()


def deactivate(user: User) -> None:
    user.is_active = False
    user.save()


def deactivate_for_a_moment(user: User) -> None:
    deactivate(user)
    user.is_active = True
    user.save()


def change_without_signals(user: User) -> None:
    User.objects.filter(pk=user.pk).update(password="!", is_active=True)


def deactivate_without_signals(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


@pytest.mark.parametrize(
    "end",
    [
        change_password,
        change_without_signals,
        deactivate,
        deactivate_for_a_moment,
        deactivate_without_signals,
        User.delete,
        end_sessions,
    ],
)
def test_an_attempt_ends_with(holder: User, browser: ApiClient, end: Any) -> None:
    browser.log_in()
    end(holder)

    assert pin(browser).json() == EXPIRED
    assert browser.user() is None
    assert Session.objects.count() == 0


def test_an_attempt_ends_with_its_backend(holder: User, browser: ApiClient, settings: Any) -> None:
    browser.log_in()
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]

    assert pin(browser).json() == EXPIRED


def test_a_backend_of_a_projects_finds_the_user(
    holder: User, browser: ApiClient, settings: Any
) -> None:
    settings.AUTHENTICATION_BACKENDS = ["tests.stages.OwnBackend"]
    browser.log_in()

    assert pin(browser).status_code == 200


def test_an_attempt_ends_if_all_sessions_end_while_it_is_completed(
    holder: User, browser: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session begins with the first proof, so a stamp that comes in between voids it."""
    browser.log_in()
    claim = attempts.claim

    def end_before(*args: Any) -> None:
        end_sessions(holder)
        claim(*args)

    monkeypatch.setattr(attempts, "claim", end_before)
    pin(browser)

    assert browser.user() is None


def test_a_second_cookie_of_the_name_is_not_believed(holder: User, browser: ApiClient) -> None:
    browser.log_in()
    secret = browser.cookies[COOKIE].value
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    stranger = ApiClient()
    stranger.cookies["csrftoken"] = browser.csrf_token()

    response = stranger.call(
        "POST", NEXT, {"method": "pin", "code": PIN}, HTTP_COOKIE=f"{cookies}; {COOKIE}={secret}"
    )

    assert response.json() == EXPIRED


def test_a_new_attempt_takes_the_place_of_the_one_before(holder: User, browser: ApiClient) -> None:
    browser.log_in()
    browser.log_in()

    assert pin(browser).status_code == 200


def test_attempts_that_are_too_old_are_deleted(
    clock: Any, holder: User, browser: ApiClient
) -> None:
    for _ in range(3):
        browser.log_in()
    assert LoginAttempt.objects.count() == 3
    clock.shift(601)

    browser.log_in()
    assert LoginAttempt.objects.count() == 1

    clock.shift(601)
    prune_sessions()
    assert LoginAttempt.objects.count() == 0


def test_an_answer_of_500_takes_no_cookie() -> None:
    request, told = HttpRequest(), list[HttpResponse]()
    attempts.on_answer(request, told.append)

    attempts.answer(request, HttpResponse(status=500))

    assert told == []


def test_what_is_kept_of_logins_and_ends_is_shown_by_its_id() -> None:
    assert str(LoginAttempt(id="x" * 43)) == str(Tombstone(session_id="x" * 43)) == "x" * 43
