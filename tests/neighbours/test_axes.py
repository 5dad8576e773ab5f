"""django-axes: its limits hold at our endpoint, too."""

import pytest
from axes.utils import reset
from django.contrib.auth.models import User
from django.test import override_settings

from tests.api_client import ApiClient
from tests.settings import MIDDLEWARE

pytestmark = pytest.mark.django_db


@override_settings(
    AUTHENTICATION_BACKENDS=[
        "axes.backends.AxesStandaloneBackend",
        "session_auth.backends.ModelBackend",
    ],
    AXES_ENABLED=True,
    AXES_FAILURE_LIMIT=3,
    AXES_RESET_ON_SUCCESS=True,
    MIDDLEWARE=[*MIDDLEWARE, "axes.middleware.AxesMiddleware"],
)
def test_its_limit_comes_first_and_ours_holds_too(alice: User, browser: ApiClient) -> None:
    refusals = [browser.log_in(password=f"wrong {n}").status_code for n in range(3)]

    assert refusals == [401, 401, 429]
    assert browser.log_in().status_code == 429
    assert browser.user() is None
    reset()
    assert browser.log_in().status_code == 200
