"""Django's forms for passwords, adapted to an API."""

from typing import Any

from django.contrib.auth import forms
from django.core.exceptions import ValidationError

from session_auth.conf import get_conf
from session_auth.passwords.hashes import check_password


class PasswordChangeForm(forms.PasswordChangeForm):
    """Django's, but an upgrade of the old hash never undoes a change made at the same time."""

    def clean_old_password(self) -> str:
        old_password: str = self.cleaned_data["old_password"]
        if not check_password(self.user, old_password):
            code = "password_incorrect"
            raise ValidationError(self.error_messages[code], code=code)
        return old_password


class PasswordResetForm(forms.PasswordResetForm):
    """Django's, with links to ``SESSION_AUTH_PASSWORD_RESET_URL``: never to the Host of a request.

    The templates find the link as ``url``.
    """

    def send_mail(
        self,
        subject_template_name: str,
        email_template_name: str,
        context: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> None:
        url = get_conf().PASSWORD_RESET_URL or ""
        for name in ("uid", "token"):
            url = url.replace(f"{{{name}}}", context[name])
        context = context | {"url": url}
        super().send_mail(subject_template_name, email_template_name, context, *args, **kwargs)
