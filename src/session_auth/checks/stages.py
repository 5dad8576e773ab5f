"""Rules for logins in stages: nobody gets past a second factor, ours or a neighbour's."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.middleware import RemoteUserMiddleware
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured

from session_auth.checks.logins import DRF, TOKEN_LOGIN, authentication_classes
from session_auth.checks.lookups import (
    RoutedView,
    dotted_names,
    listed,
    middleware_classes,
    setting,
    views,
)
from session_auth.passwords.required import METHOD
from session_auth.stages import Stage, get_stages

LOGIN = "session_auth.views.login.LoginView"
TOKEN_LOGINS = frozenset(
    {
        TOKEN_LOGIN,
        "rest_framework_simplejwt.views.TokenObtainPairView",
        "rest_framework_simplejwt.views.TokenObtainSlidingView",
    }
)

FACTORS = "session_auth.factors"
EXTRAS = {"PASSKEY_ORIGINS": ("webauthn", "passkeys"), "TOTP_KEYS": ("segno", "totp")}
"""For each setting of the factors, the package that it needs, and the extra that brings it."""


def _is_installed(*names: str) -> Callable[[], bool]:
    return lambda: any(map(apps.is_installed, names))


def _wants_verified_email() -> bool:
    is_mandatory = str(getattr(settings, "ACCOUNT_EMAIL_VERIFICATION", "")).lower() == "mandatory"
    return is_mandatory and apps.is_installed("allauth.account")


NEIGHBOURS: Mapping[str, tuple[Callable[[], bool], str, str]] = {
    "allauth.mfa": (
        _is_installed("allauth.mfa"),
        "the second factor of allauth.mfa",
        "'session_auth.contrib.allauth.SecondFactor'",
    ),
    "allauth.account": (
        _wants_verified_email,
        "the verified e-mail that ACCOUNT_EMAIL_VERIFICATION of allauth makes mandatory",
        "'session_auth.contrib.allauth.VerifiedEmail'",
    ),
    "session_auth.factors": (
        _is_installed("session_auth.factors"),
        "the second factor of session_auth.factors",
        "'session_auth.factors.stages.SecondFactor'",
    ),
    "django_otp": (
        _is_installed("django_otp", "two_factor"),
        "the second factor of django-otp",
        "'session_auth.contrib.otp.SecondFactor'",
    ),
}
"""What may be asked for: whether it is installed, what it is, and what asks for it in our login."""


def neighbours_stages_are_asked(**kwargs: Any) -> list[CheckMessage]:
    stages = _stages()
    if stages is None:
        return []
    covered = {app for stage in stages for app in stage.covers}
    missing = [
        (what, path)
        for app, (is_there, what, path) in NEIGHBOURS.items()
        if app not in covered and is_there()
    ]
    routes = [view.route for view in views() if LOGIN in dotted_names(view.view_class)]
    if not missing or not routes:
        return []
    return [
        Error(
            f"A right password logs in at {listed(routes)} without {what}.",
            hint=f"Put {path} into SESSION_AUTH_STAGES; or take the login out of your URLconf. If "
            "it is as you want it, put 'session_auth.E020' into SILENCED_SYSTEM_CHECKS.",
            id="session_auth.E020",
        )
        for what, path in missing
    ]


def stages_can_be_made(**kwargs: Any) -> list[CheckMessage]:
    hint = "List dotted paths of classes that are derived from session_auth.stages.Stage."
    try:
        names = {name for stage in get_stages() for name in dotted_names(type(stage))}
        if apps.is_installed(FACTORS) or not any(name.startswith(FACTORS) for name in names):
            return []
        told = f"{FACTORS} is not in INSTALLED_APPS, so each login would fail."
        hint = f"Add '{FACTORS}' to INSTALLED_APPS, and run 'manage.py migrate'."
    except (ImproperlyConfigured, ImportError) as error:
        if not setting("STAGES", ()):
            return []  # E006 reports it
        told = str(error)
        if getattr(error, "name", None) in {package for package, _ in EXTRAS.values()}:
            hint = "Run pip install 'django-session-auth[passkeys,totp]'."
    return [Error(f"SESSION_AUTH_STAGES cannot be used: {told}", hint=hint, id="session_auth.E025")]


def extras_of_factors_are_installed(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"SESSION_AUTH_{name} is set, and the package {package} is not installed: endpoints "
            "that need it are 404.",
            hint=f"Run pip install 'django-session-auth[{extra}]'.",
            id="session_auth.E029",
        )
        for name, (package, extra) in EXTRAS.items()
        if apps.is_installed(FACTORS) and setting(name, ()) and find_spec(package) is None
    ]


def a_new_password_comes_last(**kwargs: Any) -> list[CheckMessage]:
    stages = _stages() or ()
    places = [place for place, stage in enumerate(stages) if METHOD in stage.methods]
    if not places or not any(_proves_something(stage) for stage in stages[places[0] :]):
        return []
    return [
        Error(
            "SESSION_AUTH_STAGES asks for a new password before a second factor: whoever knows "
            "the old password could set a new one without it.",
            hint="Put 'session_auth.passwords.stages.NewPassword' last.",
            id="session_auth.E026",
        )
    ]


def no_road_is_past_the_stages(**kwargs: Any) -> list[CheckMessage]:
    if not setting("STAGES", ()):
        return []
    roads = [view.route for view in views() if _lets_in_by_password(view)]
    roads += [
        f"{cls.__module__}.{cls.__qualname__}"
        for cls in middleware_classes()
        if issubclass(cls, RemoteUserMiddleware)
    ]
    if apps.is_installed("channels"):
        roads.append("channels.auth.login() in consumers")
    if not roads:
        return []
    return [
        Warning(
            f"These let users in without asking SESSION_AUTH_STAGES: {listed(roads)}.",
            hint="Remove them, or let nobody in by them for whom a stage is due. If what they open "
            "asks by itself, put 'session_auth.W020' into SILENCED_SYSTEM_CHECKS.",
            id="session_auth.W020",
        )
    ]


def no_neighbour_keeps_session_keys(**kwargs: Any) -> list[CheckMessage]:
    if not apps.is_installed("allauth.usersessions"):
        return []
    return [
        Warning(
            "allauth.usersessions stores the keys of living sessions as they are: whoever reads "
            "its table, or a backup of it, can be any user.",
            hint="Take 'allauth.usersessions' out of INSTALLED_APPS, its middleware out of "
            "MIDDLEWARE, and delete the rows of its table. This package lists sessions and ends "
            "them, by digests.",
            id="session_auth.W021",
        )
    ]


def _stages() -> tuple[Stage, ...] | None:
    """Return the stages; ``None`` if they cannot be made, which E006 or E025 reports."""
    try:
        return get_stages()
    except (ImproperlyConfigured, ImportError):
        return None


def _proves_something(stage: Stage) -> bool:
    return any(method.proves for method in stage.methods.values())


def _lets_in_by_password(view: RoutedView) -> bool:
    return not TOKEN_LOGINS.isdisjoint(dotted_names(view.view_class)) or any(
        f"{DRF}.BasicAuthentication" in dotted_names(found)
        for found in authentication_classes(view)
    )
