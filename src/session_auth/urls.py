"""The URLconf to include: ``path("api/auth/", include("session_auth.urls"))``."""

from importlib import import_module

from django.apps import apps
from django.urls import URLPattern, path

from session_auth import views

__all__ = ["app_name", "urlpatterns"]

app_name = "session_auth"
"""The namespace of the names: ``reverse("session_auth:login")``."""

urlpatterns: list[URLPattern] = [
    path("csrf/", views.CsrfView.as_view(), name="csrf"),
    path("login/", views.LoginView.as_view(), name="login"),
    path("login/second-factor/", views.SecondFactorView.as_view(), name="second_factor"),
    path("login/second-factor/page/", views.SecondFactorPage.as_view(), name="second_factor_page"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("openapi.json", views.OpenAPIView.as_view(), name="openapi"),
    path("password/change/", views.PasswordChangeView.as_view(), name="password_change"),
    path("password/reset/", views.PasswordResetView.as_view(), name="password_reset"),
    path(
        "password/reset/check/",
        views.PasswordResetCheckView.as_view(),
        name="password_reset_check",
    ),
    path(
        "password/reset/confirm/",
        views.PasswordResetConfirmView.as_view(),
        name="password_reset_confirm",
    ),
    path("reauthenticate/", views.ReauthenticateView.as_view(), name="reauthenticate"),
    path("sessions/", views.SessionsView.as_view(), name="sessions"),
    path("sessions/<str:session_id>/", views.SessionView.as_view(), name="session"),
    path("user/", views.UserView.as_view(), name="user"),
]
"""The endpoints; docs/endpoints.md has a table of what each takes and answers."""

if apps.is_installed("session_auth.factors"):
    # Not at the top: its models are there only where it is installed.
    urlpatterns += import_module("session_auth.factors.urls").urlpatterns
