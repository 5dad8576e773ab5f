"""A process that is killed at each step: before each statement, commit, and call of Redis.

A child process does what the parent would, and kills itself at a step, as an OOM killer does. The
parent then asks what is true. The child is killed one step later each time, until it is done.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.db import transaction
from django.http import HttpRequest
from django.test import override_settings

from session_auth.keys import digest
from session_auth.models import EndedSession, GuessCount, PendingMail
from session_auth.sessions import end_all_sessions, end_session, end_sessions, list_sessions
from session_auth.sessions.users import user_of
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.redis.steps import kills
from tests.storing import SessionStore, stored

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "an even better horse"


def is_in(key: str) -> bool:
    request = HttpRequest()
    request.session = SessionStore(key)
    return bool(user_of(request).is_authenticated)


def keys_of(browsers: Iterable[ApiClient]) -> list[str]:
    return [browser.session_key() for browser in browsers]


def forget_killed() -> None:
    """Forget the guesses that were counted without an answer, and the mails not yet sent."""
    GuessCount.objects.all().delete()
    PendingMail.objects.all().delete()


def change_password(browser: ApiClient) -> None:
    body = {"old_password": PASSWORD, "new_password": NEW}
    browser.call("POST", AUTH + "password/change/", body)


def test_a_change_of_the_password_ends_the_others_or_has_not_happened(alice: User) -> None:
    seen = set()
    here, there = signed_in(), signed_in()

    for _ in kills(lambda: change_password(here)):  # noqa: B023 # of that time
        forget_killed()
        alice.refresh_from_db()
        is_changed = alice.check_password(NEW)
        seen.add(is_changed)

        # Also under the key that the caller had: the new one came with no answer.
        assert is_in(there.session_key()) is not is_changed
        assert is_in(here.session_key()) is not is_changed
        if is_changed:
            alice.set_password(PASSWORD)
            alice.save()
            here, there = signed_in(), signed_in()

    assert seen == {False, True}


def test_a_change_that_is_rolled_back_signs_nobody_out(alice: User) -> None:
    here, there = signed_in(), signed_in()
    old_key = here.session_key()

    with transaction.atomic():
        change_password(here)
        transaction.set_rollback(True)

    new_key = here.session_key()
    assert new_key != old_key
    assert (is_in(old_key), is_in(new_key), is_in(there.session_key())) == (True, False, True)
    assert {info.id for info in list_sessions(alice)} == {
        info.id for key in (old_key, there.session_key()) if (info := info_of(key))
    }


def info_of(key: str) -> Any:
    session = SessionStore(key)
    session.load()
    return session.info


def test_what_a_rolled_back_request_saves_under_its_new_key_is_refused(alice: User) -> None:

    browser = signed_in()
    session = SessionStore(browser.session_key())
    with transaction.atomic():
        session.cycle_key()
        transaction.set_rollback(True)
    session["late"] = True

    with pytest.raises(UpdateError):
        session.save()
    assert is_in(browser.session_key())


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_new_key_replaces_the_old_one_in_one_instant(alice: User, in_transaction: bool) -> None:
    opened = set()
    browser = signed_in()
    key = browser.session_key()

    def renew() -> None:  # pragma: no cover # in the child
        session = SessionStore(key)
        with transaction.atomic() if in_transaction else ExitStack():
            session.cycle_key()
            session["later"] = 1
            session.save()

    for _ in kills(renew):
        # Whatever is left in Redis: of the two rows, one counts.
        listed = [info.id for info in list_sessions(alice)]
        assert len(listed) == 1
        assert (listed == [id_of(browser)]) is is_in(key)
        opened.add(is_in(key))
        if not is_in(key):
            assert end_sessions(alice) == 1
            assert list_sessions(alice) == []
            browser = signed_in()
            key = browser.session_key()

    assert opened == {True, False}


ENDS: list[Callable[[User, ApiClient], object]] = [
    lambda user, browser: SessionStore(browser.session_key()).flush(),
    lambda user, browser: end_session(user, id_of(browser)),
    lambda user, browser: end_sessions(user, but="x" * 43),
    lambda user, browser: end_sessions(user),
]


@pytest.mark.parametrize("end", ENDS)
def test_an_end_of_which_somebody_was_told_stays(
    end: Callable[[User, ApiClient], object], alice: User
) -> None:
    browser = signed_in()

    for _ in kills(lambda: end(alice, browser)):  # noqa: B023 # of that time
        end(alice, browser)  # as whoever got no answer does

        assert not is_in(browser.session_key())
        assert list_sessions(alice) == []
        browser = signed_in()


@override_settings(SESSION_AUTH_KEEP_ENDED=timedelta(days=1))
def test_an_end_of_everybodys_sessions_that_is_killed_has_ended_those_of_all_users_or_none(
    alice: User, bob: User
) -> None:
    seen = set()
    browsers = [signed_in(), signed_in("bob")]

    for _ in kills(end_all_sessions):
        [is_there] = {is_in(browser.session_key()) for browser in browsers}
        seen.add(is_there)
        visitor = stored(cart=1)
        end_all_sessions()  # as whoever got no answer does

        keys = [visitor.session_key, *keys_of(browsers)]
        assert not any(SessionStore(key).load() for key in keys)
        kept = {row.session_id for row in EndedSession.objects.all()}
        assert kept >= {digest(key) for key in keys_of(browsers)}
        browsers = [signed_in(), signed_in("bob")]

    assert seen == {False, True}


def test_a_login_that_is_killed_leaves_the_old_session_or_its_own(alice: User) -> None:
    browser = signed_in()
    key = browser.session_key()

    for _ in kills(lambda: browser.log_in()):  # noqa: B023 # of that time
        forget_killed()
        if not is_in(key):
            assert list_sessions(alice)  # its own, whose key nobody has
            end_sessions(alice)
            browser = signed_in()
            key = browser.session_key()


def test_a_visit_that_becomes_a_users_without_a_login_is_theirs_or_goes_on(alice: User) -> None:
    session = stored(cart=1)
    key = session.session_key

    def become() -> None:  # pragma: no cover # in the child
        request = SessionStore(key)
        request["_auth_user_id"] = str(alice.pk)
        request.save()

    for _ in kills(become):
        data = SessionStore(key).load()
        assert data in ({"cart": 1}, {"cart": 1, "_auth_user_id": str(alice.pk)})
        if "_auth_user_id" in data:
            end_sessions(alice)
            assert SessionStore(key).load() == {}
            session = stored(cart=1)
            key = session.session_key
