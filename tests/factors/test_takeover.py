"""Factors of another package that are taken over: each once, and as strong as they were there."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from cbor2 import dumps
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import override_settings

from session_auth.factors import totp
from session_auth.factors.models import Factor, TakenOver
from session_auth.factors.takeover import (
    Found,
    app,
    passkey,
    recovery_code,
    take_over,
)
from tests.api_client import AUTH, signed_in
from tests.factors.authenticator import Authenticator
from tests.factors.calls import (
    code_of,
    half_way,
    make_codes,
    second_factor,
    set_up_app,
    told,
)
from tests.factors.settings import SESSION_AUTH_TOTP_KEYS as KEYS
from tests.factors.taken import HANDLE, key_of, signed_in_by, taken, whys

pytestmark = pytest.mark.django_db

SECRET = b"12345678901234567890"
CODE = "12345678"
# Apps


def test_an_app_is_asked_for_its_codes(clock: Any, alice: User) -> None:
    result = taken(app("app 1", user_id=alice.pk, secret=SECRET))

    assert [each.kind for each in result.taken] == ["totp"]
    assert second_factor(half_way(), "totp", code=code_of(SECRET)).status_code == 200
    assert mail.outbox == []


def test_a_code_that_was_used_elsewhere_is_used_up(clock: Any, alice: User) -> None:
    now = totp.current_step()
    taken(app("app 1", user_id=alice.pk, secret=SECRET, last_step=now))

    assert told(second_factor(half_way(), "totp", code=code_of(SECRET)))[0] == 401
    assert second_factor(half_way(), "totp", code=code_of(SECRET, steps=1)).status_code == 200


def test_an_app_that_was_set_up_here_stays(clock: Any, alice: User) -> None:
    own = set_up_app(signed_in())

    result = taken(app("app 1", user_id=alice.pk, secret=SECRET))

    assert whys(result) == ["the user has an app here"]
    assert second_factor(half_way(), "totp", code=code_of(own, steps=1)).status_code == 200


def test_of_two_apps_the_first_is_taken(clock: Any, alice: User) -> None:
    apps = [
        app(f"app {number}", user_id=alice.pk, secret=bytes([number]) * 20) for number in (1, 2)
    ]

    result = taken(*apps)

    assert (result.taken, whys(result)) == (apps[:1], ["the user has an app here"])
    assert second_factor(half_way(), "totp", code=code_of(b"\x01" * 20)).status_code == 200


# Recovery codes


def test_a_recovery_code_is_good_once_and_is_nowhere_in_clear(clock: Any, alice: User) -> None:
    taken(
        app("app 1", user_id=alice.pk, secret=SECRET),
        recovery_code("codes 1", user_id=alice.pk, code=CODE),
        recovery_code("codes 1", user_id=alice.pk, code="ABCD-efgh"),
    )

    assert not [row for row in Factor.objects.values() if CODE in str(row)]
    assert half_way_by(CODE[:4] + " " + CODE[4:]) == (200, None)
    assert half_way_by(CODE) == (401, "invalid_credentials")
    assert half_way_by("abcdefgh") == (200, None)
    assert [message.subject for message in mail.outbox] == ["A recovery code of yours was used"] * 2


def half_way_by(code: str) -> tuple[int, str | None]:
    return told(second_factor(half_way(), "recovery", code=code))


def test_nobody_uses_the_recovery_code_of_another(clock: Any, alice: User, bob: User) -> None:
    """CVE-2026-78619"""
    for user in (alice, bob):
        taken(app(f"app {user.pk}", user_id=user.pk, secret=SECRET))
    taken(recovery_code("codes 1", user_id=bob.pk, code=CODE))
    taken(recovery_code("codes 2", user_id=alice.pk, code="87654321"))

    assert half_way_by(CODE) == (401, "invalid_credentials")


def test_who_has_made_recovery_codes_here_keeps_those_alone(clock: Any, alice: User) -> None:
    browser = signed_in()
    set_up_app(browser)
    make_codes(browser)

    result = taken(recovery_code("codes 1", user_id=alice.pk, code=CODE))

    assert whys(result) == ["the user has made recovery codes here"]
    assert half_way_by(CODE) == (401, "invalid_credentials")


def test_new_recovery_codes_void_those_that_were_taken_over(clock: Any, alice: User) -> None:
    taken(
        app("app 1", user_id=alice.pk, secret=SECRET),
        recovery_code("codes 1", user_id=alice.pk, code=CODE),
    )
    browser = half_way()
    second_factor(browser, "totp", code=code_of(SECRET))
    make_codes(browser)

    assert half_way_by(CODE) == (401, "invalid_credentials")
    assert browser.get(AUTH + "factors/").json()["recovery_codes_left"] == 10


def test_a_key_is_replaced_for_recovery_codes_too(clock: Any, alice: User) -> None:
    taken(
        app("app 1", user_id=alice.pk, secret=SECRET),
        recovery_code("codes 1", user_id=alice.pk, code=CODE),
    )
    new = Fernet.generate_key().decode()

    with override_settings(SESSION_AUTH_TOTP_KEYS=[new, *KEYS]):
        call_command("renew_totp_keys", stdout=StringIO())
    with override_settings(SESSION_AUTH_TOTP_KEYS=[new]):
        assert half_way_by(CODE) == (200, None)


# Once


def test_what_was_taken_over_does_not_come_back(clock: Any, alice: User) -> None:
    key = Authenticator()
    found = [
        app("app 1", user_id=alice.pk, secret=SECRET),
        recovery_code("codes 1", user_id=alice.pk, code=CODE),
        key_of(key, alice, handle=HANDLE, verifies=True),
    ]
    taken(*found)
    half_way_by(CODE)
    browser = signed_in_by(key)
    browser.call("DELETE", AUTH + "factors/totp/")
    path = f"{AUTH}factors/passkeys/{Factor.objects.get(kind='passkey').id}/"
    browser.call("DELETE", path)
    assert not Factor.objects.exists()

    result = taken(*found)

    assert (result.taken, result.before, result.left) == ([], found, [])
    assert not Factor.objects.exists()


def test_a_dry_run_stores_nothing(alice: User) -> None:
    found = [app("app 1", user_id=alice.pk, secret=SECRET)]

    assert taken(*found, dry_run=True).taken == found
    assert not Factor.objects.exists()
    assert not TakenOver.objects.exists()
    assert taken(*found).taken == found


def test_another_passkey_with_the_same_id_is_left(alice: User, bob: User) -> None:
    key = Authenticator()
    taken(key_of(key, alice, handle=HANDLE, verifies=True))

    result = take_over([key_of(key, bob)], source="a third one")

    assert whys(result) == ["there is one already"]


def test_each_kind_is_an_event(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="session_auth.security")

    taken(
        app("app 1", user_id=alice.pk, secret=SECRET),
        *(recovery_code("codes 1", user_id=alice.pk, code=code) for code in ("1", "2")),
    )

    told = [vars(each) for each in caplog.records if each.name == "session_auth.security"]
    assert [(each["event"], each["factor"], each["source"]) for each in told] == [
        ("factor_added", "totp", "the old one"),
        ("factor_added", "recovery", "the old one"),
    ]


@override_settings(SESSION_AUTH_TOTP_KEYS=(), SESSION_AUTH_PASSKEY_ORIGINS=())
@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: app("1", user_id=1, secret=SECRET), "SESSION_AUTH_TOTP_KEYS"),
        (lambda: recovery_code("1", user_id=1, code=CODE), "SESSION_AUTH_TOTP_KEYS"),
        (lambda: passkey("1", user_id=1, credential_id=b"", public_key=b""), "PASSKEY_ORIGINS"),
    ],
)
def test_what_needs_a_setting_is_left(make: Callable[[], Found], setting: str) -> None:
    [why] = whys(taken(make()))

    assert setting in why


def test_a_key_that_signs_by_a_weak_algorithm_is_left(alice: User) -> None:
    public_key = dumps({1: 3, 3: -65535, -1: b"n", -2: b"e"})

    found = passkey("1", user_id=alice.pk, credential_id=b"1", public_key=public_key)

    assert whys(taken(found)) == ["it signs by a weak algorithm"]


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(CommandError, match=r"allauth\.mfa is not in INSTALLED_APPS"):
        call_command("take_over_factors", "allauth.mfa")


def test_a_row_of_what_was_taken_over_is_called_by_its_id() -> None:
    assert str(TakenOver(id="x")) == "x"
