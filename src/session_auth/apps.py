from importlib import import_module

from django.apps import AppConfig, apps
from django.contrib.auth import get_user_model, user_logged_in, user_logged_out, user_login_failed
from django.core.checks import Tags, register
from django.core.signals import request_started
from django.db.models.signals import post_save, pre_delete
from django.utils.translation import gettext_lazy as _


class SessionAuthConfig(AppConfig):
    name = "session_auth"
    verbose_name = _("Session authentication")

    def ready(self) -> None:
        # Not at the top: they import models, which are not loaded yet when this module is.
        from session_auth import (
            caching,
            checks,
            csrf,
            events,
            flows,
            later,
            plain_http,
            throttling,
            user_changes,
        )
        from session_auth.checks import djangos, names
        from session_auth.passwords import elsewhere

        for model in user_changes.models_of_users():
            post_save.connect(user_changes.follow_change, sender=model)
            pre_delete.connect(user_changes.end_sessions_of_deleted_user, sender=model)
        user_logged_in.connect(flows.admit_login)
        if getattr(get_user_model(), "last_login", None) is not None:
            user_logged_in.disconnect(dispatch_uid="update_last_login")
            user_logged_in.connect(user_changes.update_last_login, dispatch_uid="update_last_login")
        user_logged_in.connect(csrf.follow_login)
        user_logged_in.connect(events.record_login)
        user_login_failed.connect(throttling.record_failed_login)
        user_login_failed.connect(throttling.end_call)
        user_logged_out.connect(csrf.follow_logout)
        request_started.connect(later.begin, dispatch_uid=later.__name__)
        elsewhere.count_old_passwords()
        caching.keep_pages_of_users_out()
        plain_http.refuse_secrets()
        if apps.is_installed("drf_spectacular"):
            import_module("session_auth.contrib.spectacular")  # which registers what is in it
        for check in checks.ALWAYS:
            register(names.unless_broken(check), Tags.security)
        for check in checks.DATABASE:
            register(names.unless_broken(check), Tags.security, Tags.database)
        for check in checks.DEPLOY:
            register(names.unless_broken(check), Tags.security, deploy=True)
        djangos.say_it_once()
