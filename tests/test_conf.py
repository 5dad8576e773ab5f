import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from session_auth.conf import get_conf


def test_defaults_need_no_settings() -> None:
    conf = get_conf()

    assert conf.API_PATHS == ("/api/",)
    assert conf.KEEP_AT_LOGIN == ()
    assert conf.USER_FIELDS == ("id", "username")


def test_a_changed_setting_counts_at_once() -> None:
    get_conf()

    with override_settings(SESSION_AUTH_API_PATHS=["/v1/"]):
        assert get_conf().API_PATHS == ["/v1/"]
    assert get_conf().API_PATHS == ("/api/",)


@pytest.mark.parametrize("value", ["/api/", None, [1], {"/api/"}])
def test_a_setting_of_the_wrong_type_is_refused_by_name(value: object) -> None:
    with (
        override_settings(SESSION_AUTH_API_PATHS=value),
        pytest.raises(ImproperlyConfigured, match="SESSION_AUTH_API_PATHS must be a list"),
    ):
        get_conf()
