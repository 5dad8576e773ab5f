"""Users of whom somebody says so log in only with a new password."""

import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from session_auth.models import RequiredPassword
from session_auth.passwords import require_new_password
from session_auth.sessions import assurance, end_sessions, list_sessions
from session_auth.stages import get_stages
from tests.api_client import AUTH, PASSWORD, ApiClient, signed_in
from tests.guessing import guess
from tests.stages import NEXT

pytestmark = pytest.mark.django_db

OTHER = "a quite different one"
STAGE = "session_auth.passwords.stages.NewPassword"


@pytest.fixture(autouse=True)
def asks(settings: Any) -> None:
    settings.SESSION_AUTH_STAGES = [STAGE]


@pytest.fixture
def known(alice: User) -> User:
    """A user whose password somebody else knows."""
    require_new_password(alice)
    return alice


def choose(browser: ApiClient, password: str = OTHER) -> Any:
    return browser.call("POST", NEXT, {"method": "new_password", "new_password": password})


def test_the_old_password_asks_for_a_new_one_and_that_logs_in(
    known: User, browser: ApiClient
) -> None:
    first = browser.log_in()

    assert (first.status_code, first.json()["code"]) == (401, "new_password_required")
    assert first.json()["error"] == "Choose a new password."
    assert first.json()["methods"] == ["new_password"]
    assert browser.user() is None

    assert choose(browser).status_code == 200
    assert browser.user() == {"id": known.pk, "username": "alice"}
    [session] = list_sessions(known)
    assert (set(session.methods), assurance(session)) == ({"password"}, 1)
    assert ApiClient().log_in(password=PASSWORD).json()["code"] == "invalid_credentials"
    assert ApiClient().log_in(password=OTHER).status_code == 200
    [message] = mail.outbox
    assert "was changed" in message.body


def test_it_ends_the_sessions_and_the_logins_on_the_way(alice: User, ends: list[Any]) -> None:
    here = signed_in()

    require_new_password(alice)

    assert here.user() is None
    assert {(user_id, reason) for _, user_id, reason in ends} == {(alice.pk, "ended_by_admin")}
    guess(here, 5)
    assert here.log_in().status_code == 429  # the browser is no known device any more


def test_whoever_else_is_half_way_in_is_out_with_the_new_password(
    known: User, browser: ApiClient
) -> None:
    thief = ApiClient()
    thief.log_in()
    browser.log_in()

    choose(browser)

    assert choose(thief, "the password of a thief").json()["code"] == "login_expired"
    assert browser.user() is not None


def test_the_browser_in_which_it_was_chosen_is_a_known_device(
    known: User, browser: ApiClient
) -> None:
    browser.log_in()
    choose(browser)
    guess(ApiClient(), 6)

    assert browser.log_in(password=OTHER).status_code == 200


@pytest.mark.parametrize(
    ("password", "message"),
    [
        (PASSWORD, "Choose another password than before."),
        ("alice", "The password is too similar to the username."),
        ("x" * 4097, "Must not be longer than 4096 bytes."),
        ("", "This field is required."),
    ],
)
def test_it_takes_no_password_but_a_good_new_one(
    known: User, browser: ApiClient, settings: Any, password: str, message: str
) -> None:
    validator = "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": validator}]
    browser.log_in()

    response = choose(browser, password)

    assert (response.status_code, response.json()["fields"]) == (400, {"new_password": [message]})
    assert browser.user() is None
    assert ApiClient().log_in().json()["code"] == "new_password_required"
    assert choose(browser).status_code == 200


def link(user: User, browser: ApiClient, password: str) -> Any:
    token = default_token_generator.make_token(user)
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    body = {"uid": uid, "token": token, "new_password": password}
    return browser.call("POST", AUTH + "password/reset/confirm/", body)


def test_a_link_is_as_good_but_not_for_the_old_password(known: User, browser: ApiClient) -> None:
    refused = link(known, browser, PASSWORD)
    assert refused.json()["fields"]["new_password"] == ["Choose another password than before."]

    assert link(known, browser, OTHER).status_code == 200
    assert browser.log_in(password=OTHER).status_code == 200


def test_a_password_that_somebody_else_sets_asks_for_another_one(
    known: User, browser: ApiClient
) -> None:
    known.set_password("for the first day")
    known.save()

    assert browser.log_in(password="for the first day").json()["code"] == "new_password_required"
    assert choose(browser, "for the first day").status_code == 400
    assert choose(browser).status_code == 200


def test_a_login_in_the_admin_asks_too(known: User, client: Client) -> None:
    User.objects.update(is_staff=True)
    form = {"username": "alice", "password": PASSWORD}
    html = {"Accept": "text/html"}
    path = client.post("/admin/login/?next=/admin/", form, headers=html).headers["Location"]
    assert '<input type="password" name="new_password"' in client.get(path).content.decode()

    again = client.post(path, {"new_password": PASSWORD})
    assert "Choose another password than before." in again.content.decode()
    assert client.get("/admin/").status_code == 302

    assert client.post(path, {"new_password": OTHER}).headers["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_after_the_second_factor(known: User, browser: ApiClient, settings: Any) -> None:
    settings.SESSION_AUTH_STAGES = ["tests.stages.SecondFactor", STAGE, "tests.stages.Terms"]
    User.objects.update(first_name="pin", email="unread@example.org")
    browser.log_in()
    assert choose(browser).json()["fields"] == {"method": ["This method is not offered."]}

    pin = browser.call("POST", NEXT, {"method": "pin", "code": "2468"})
    assert pin.json()["code"] == "new_password_required"
    assert choose(browser).json()["code"] == "terms_required"

    assert browser.call("POST", NEXT, {"method": "terms", "accept": True}).status_code == 200
    assert browser.user() is not None
    [session] = list_sessions(known)
    assert assurance(session) == 2


def test_an_end_of_all_sessions_ends_the_login_after_the_new_password(
    known: User, browser: ApiClient, settings: Any
) -> None:
    settings.SESSION_AUTH_STAGES = [STAGE, "tests.stages.Terms"]
    User.objects.update(email="unread@example.org")
    browser.log_in()
    choose(browser)

    end_sessions(known)

    last = browser.call("POST", NEXT, {"method": "terms", "accept": True})
    assert last.json()["code"] == "login_expired"


def test_it_is_logged_with_who_requires_it(
    alice: User, bob: User, rf: Any, caplog: pytest.LogCaptureFixture
) -> None:
    request = rf.post("/desk/")
    request.user = bob

    with caplog.at_level(logging.INFO, logger="session_auth.security"):
        require_new_password(alice, request=request)

    [event] = [r for r in caplog.records if vars(r).get("event") == "new_password_required"]
    assert (vars(event)["user_id"], vars(event)["by"]) == (alice.pk, bob.pk)


def test_where_nothing_would_ask_it_is_an_error(alice: User, settings: Any) -> None:
    settings.SESSION_AUTH_STAGES = []

    with pytest.raises(ImproperlyConfigured, match="SESSION_AUTH_STAGES"):
        require_new_password(alice)
    assert not RequiredPassword.objects.exists()


def test_users_who_need_none_are_not_asked(
    alice: User, browser: ApiClient, django_assert_num_queries: Any
) -> None:
    [stage] = get_stages()

    with django_assert_num_queries(1):
        assert not stage.is_due(alice, browser.request().wsgi_request)
    assert browser.log_in().status_code == 200
