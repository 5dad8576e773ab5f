"""New passwords: given the old one, or by a link."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from session_auth import events, flows, later, passwords, throttling
from session_auth.answers import json_response, no_content
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import InvalidRequest, NotFound, Throttled
from session_auth.guessing import devices
from session_auth.http import FormView, check_fields, read_json
from session_auth.operations import Caller, Message, Operation, ProofAnswer
from session_auth.passwords import PasswordChangeForm, PasswordResetForm, elsewhere
from session_auth.passwords.forms import too_long

LINK = {"uid": str, "token": str}
"""What a link of a mail has."""


class MailingView(FormView):
    """A view that lets a mail be sent, after the change that it tells of is committed."""

    def deliver(self, mail_id: int) -> None:
        """Let a thread of this process send the mail, which is written down already.

        Override it to use a queue whose task calls ``passwords.send_mail(mail_id)``.
        """
        later.wake(mail_id)


class NewPasswordView(MailingView):
    """A view that gives a user a new password, and tells them so by mail.

    ``form_class`` is made with ``user`` and ``data``, as Django's ``SetPasswordForm`` is. If the
    form wants the new password twice, in ``new_password1`` and ``new_password2``, the body has it
    once, as ``new_password``.
    """

    login_required = False

    keys: Mapping[str, tuple[str, ...]] = {
        "new_password1": ("new_password",),
        "new_password2": ("new_password",),
    }

    def check_body(self, form: Any) -> None:
        super().check_body(form)
        if len(self.body.get("new_password", "").encode()) > throttling.MAX_PASSWORD_BYTES:
            raise InvalidRequest(fields={"new_password": [too_long()]})


class PasswordChangeView(NewPasswordView):
    """``POST password/change/``: a new password for the old one; all other sessions end."""

    operations: Mapping[str, Operation] = {
        "post": Operation(answer=ProofAnswer, caller=Caller.USER, refusals=(Throttled,))
    }
    form_class: type[forms.Form] = PasswordChangeForm
    required_fields = ("old_password",)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        flows.require_login(request)
        return super().post(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"user": self.request.user}

    @method_decorator(sensitive_variables())
    def is_valid(self, form: Any) -> bool:
        """Check the form. The old password is a guess: counted before, taken back if right."""
        guess = throttling.reserve(self.request, form.user, self.body.get("old_password", ""))
        is_right = form.is_valid() or not {"old_password", NON_FIELD_ERRORS} & set(form.errors)
        if not elsewhere.accept(self.request, guess, is_right) and is_right:
            form.add_error("old_password", PasswordChangeForm.error_messages["password_incorrect"])
        return not form.errors

    def form_valid(self, form: Any) -> HttpResponse:
        """Change the password, end all other sessions, and tell the user."""
        passwords.change_password(self.request, form, deliver=self.deliver)
        return self.user_response(form.user)


class PasswordResetView(MailingView):
    """``POST password/reset/``: a link by mail. An unknown address gets the same answer.

    ``form_class`` finds the users and sends the links, as Django's ``PasswordResetForm`` does.
    """

    login_required = False
    operations: Mapping[str, Operation] = {
        "post": Operation(answer=Message, status=202, refusals=(NotFound, Throttled))
    }

    form_class: type[forms.Form] = PasswordResetForm
    required_fields = ("email",)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if get_conf().PASSWORD_RESET_URL is None:
            raise NotFound(
                _("Passwords cannot be reset here."),
                hint="Set SESSION_AUTH_PASSWORD_RESET_URL: links have to lead there.",
            )
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Count the request, and let the form send its mails later.

        Then ``save()`` of the form finds in ``cleaned_data`` only text, numbers and booleans.
        """
        throttling.limit_requests(
            self.request, purpose="password_reset", name=form.cleaned_data["email"]
        )
        events.record(Event.PASSWORD_RESET_REQUESTED, self.request)
        # A thread looks the users up later: the time of no answer tells whether there are any.
        passwords.post_links(form, self.deliver)
        answer: Message = {
            "message": _("If there is an account with this address, a link is on its way.")
        }
        return json_response(answer, status=202)


class PasswordResetConfirmView(NewPasswordView):
    """``POST password/reset/confirm/``: a new password for the link; all sessions end."""

    operations: Mapping[str, Operation] = {
        "post": Operation(answer=Message, required=LINK, refusals=(Throttled,))
    }
    form_class: type[forms.Form] = SetPasswordForm
    extra_types: Mapping[str, type] = LINK
    token_generator = default_token_generator

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"user": self.get_user()}

    def get_user(self) -> AbstractBaseUser:
        """Return the user of the link, or raise ``InvalidRequest``; each try is counted."""
        link = {name: value for name, value in self.body.items() if name in self.extra_types}
        check_fields(link, self.extra_types)
        throttling.limit_requests(self.request, purpose="password_reset_confirm")
        user = passwords.user_of_link(
            link.get("uid", ""), link.get("token", ""), token_generator=self.token_generator
        )
        if user is None:
            raise InvalidRequest(fields={"token": [_("This link is invalid or has expired.")]})
        return user

    def form_valid(self, form: Any) -> HttpResponse:
        """Set the password, end all sessions, and tell the user."""
        passwords.reset_password(form, request=self.request, deliver=self.deliver)
        events.record(Event.PASSWORD_RESET, self.request, user_id=form.user.pk)
        answer: Message = {"message": _("Password changed")}
        response = json_response(answer)
        devices.welcome(self.request, response, form.user)
        return response


class PasswordResetCheckView(PasswordResetConfirmView):
    """``POST password/reset/check/``: is the link still good? Nothing is used up by asking.

    A page asks when it opens, before anybody types a password for a link that is used or too old.
    The answer is what ``password/reset/confirm/`` would say of the link, and both share one count.
    It is no GET: then the token would be in the URL, and so in logs and in the history.
    """

    operations: Mapping[str, Operation] = {
        "post": Operation(body=LINK, required=LINK, refusals=(Throttled,))
    }

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.body = read_json(request, self.extra_types)
        self.get_user()
        return no_content()
