"""Each rule of the checks: what it finds, and that a sound project passes."""

from typing import Any

import pytest
from django.contrib.sessions.serializers import JSONSerializer
from django.core.checks import run_checks
from django.http import HttpResponse
from django.test import modify_settings, override_settings
from django.urls import include, path

from session_auth import checks
from session_auth.backends import ThrottleMixin
from session_auth.middleware import SessionMiddleware

pytestmark = pytest.mark.django_db(databases=["default", "replica"])  # MySQL is asked its version

SESSION = "session_auth.middleware.SessionMiddleware"
CSRF = "session_auth.middleware.CsrfViewMiddleware"
AUTH = "session_auth.middleware.AuthenticationMiddleware"
A_FUNCTION = "django.utils.decorators.sync_only_middleware"
PRODUCTION = {
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_NAME": "__Host-csrftoken",
    "CSRF_COOKIE_SECURE": True,
}

urlpatterns = [path("own/", include([path("login/", HttpResponse)]))]
urls_without_the_endpoint = __name__


class PickleLikeSerializer:
    def dumps(self, obj: object) -> bytes:
        return b"\x80\x05"


class NotFaithfulSerializer(JSONSerializer):
    def dumps(self, obj: object) -> bytes:
        return b"{}"


class Throttled(ThrottleMixin):
    pass


class Subclass(SessionMiddleware):
    pass


def found(*, deploy: bool = False) -> list[tuple[str, str]]:
    messages = run_checks(include_deployment_checks=deploy)
    return [(str(m.id), str(m.msg)) for m in messages if str(m.id).startswith("session_auth.")]


def ids(*, deploy: bool = False, **settings: Any) -> list[str]:
    with override_settings(**settings):
        return sorted(found_id for found_id, message in found(deploy=deploy))


def test_a_project_with_the_four_edits_passes() -> None:
    assert ids() == []


def test_a_production_project_passes() -> None:
    assert ids(deploy=True, **PRODUCTION) == []


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
    ],
)
def test_the_middleware_are_installed_and_in_order(
    middleware: list[str], expected: list[str]
) -> None:
    assert ids(MIDDLEWARE=middleware) == expected


def test_a_missing_middleware_is_named_with_the_one_that_it_replaces() -> None:
    with override_settings(MIDDLEWARE=[SESSION, CSRF]):
        [message] = [m for m in run_checks() if m.id == "session_auth.E001"]

    assert message.msg == f"'{AUTH}' is not in MIDDLEWARE."
    assert message.hint == (
        "Put it where 'django.contrib.auth.middleware.AuthenticationMiddleware' is or would be."
    )


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "file", "signed_cookies"])
def test_djangos_engines_cannot_keep_the_promises(engine: str) -> None:
    engine = f"django.contrib.sessions.backends.{engine}"

    assert ids(SESSION_ENGINE=engine) == ["session_auth.E003"]


@pytest.mark.parametrize("name", ["PickleLikeSerializer", "NotFaithfulSerializer"])
def test_a_serializer_must_write_json(name: str) -> None:
    assert ids(SESSION_SERIALIZER=f"{__name__}.{name}") == ["session_auth.E004"]


def test_the_session_cookie_is_hidden_from_scripts() -> None:
    assert ids(SESSION_COOKIE_HTTPONLY=False) == ["session_auth.E005"]


@pytest.mark.parametrize("name", ["API_PATHS", "KEEP_AT_LOGIN", "USER_FIELDS"])
def test_a_setting_of_the_wrong_type_is_found(name: str) -> None:
    with override_settings(**{f"SESSION_AUTH_{name}": "text"}):
        [message] = [m for m in run_checks() if m.id == "session_auth.E006"]

    assert message.msg == f"SESSION_AUTH_{name} must be a list or tuple of strings."
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
        ("password", ["session_auth.E008"]),
        ("nickname", ["session_auth.E008"]),
        ("groups", ["session_auth.E008"]),
        ("delete", ["session_auth.E008"]),
    ],
)
def test_only_public_columns_and_properties_of_a_user_are_shown(
    name: str, expected: list[str]
) -> None:
    assert ids(SESSION_AUTH_USER_FIELDS=["id", name]) == expected


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
    ("backends", "expected"),
    [
        (["session_auth.backends.ModelBackend"], []),
        (["django.contrib.auth.backends.ModelBackend", f"{__name__}.Throttled"], []),
        (["django.contrib.auth.backends.ModelBackend"], ["session_auth.W003"]),
    ],
)
def test_guesses_in_the_admin_are_counted(backends: list[str], expected: list[str]) -> None:
    assert ids(AUTHENTICATION_BACKENDS=backends) == expected


def test_without_the_admin_no_backend_has_to_count() -> None:
    check = checks.guesses_in_the_admin_are_counted
    with (
        override_settings(AUTHENTICATION_BACKENDS=[]),
        modify_settings(INSTALLED_APPS={"remove": "django.contrib.admin"}),
    ):
        assert check() == []


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
    settings: dict[str, Any] = PRODUCTION | change

    assert ids(**settings) == ["session_auth.E009"]


def test_development_settings_are_found_when_deployed() -> None:
    assert ids(deploy=True) == ["session_auth.E101"] * 2 + ["session_auth.W101"] * 2


def test_a_csrf_token_in_the_session_has_no_cookie_to_be_secured() -> None:
    assert ids(deploy=True, CSRF_USE_SESSIONS=True) == ["session_auth.E101", "session_auth.W101"]


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
    settings: dict[str, Any] = PRODUCTION | {f"{which}_COOKIE_SAMESITE": value}

    assert ids(deploy=True, **settings) == expected


@pytest.mark.parametrize(("scheme", "expected"), [("https", []), ("http", ["session_auth.E104"])])
def test_a_reset_link_over_plain_http_is_found(scheme: str, expected: list[str]) -> None:
    settings: dict[str, Any] = PRODUCTION | {
        "SESSION_AUTH_PASSWORD_RESET_URL": f"{scheme}://example.org/{{uid}}/{{token}}"
    }

    assert ids(deploy=True, **settings) == expected


@pytest.mark.parametrize("hidden", ["CSRF_COOKIE_HTTPONLY", "CSRF_USE_SESSIONS"])
def test_a_token_that_scripts_cannot_get_is_found(hidden: str) -> None:
    settings: dict[str, Any] = PRODUCTION | {hidden: True}

    assert ids(deploy=True, **settings) == []
    assert ids(deploy=True, ROOT_URLCONF=urls_without_the_endpoint, **settings) == [
        "session_auth.E103"
    ]


def test_every_message_has_a_hint_and_an_id_of_its_own() -> None:
    with override_settings(
        MIDDLEWARE=[CSRF, SESSION],
        SESSION_ENGINE="django.contrib.sessions.backends.db",
        SESSION_SERIALIZER=f"{__name__}.PickleLikeSerializer",
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_SAVE_EVERY_REQUEST=True,
        SESSION_COOKIE_NAME="__Host-s",
        SESSION_COOKIE_SAMESITE="None",
        SESSION_AUTH_KEEP_AT_LOGIN=["_auth_user_id"],
        SESSION_AUTH_USER_FIELDS=["password"],
        SESSION_AUTH_TYPO=1,
        CSRF_COOKIE_HTTPONLY=True,
        AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend"],
        ROOT_URLCONF=urls_without_the_endpoint,
    ):
        messages = [
            message
            for message in run_checks(include_deployment_checks=True)
            if str(message.id).startswith("session_auth.")
        ]

    numbers = {str(message.id).removeprefix("session_auth.") for message in messages}
    errors = {f"E{number:03}" for number in (1, 2, 3, 4, 5, 7, 8, 9, 101, 102, 103)}
    assert numbers == errors | {"W001", "W002", "W003", "W101"}
    assert all(message.hint for message in messages)
