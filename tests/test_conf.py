from dataclasses import fields
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from session_auth.conf import RULES, Conf, cached_settings, get_conf


def test_defaults_need_no_settings() -> None:
    conf = get_conf()

    assert timedelta(days=30) == conf.ABSOLUTE_TIMEOUT
    assert conf.API_PATHS == ("/api/",)
    assert conf.IDLE_TIMEOUT is None
    assert conf.KEEP_AT_LOGIN == ()
    assert timedelta(minutes=1) == conf.LAST_SEEN_INTERVAL
    assert conf.USER_FIELDS == ("id", "username")


def test_a_changed_setting_counts_at_once() -> None:
    get_conf()

    with override_settings(SESSION_AUTH_API_PATHS=["/v1/"]):
        assert get_conf().API_PATHS == ["/v1/"]
    assert get_conf().API_PATHS == ("/api/",)


def test_a_changed_setting_of_django_counts_at_once() -> None:
    assert cached_settings.SESSION_COOKIE_NAME == "sessionid"

    with override_settings(SESSION_COOKIE_NAME="other"):
        assert cached_settings.SESSION_COOKIE_NAME == "other"
    assert cached_settings.SESSION_COOKIE_NAME == "sessionid"


@pytest.mark.parametrize("value", [3600, timedelta(0), timedelta(days=-1), "1 day", None])
def test_a_time_is_a_timedelta_above_zero(value: object) -> None:
    with (
        override_settings(SESSION_AUTH_ABSOLUTE_TIMEOUT=value),
        pytest.raises(ImproperlyConfigured, match="SESSION_AUTH_ABSOLUTE_TIMEOUT must be a time"),
    ):
        get_conf()


def test_every_setting_has_a_rule_that_its_default_follows_unless_it_is_none() -> None:
    defaults = {field.name: field.default for field in fields(Conf)}

    assert set(RULES) == set(defaults)
    assert [
        name
        for name, default in defaults.items()
        if default is not None and not RULES[name].accepts(default)
    ] == []


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_wrong_value_is_refused_with_what_is_wanted(name: str) -> None:
    with (
        override_settings(**{f"SESSION_AUTH_{name}": {"wrong": "in any setting"}}),
        pytest.raises(ImproperlyConfigured) as error,
    ):
        get_conf()

    assert str(error.value) == f"SESSION_AUTH_{name} must be {RULES[name].wanted}."


def test_an_optional_time_may_be_none() -> None:
    with override_settings(SESSION_AUTH_IDLE_TIMEOUT=None):
        assert get_conf().IDLE_TIMEOUT is None


@pytest.mark.parametrize(
    "value",
    [
        "/reset/{uid}/{token}",
        "https://example.org/reset/",
        "https://example.org/reset/{uid}",
        "https://{uid}/{token}",
        "javascript:alert('{uid}{token}')",
        7,
    ],
)
def test_the_reset_url_is_absolute_and_has_room_for_a_link(value: object) -> None:
    with (
        override_settings(SESSION_AUTH_PASSWORD_RESET_URL=value),
        pytest.raises(ImproperlyConfigured, match="PASSWORD_RESET_URL must be an absolute URL"),
    ):
        get_conf()


@pytest.mark.parametrize("value", ["10.0.0.1", None, [1], ["10.0.0.1/8"], ["proxy"], [""]])
def test_a_proxy_is_an_address_or_a_network(value: object) -> None:
    with (
        override_settings(SESSION_AUTH_TRUSTED_PROXIES=value),
        pytest.raises(ImproperlyConfigured, match="SESSION_AUTH_TRUSTED_PROXIES must be a list or"),
    ):
        get_conf()


@pytest.mark.parametrize("value", [0, -1, True, "5", 5.0, None])
def test_a_number_is_whole_and_above_zero(value: object) -> None:
    with (
        override_settings(SESSION_AUTH_GUESSES_PER_ACCOUNT=value),
        pytest.raises(
            ImproperlyConfigured, match="SESSION_AUTH_GUESSES_PER_ACCOUNT must be a whole"
        ),
    ):
        get_conf()


@pytest.mark.parametrize("value", ["db", "django.contrib.", "a b.c", 1])
def test_what_to_adopt_from_is_a_dotted_path(value: object) -> None:
    with (
        override_settings(SESSION_AUTH_ADOPT_FROM=value),
        pytest.raises(
            ImproperlyConfigured, match="SESSION_AUTH_ADOPT_FROM must be the dotted path"
        ),
    ):
        get_conf()


@pytest.mark.parametrize("value", ["/api/", None, [1], {"/api/"}, ["api/"], [""]])
def test_a_setting_of_the_wrong_type_is_refused_by_name(value: object) -> None:
    with (
        override_settings(SESSION_AUTH_API_PATHS=value),
        pytest.raises(ImproperlyConfigured, match="SESSION_AUTH_API_PATHS must be a list"),
    ):
        get_conf()


@pytest.mark.parametrize(
    "value",
    [
        ["password"],
        ["id", "_state"],
        ["api_token"],
        ["Secret"],
        ["get_session_auth_hash"],
        ["totp_secret"],
        ["api_key"],
        ["recovery_codes"],
        [1],
        "username",
        "accounts.describe user",
        ".describe",
        None,
    ],
)
def test_a_secret_is_nothing_to_tell_of_a_user(value: object) -> None:
    with (
        override_settings(SESSION_AUTH_USER_FIELDS=value),
        pytest.raises(ImproperlyConfigured, match="USER_FIELDS must be a list or tuple of names, "),
    ):
        get_conf()


@pytest.mark.parametrize(
    "value",
    [("id", "last_login", "password_changed_at", "has_password", "key"), [], "accounts.describe"],
)
def test_what_is_no_secret_may_be_told(value: object) -> None:
    with override_settings(SESSION_AUTH_USER_FIELDS=value):
        assert value == get_conf().USER_FIELDS
