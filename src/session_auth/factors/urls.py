"""The endpoints that ``session_auth.urls`` has where this app is installed."""

from importlib import import_module
from importlib.util import find_spec

from django.urls import URLPattern, path

from session_auth.factors import views


def _patterns(module: str, *, needs: str) -> list[URLPattern]:
    """Return the patterns of a module, if what it needs is installed."""
    if find_spec(needs) is None:
        return []
    patterns: list[URLPattern] = import_module(f"session_auth.factors.{module}").urlpatterns
    return patterns


urlpatterns = [
    path("factors/", views.FactorsView.as_view(), name="factors"),
    path("factors/recovery-codes/", views.RecoveryCodesView.as_view(), name="recovery_codes"),
    *_patterns("views_totp", needs="segno"),
    *_patterns("views_passkeys", needs="webauthn"),
]
