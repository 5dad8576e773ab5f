"""The endpoints of the HTTP contract."""

from session_auth.http import describe_user
from session_auth.views.csrf import CsrfView, csrf_failure
from session_auth.views.login import (
    LoginView,
    LogoutView,
    ReauthenticateView,
    SecondFactorView,
)
from session_auth.views.openapi import OpenAPIView
from session_auth.views.pages import SecondFactorPage
from session_auth.views.passwords import (
    PasswordChangeView,
    PasswordResetCheckView,
    PasswordResetConfirmView,
    PasswordResetView,
)
from session_auth.views.sessions import SessionsView, SessionView
from session_auth.views.user import UserView

__all__ = [
    "CsrfView",
    "LoginView",
    "LogoutView",
    "OpenAPIView",
    "PasswordChangeView",
    "PasswordResetCheckView",
    "PasswordResetConfirmView",
    "PasswordResetView",
    "ReauthenticateView",
    "SecondFactorPage",
    "SecondFactorView",
    "SessionView",
    "SessionsView",
    "UserView",
    "csrf_failure",
    "describe_user",
]
