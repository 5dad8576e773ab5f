"""Django's forms for passwords, adapted to an API."""

from typing import Any

from django.contrib.auth import forms
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.translation import ngettext

from session_auth import throttling
from session_auth.conf import get_conf


class PasswordChangeForm(forms.PasswordChangeForm):
    """Django's form, in which an old password is a guess that is counted, as in Django's own."""


class PasswordResetForm(forms.PasswordResetForm):
    """Django's form, with links to ``SESSION_AUTH_PASSWORD_RESET_URL``, never to a request's Host.

    The templates get the link as ``url``. If a mail cannot be sent, this raises, so that it is
    tried again; Django's form only logs that.
    """

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
        context = context | {"url": url}
        subject = "".join(render_to_string(subject_template_name, context).splitlines())
        text = render_to_string(email_template_name, context)
        message = EmailMultiAlternatives(subject, text, from_email, [to_email])
        if html_email_template_name is not None:
            html = render_to_string(html_email_template_name, context)
            message.attach_alternative(html, "text/html")
        message.send()


def too_long() -> str:
    """Return what is wrong with a password that is longer than any that is hashed."""
    limit = throttling.MAX_PASSWORD_BYTES
    text = ngettext(
        "Must not be longer than %(limit)d byte.",
        "Must not be longer than %(limit)d bytes.",
        limit,
    )
    return text % {"limit": limit}
