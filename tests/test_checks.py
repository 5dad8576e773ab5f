"""Each rule of the checks: what it finds, and that a sound project passes."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.serializers import JSONSerializer
from django.core.checks import run_checks
from django.db.models import CompositePrimaryKey
from django.test import override_settings

from session_auth.checks.setup import users_have_one_key
from session_auth.middleware import SessionMiddleware
from tests.checking import PRODUCTION, STARTPROJECT, deployed, found, ids

SESSION = "session_auth.middleware.SessionMiddleware"
CSRF = "session_auth.middleware.CsrfViewMiddleware"
AUTH = "session_auth.middleware.AuthenticationMiddleware"
MESSAGES = "django.contrib.messages.middleware.MessageMiddleware"
A_FUNCTION = "django.utils.decorators.sync_only_middleware"

pytestmark = pytest.mark.django_db  # one of the rules looks at the database in use


class PickleLikeSerializer:
    def dumps(self, obj: object) -> bytes:
        return b"\x80\x05"


class NotFaithfulSerializer(JSONSerializer):
    def dumps(self, obj: object) -> bytes:
        return b"{}"


class TextSerializer:
    def dumps(self, obj: object) -> str:
        return "{}"


class Subclass(SessionMiddleware):
    pass


def test_a_project_with_the_four_edits_passes() -> None:
    assert ids() == []


def test_a_production_project_passes() -> None:
    assert deployed() == []


@pytest.mark.parametrize(
    ("middleware", "expected"),
    [
        ([SESSION, CSRF, AUTH], []),
        ([SESSION, AUTH, CSRF], []),
        ([f"{__name__}.Subclass", A_FUNCTION, CSRF, AUTH], []),
        ([], ["session_auth.E001"] * 3),
        ([SESSION, "django.middleware.csrf.CsrfViewMiddleware", AUTH], ["session_auth.E001"]),
        ([CSRF, SESSION, AUTH], ["session_auth.E002"]),
        ([AUTH, SESSION, CSRF], ["session_auth.E002"]),
        ([MESSAGES, SESSION, CSRF, AUTH], ["session_auth.E002"]),
    ],
)
def test_the_middleware_are_installed_and_in_order(
    middleware: list[str], expected: list[str]
) -> None:
    assert ids(MIDDLEWARE=middleware) == expected


def test_a_missing_middleware_is_named_with_the_one_that_it_replaces() -> None:
    with override_settings(MIDDLEWARE=[SESSION, CSRF]):
        [message] = [m for m in run_checks() if m.id == "session_auth.E001"]

    assert (
        message.msg == f"'{AUTH}' is not in MIDDLEWARE, so its part of the protection is missing."
    )
    assert message.hint == (
        "Put it where 'django.contrib.auth.middleware.AuthenticationMiddleware' is or would be."
    )


DJANGOS = {
    SESSION: "django.contrib.sessions.middleware.SessionMiddleware",
    CSRF: "django.middleware.csrf.CsrfViewMiddleware",
    AUTH: "django.contrib.auth.middleware.AuthenticationMiddleware",
}


@pytest.mark.parametrize("ours", DJANGOS)
def test_djangos_middleware_beside_ours_is_found(ours: str) -> None:
    with override_settings(MIDDLEWARE=[SESSION, CSRF, AUTH, DJANGOS[ours]]):
        [(found_id, message)] = found()

    assert found_id == "session_auth.E011"
    assert message.startswith(f"'{DJANGOS[ours]}' is in MIDDLEWARE beside the one")


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file", "signed_cookies"])
def test_djangos_engines_cannot_keep_the_promises(engine: str) -> None:
    """A10"""
    engine = f"django.contrib.sessions.backends.{engine}"

    assert ids(SESSION_ENGINE=engine) == ["session_auth.E003"]


@pytest.mark.parametrize(
    "name", ["PickleLikeSerializer", "NotFaithfulSerializer", "TextSerializer"]
)
def test_a_serializer_must_write_json(name: str) -> None:
    assert ids(SESSION_SERIALIZER=f"{__name__}.{name}") == ["session_auth.E004"]


def test_the_session_cookie_is_hidden_from_scripts() -> None:
    assert ids(SESSION_COOKIE_HTTPONLY=False) == ["session_auth.E005"]


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("API_PATHS", "paths that begin with a slash, such as '/api/'"),
        ("KEEP_AT_LOGIN", "strings"),
    ],
)
def test_a_setting_of_the_wrong_type_is_found(name: str, items: str) -> None:
    with override_settings(**{f"SESSION_AUTH_{name}": "text"}):
        [message] = [m for m in run_checks() if m.id == "session_auth.E006"]

    assert message.msg == f"SESSION_AUTH_{name} must be a list or tuple of {items}."
    assert message.hint


def test_who_is_logged_in_cannot_be_kept_at_login() -> None:
    kept = ["cart", "_auth_user_id", "_auth_user_backend", "_auth_user_hash"]

    assert ids(SESSION_AUTH_KEEP_AT_LOGIN=kept) == ["session_auth.E007"] * 3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("id", []),
        ("username", []),
        ("email", []),
        ("is_authenticated", []),
        ("password", ["session_auth.E006"]),
        ("nickname", ["session_auth.E008"]),
        ("groups", ["session_auth.E008"]),
        ("delete", ["session_auth.E008"]),
    ],
)
def test_only_public_columns_and_properties_of_a_user_are_shown(
    name: str, expected: list[str]
) -> None:
    assert ids(SESSION_AUTH_USER_FIELDS=["id", name]) == expected


@pytest.mark.parametrize("age", [0, -1, "3600", timedelta(hours=1), None, True])
def test_the_age_of_the_cookie_is_a_number_of_seconds(age: object) -> None:
    assert ids(SESSION_COOKIE_AGE=age) == ["session_auth.E015"]
    assert ids(SESSION_COOKIE_AGE=3600.5) == []


@pytest.mark.parametrize(
    ("interval", "idle", "expected"),
    [
        (timedelta(minutes=1), timedelta(minutes=30), []),
        (timedelta(minutes=29), timedelta(minutes=30), []),
        (timedelta(minutes=30), timedelta(minutes=30), ["session_auth.E013"]),
        (timedelta(days=14), None, ["session_auth.E013"]),
        (timedelta(days=13), None, []),
    ],
)
def test_activity_is_written_down_before_the_session_ends(
    interval: timedelta, idle: timedelta | None, expected: list[str]
) -> None:
    settings: dict[str, Any] = {
        "SESSION_AUTH_LAST_SEEN_INTERVAL": interval,
        "SESSION_AUTH_IDLE_TIMEOUT": idle,
    }

    assert ids(**settings) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"SESSION_COOKIE_AGE": 30 * 86400}, []),
        ({"SESSION_COOKIE_AGE": 365 * 86400}, ["session_auth.W014"]),
        ({"SESSION_AUTH_IDLE_TIMEOUT": timedelta(days=31)}, ["session_auth.W014"]),
        ({"SESSION_AUTH_ABSOLUTE_TIMEOUT": timedelta(days=13)}, ["session_auth.W014"]),
        ({"SESSION_AUTH_ABSOLUTE_TIMEOUT": timedelta(days=400)}, []),
        ({"SESSION_AUTH_ABSOLUTE_TIMEOUT": timedelta(days=401)}, ["session_auth.W015"]),
    ],
)
def test_a_session_can_last_as_long_as_the_settings_say(
    change: dict[str, Any], expected: list[str]
) -> None:
    assert ids(**change) == expected


def test_users_with_a_key_of_several_columns_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    key = CompositePrimaryKey("id", "username")
    assert ids() == []

    monkeypatch.setattr(User._meta, "pk", key)

    assert [message.id for message in users_have_one_key()] == ["session_auth.E014"]


def test_a_year_that_is_thirty_days_names_both_settings() -> None:
    with override_settings(SESSION_COOKIE_AGE=365 * 86400):
        [(_, message)] = found()

    assert message == (
        "SESSION_COOKIE_AGE is 365 days, 0:00:00, but each session ends 30 days, 0:00:00 after its "
        "login, by SESSION_AUTH_ABSOLUTE_TIMEOUT."
    )


def test_a_misspelt_setting_is_found() -> None:
    with override_settings(SESSION_AUTH_USER_FIELD=["id"]):
        assert found() == [
            (
                "session_auth.W001",
                "SESSION_AUTH_USER_FIELD is not a setting of this package: it has no effect.",
            )
        ]


def test_saving_at_each_request_is_not_needed() -> None:
    assert ids(SESSION_SAVE_EVERY_REQUEST=True) == ["session_auth.W002"]


@pytest.mark.parametrize(
    "change",
    [
        {"SESSION_COOKIE_SECURE": False},
        {"SESSION_COOKIE_PATH": "/app/"},
        {"SESSION_COOKIE_DOMAIN": "example.org"},
        {"CSRF_COOKIE_SECURE": False},
        {"CSRF_COOKIE_PATH": "/app/"},
        {"CSRF_COOKIE_DOMAIN": "example.org"},
    ],
)
def test_a_host_prefix_that_browsers_would_refuse_is_found(change: dict[str, Any]) -> None:
    assert ids(**PRODUCTION | change) == ["session_auth.E009"]
    assert deployed(**change).count("session_auth.E009") == 1


@pytest.mark.parametrize("which", ["SESSION", "CSRF"])
def test_a_cookie_that_goes_to_every_subdomain_is_found_once_by_its_cause(which: str) -> None:
    change = {f"{which}_COOKIE_DOMAIN": ".example.org", f"{which}_COOKIE_NAME": "plain"}

    assert deployed(**change) == ["session_auth.E105", "session_auth.W101"]


@pytest.mark.parametrize("which", ["SESSION", "CSRF"])
def test_a_cookie_that_browsers_refuse_is_found_once(which: str) -> None:
    assert deployed(**{f"{which}_COOKIE_SECURE": False}) == ["session_auth.E009"]


def test_development_settings_are_found_when_deployed() -> None:
    assert ids(deploy=True, **STARTPROJECT) == [
        *["session_auth.E101"] * 2,
        "session_auth.I102",
        "session_auth.I103",
        *["session_auth.W101"] * 2,
        "session_auth.W110",
    ]


def test_a_csrf_token_in_the_session_has_no_cookie_to_be_secured() -> None:
    assert ids(deploy=True, CSRF_USE_SESSIONS=True, **STARTPROJECT) == [
        "session_auth.E101",
        "session_auth.I102",
        "session_auth.I103",
        "session_auth.W101",
        "session_auth.W110",
    ]


@pytest.mark.parametrize("which", ["SESSION", "CSRF"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Lax", []),
        ("Strict", []),
        ("None", ["session_auth.E102"]),
        (None, ["session_auth.E102"]),
        (False, ["session_auth.E102"]),
    ],
)
def test_cookies_are_same_site(which: str, value: object, expected: list[str]) -> None:
    assert deployed(**{f"{which}_COOKIE_SAMESITE": value}) == expected


def test_a_setting_of_the_wrong_type_is_told_of_once() -> None:
    """One wrong setting is reported once, not by each rule that reads another setting."""
    assert ids(SESSION_AUTH_IDLE_TIMEOUT=30, SESSION_AUTH_LAST_SEEN_INTERVAL=60) == [
        "session_auth.E006"
    ]
