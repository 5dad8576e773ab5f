from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class SessionAuthConfig(AppConfig):
    name = "session_auth"
    verbose_name = _("Session authentication")

    def ready(self) -> None:
        # Here, since it imports models, which this module is too early for.
        from session_auth import checks

        for check in checks.ALWAYS:
            register(check, Tags.security)
        for check in checks.DEPLOY:
            register(check, Tags.security, deploy=True)
