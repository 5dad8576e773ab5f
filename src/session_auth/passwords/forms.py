"""Django's forms for passwords, adapted to an API."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from session_auth import mails, throttling
from session_auth.conf import get_conf


class PasswordChangeForm(forms.PasswordChangeForm):
    """Django's form, in which an old password is a guess that is counted, as in Django's own."""


class PasswordResetForm(forms.PasswordResetForm):
    """Django's form, with links to ``SESSION_AUTH_PASSWORD_RESET_URL``, never to a request's Host.

    The templates get the link as ``url``. If a mail cannot be sent, this raises, so that it is
    tried again; Django's form only logs that.
    """

    BUTTON: ClassVar[Mapping[str, str | Promise]] = {"action": _("Choose a new password")}
    """What the HTML of the mail writes on the link."""

    def send_mail(
        self,
        subject_template_name: str,
        email_template_name: str,
        context: dict[str, Any],
        from_email: str | None,
        to_email: str,
        html_email_template_name: str | None = None,
    ) -> None:
        url = get_conf().PASSWORD_RESET_URL or ""
        for name in ("uid", "token"):
            url = url.replace(f"{{{name}}}", context[name])
        own = html_email_template_name or email_template_name.replace(".txt", ".html")
        mails.compose_from(
            context["user"],
            {**self.BUTTON, **context, "url": url},
            subject=subject_template_name,
            text=email_template_name,
            html=(own, mails.FRAME),
            to=to_email,
            from_email=from_email,
        ).send()


def too_long() -> str:
    """Return what is wrong with a password that is longer than any that is hashed."""
    limit = throttling.MAX_PASSWORD_BYTES
    text = ngettext(
        "Must not be longer than %(limit)d byte.",
        "Must not be longer than %(limit)d bytes.",
        limit,
    )
    return text % {"limit": limit}
