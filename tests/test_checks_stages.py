"""Rules for logins in stages."""

from typing import Any, ClassVar

import pytest
from django.apps import apps
from django.test import modify_settings, override_settings
from django.urls import path
from rest_framework.authentication import BasicAuthentication
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.views import APIView

from session_auth.views import LoginView, UserView
from tests.checking import found, ids
from tests.stages import NobodyAtNight

pytestmark = pytest.mark.django_db
STAGES = ["tests.stages.SecondFactor"]


class Otp(NobodyAtNight):
    covers = ("django_otp",)


class Mfa(NobodyAtNight):
    covers: ClassVar[list[str]] = ["allauth.mfa", "allauth.account"]


class ByPassword(APIView):
    authentication_classes = (BasicAuthentication,)


class OwnLogin(LoginView):
    pass


def urlconf(*views: Any) -> Any:
    return type("Urls", (), {"urlpatterns": [path(f"v{n}/", view) for n, view in enumerate(views)]})


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of apps that count as installed beside those that are."""
    names: set[str] = set()
    ask = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name in names or ask(name))
    return names


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ("allauth.mfa", "the second factor of allauth.mfa"),
        ("django_otp", "the second factor of django-otp"),
        ("session_auth.factors", "the second factor of session_auth.factors"),
        ("two_factor", "the second factor of django-otp"),
    ],
)
def test_a_second_factor_of_a_neighbours_that_our_login_does_not_ask_for(
    installed: set[str], app: str, told: str
) -> None:
    installed.add(app)

    [(found_id, message)] = found()

    assert found_id == "session_auth.E020"
    assert message == f"A right password logs in at api/auth/login/ without {told}."


@pytest.mark.parametrize(
    ("value", "expected"),
    [("mandatory", ["session_auth.E020"]), ("optional", []), (None, [])],
)
def test_a_mandatory_verification_of_e_mail(
    installed: set[str], value: Any, expected: list[str]
) -> None:
    installed.add("allauth.account")

    assert ids(ACCOUNT_EMAIL_VERIFICATION=value) == expected


def test_a_stage_that_covers_it_is_enough(installed: set[str]) -> None:
    installed |= {"allauth.mfa", "allauth.account", "django_otp"}
    paths = [f"tests.test_checks_stages.{name}" for name in ("Otp", "Mfa")]

    assert ids(SESSION_AUTH_STAGES=paths, ACCOUNT_EMAIL_VERIFICATION="mandatory") == []
    assert ids(SESSION_AUTH_STAGES=paths[:1]) == ["session_auth.E020"]


def test_where_our_login_is_not_routed_nothing_is_said(installed: set[str]) -> None:
    installed.add("allauth.mfa")

    assert ids(ROOT_URLCONF=urlconf(UserView.as_view())) == []
    assert ids(ROOT_URLCONF=urlconf(OwnLogin.as_view())) == ["session_auth.E020"]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["tests.stages.PinForm"], "session_auth.E025"),
        (["tests.stages.Nothing"], "session_auth.E025"),
        (["tests.stages.Terms", "tests.stages.Terms"], "session_auth.E025"),
        (["no path"], "session_auth.E006"),
        ("tests.stages.Terms", "session_auth.E006"),
    ],
)
def test_stages_that_are_none(paths: Any, expected: str, installed: set[str]) -> None:
    assert ids(SESSION_AUTH_STAGES=paths) == [expected]
    installed.add("allauth.mfa")
    assert ids(SESSION_AUTH_STAGES=paths) == [expected]


def test_roads_past_the_stages(installed: set[str]) -> None:
    views = [ByPassword.as_view(), ObtainAuthToken.as_view(), LoginView.as_view()]
    middleware = "django.contrib.auth.middleware.RemoteUserMiddleware"
    settings = {"ROOT_URLCONF": urlconf(*views)}
    with override_settings(**settings), modify_settings(MIDDLEWARE={"append": middleware}):
        assert "session_auth.W020" not in ids()
        with override_settings(SESSION_AUTH_STAGES=STAGES):
            told = dict(found())["session_auth.W020"]

    assert told == (
        f"These let users in without asking SESSION_AUTH_STAGES: v0/, v1/, {middleware}."
    )
    installed.add("channels")
    with override_settings(SESSION_AUTH_STAGES=STAGES):
        assert "channels.auth.login()" in dict(found())["session_auth.W020"]


def test_without_such_roads_nothing_is_said() -> None:
    assert ids(SESSION_AUTH_STAGES=STAGES) == []


def test_keys_in_clear(installed: set[str]) -> None:
    installed.add("allauth.usersessions")

    [(found_id, message)] = found()

    assert found_id == "session_auth.W021"
    assert message.startswith("allauth.usersessions stores the keys of living sessions")


NEW_PASSWORD = "session_auth.passwords.stages.NewPassword"


@pytest.mark.parametrize(
    ("stages", "is_found"),
    [
        ([NEW_PASSWORD, *STAGES], True),
        ([*STAGES, NEW_PASSWORD, "tests.stages.Terms"], False),
        (STAGES, False),
    ],
)
def test_a_new_password_is_not_asked_for_before_a_second_factor(
    stages: list[str], is_found: bool
) -> None:
    with override_settings(SESSION_AUTH_STAGES=stages):
        assert ("session_auth.E026" in ids()) is is_found
