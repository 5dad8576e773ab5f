"""The mail that tells of a login in a browser that the account did not know."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from session_auth import later, new_devices
from session_auth.conf import get_conf
from session_auth.models import PendingMail
from session_auth.sessions.listing import rows
from tests.api_client import AUTH, PASSWORD, ApiClient
from tests.outage import Dying

URL = "https://example.org/app/#/sessions"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(settings: Any) -> list[Any]:
    """The mails, where the setting says that there are any."""
    settings.SESSION_AUTH_SESSIONS_URL = URL
    return mail.outbox


def test_a_login_in_a_strange_browser_is_told_once(alice: User, told: list[Any]) -> None:
    browser = ApiClient(headers={"User-Agent": FIREFOX})
    for _ in range(2):
        browser.log_in()
        browser.log_out()

    [message] = told
    assert message.to == ["alice@example.org"]
    assert message.subject == "A new device signed in"
    assert "signed in as alice" in message.body
    assert "127.0.0.1" in message.body
    assert URL in message.body


def test_another_browser_is_another_device(alice: User, told: list[Any]) -> None:
    ApiClient().log_in()
    ApiClient().log_in()

    assert len(told) == 2


def test_its_link_leads_to_the_page_and_says_nothing_else(alice: User, told: list[Any]) -> None:
    browser = ApiClient()
    browser.log_in()

    [message] = told
    links = [word for word in message.body.split() if "://" in word]
    assert links == [URL]
    assert browser.session_key() not in message.body


def test_a_wrong_password_is_no_login(alice: User, told: list[Any]) -> None:
    ApiClient().log_in(password="wrong")

    assert told == []


def test_a_proof_in_a_browser_that_is_known_is_not_told(alice: User, told: list[Any]) -> None:
    browser = ApiClient()
    browser.log_in()
    browser.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})

    assert len(told) == 1


def test_without_the_setting_nobody_is_told(alice: User) -> None:
    ApiClient().log_in()

    assert mail.outbox == []


def test_a_user_without_an_address_is_not_told(told: list[Any]) -> None:
    User.objects.create_user("bob", password=PASSWORD)
    ApiClient().log_in("bob")

    assert told == []


@pytest.mark.parametrize("gone", ["user", "setting"])
def test_a_mail_that_has_lost_its_reason_is_not_sent(
    alice: User, told: list[Any], settings: Any, gone: str
) -> None:
    user_id = "0" if gone == "user" else str(alice.pk)
    if gone == "setting":
        settings.SESSION_AUTH_SESSIONS_URL = None
    to = "alice@example.org"
    mail_id = later.post(new_devices.NOTICE, user_id=user_id, to=to, ip="", user_agent="")
    later.wake(mail_id)

    assert told == []


def test_the_setting_is_an_absolute_url(settings: Any) -> None:
    settings.SESSION_AUTH_SESSIONS_URL = "/sessions/"

    with pytest.raises(ImproperlyConfigured, match="absolute URL"):
        get_conf()


def test_who_proves_the_password_again_in_a_strange_browser_is_told(
    alice: User, told: list[Any]
) -> None:
    """So is who logs in by a view that stores the session itself: it is there by then."""
    browser = ApiClient()
    browser.log_in()
    del browser.cookies["sessionid_device"]
    told.clear()

    browser.call("POST", AUTH + "reauthenticate/", {"password": PASSWORD})

    assert [message.subject for message in told] == ["A new device signed in"]


@pytest.mark.django_db(transaction=True)
def test_whenever_the_database_dies_a_login_is_told_or_was_not_made(
    alice: User, told: list[Any]
) -> None:
    """No session is in the user's list whose key nobody has, and none of which nobody was told."""
    is_dead, at = True, -1
    while is_dead:
        at += 1
        browser, before = ApiClient(), len(rows().some(at_most=100))
        browser.get(AUTH + "csrf/")
        told.clear()
        PendingMail.objects.all().delete()
        dying = Dying(after="UPDATE auth_user", at=at)
        with connection.execute_wrapper(dying):
            response = browser.log_in()

        made = len(rows().some(at_most=100)) - before
        is_told = bool(told) or PendingMail.objects.exists()
        assert (response.status_code, made, is_told) in [(200, 1, True), (503, 0, False)]
        is_dead = dying.is_dead
    assert at > 3
