"""A Redis that forgets: what a fail-over loses, or a backup brings back, opens nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from session_auth.engines.redis.client import store
from session_auth.models import Tombstone
from session_auth.sessions import (
    end_all_sessions,
    end_session,
    end_sessions,
    list_sessions,
    prune_sessions,
)
from tests.api_client import AUTH, PASSWORD, ApiClient, id_of, signed_in
from tests.storing import SessionStore, stored

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "a long new password"


def backup() -> dict[str, tuple[bytes, int]]:
    client = store().client
    return {key: (client.dump(key), client.pttl(key)) for key in store().scan("*")}


@contextmanager
def forgotten() -> Iterator[None]:
    """Let the server have again what it had before, and lose all that was written since."""
    before = backup()
    yield
    store().delete(list(store().scan("*")))
    for key, (value, milliseconds) in before.items():
        store().client.restore(key, milliseconds, value)


def log_out(browser: ApiClient, user: User) -> None:
    browser.call("POST", AUTH + "logout/")


def end_it(browser: ApiClient, user: User) -> None:
    assert end_session(user, id_of(browser))


def end_others(browser: ApiClient, user: User) -> None:
    assert end_sessions(user, but=id_of(signed_in())) == 1


def end_all(browser: ApiClient, user: User) -> None:
    assert end_sessions(user) == 1


def end_everybodys(browser: ApiClient, user: User) -> None:
    assert end_all_sessions() == 1


def change_password(browser: ApiClient, user: User) -> None:
    body = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert signed_in().call("POST", AUTH + "password/change/", body).status_code == 200


def deactivate_and_activate(browser: ApiClient, user: User) -> None:
    for is_active in (False, True):
        user.is_active = is_active
        user.save()


def log_in_again(browser: ApiClient, user: User) -> None:
    browser.log_in()


def evict(browser: ApiClient, user: User) -> None:
    with override_settings(SESSION_AUTH_MAX_SESSIONS=1):
        signed_in()


def renew(browser: ApiClient, user: User) -> None:
    SessionStore(browser.session_key()).cycle_key()


ENDS = [
    log_out,
    end_it,
    end_others,
    end_all,
    end_everybodys,
    change_password,
    deactivate_and_activate,
    log_in_again,
    evict,
    renew,
]


@pytest.mark.parametrize("end", ENDS)
def test_an_end_survives_a_server_that_forgets_it(
    end: Callable[[ApiClient, User], None], alice: User
) -> None:
    browser = signed_in()
    key, session_id = browser.session_key(), id_of(browser)

    with forgotten():
        end(browser, alice)

    assert store().hashes(list(store().scan(f"*{session_id}"))) != [{}]
    assert SessionStore(key).load() == {}
    assert session_id not in [info.id for info in list_sessions(alice)]


def test_a_list_leaves_out_what_has_ended_without_being_asked_for_it(alice: User) -> None:
    here, there = signed_in(), signed_in()

    with forgotten():
        end_session(alice, id_of(there))

    assert [info.id for info in list_sessions(alice)] == [id_of(here)]


def test_a_visit_that_has_ended_stays_ended() -> None:
    session = stored(cart=1)

    with forgotten():
        SessionStore(session.session_key).flush()

    assert SessionStore(session.session_key).load() == {}


def test_what_came_back_is_announced_no_second_time(
    alice: User, ends: list[Any], clock: Any
) -> None:
    browser = signed_in()
    with forgotten():
        end_session(alice, id_of(browser))
    assert ends == [(id_of(browser), alice.pk, "ended_by_user")]

    assert end_session(alice, id_of(browser)) is False
    assert end_sessions(alice) == 0
    clock.shift(60 * 60 * 24 * 15)
    prune_sessions()

    assert len(ends) == 1


def test_a_server_that_loses_all_signs_people_out_and_no_more(alice: User) -> None:
    browser = signed_in()
    store().delete(list(store().scan("*")))

    assert browser.user() is None
    assert list_sessions(alice) == []
    assert browser.log_in().status_code == 200
    assert len(list_sessions(alice)) == 1


def test_tombstones_go_when_no_session_can_be_so_old(alice: User, clock: Any) -> None:

    browser = signed_in()
    end_session(alice, id_of(browser))
    clock.shift(60 * 60 * 24 * 29)
    prune_sessions()
    assert Tombstone.objects.filter(pk=id_of(browser)).exists()

    clock.shift(60 * 60 * 24 * 2)
    prune_sessions()

    assert not Tombstone.objects.exists()
