from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

from django.apps import AppConfig
from django.db.models.signals import pre_delete
from django.utils.translation import gettext_lazy as _

KINDS = {
    "authenticator_app": "segno",
    "passkeys": "webauthn",
    "recovery": "django",
    "old_codes": "cryptography",  # after "recovery", whose place it takes
}
"""The modules that check answers, and what each needs: the extras ``totp`` and ``passkeys``."""


def import_kinds(kinds: Mapping[str, str] = KINDS) -> None:
    """Import the modules whose packages are installed: each registers itself."""
    for module, needed in kinds.items():
        if find_spec(needed) is not None:
            import_module(f"session_auth.factors.{module}")


class FactorsConfig(AppConfig):
    name = "session_auth.factors"
    label = "session_auth_factors"
    verbose_name = _("Sign-in methods")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Not at the top: they import models, which are not loaded yet when this module is.
        from session_auth.factors import mail, rows  # noqa: F401 # mail says how it is made
        from session_auth.user_changes import models_of_users

        import_kinds()
        for model in models_of_users():
            pre_delete.connect(rows.forget_user, sender=model)
