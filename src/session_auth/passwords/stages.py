"""The stage of a login that asks for a new password: put its path into ``SESSION_AUTH_STAGES``."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, cast

from django import forms
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from session_auth import attempts, throttling
from session_auth.attempts import Attempt
from session_auth.exceptions import InvalidRequest
from session_auth.guessing import devices
from session_auth.passwords import required
from session_auth.passwords.flows import set_password_at_login
from session_auth.passwords.forms import too_long
from session_auth.stages import Method, Proof, Stage

__all__ = ["NewPassword"]

NOTE = "session_auth.new_password"
"""The key of what the stage keeps with a login that is not complete."""


class NewPasswordForm(forms.Form):
    """A new password. Whether it is a good one, the validators of the project say."""

    new_password = forms.CharField(
        strip=False,
        label=_("New password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_new_password(self) -> str:
        password: str = self.cleaned_data["new_password"]
        if len(password.encode()) > throttling.MAX_PASSWORD_BYTES:
            raise forms.ValidationError(too_long())
        return password


class NewPassword(Stage):
    """Ask users of whom ``require_new_password()`` says so for a new password.

    Put it after the stages that ask for a second factor: else the old password alone would be
    enough to set a new one.
    """

    code: ClassVar[str] = "new_password_required"
    message: ClassVar[str | Promise] = _("Choose a new password.")
    methods: ClassVar[Mapping[str, Method]] = MappingProxyType(
        {required.METHOD: Method(form_class=NewPasswordForm)}
    )

    def is_due(self, user: AbstractBaseUser, request: HttpRequest) -> bool:
        return required.is_required(user.pk)

    @sensitive_variables()
    def verify(self, user: AbstractBaseUser, request: HttpRequest, proof: Proof) -> None:
        password = proof.data["new_password"]
        form = SetPasswordForm(
            cast("Any", user), {"new_password1": password, "new_password2": password}
        )
        if not form.is_valid():
            texts = [str(text) for errors in form.errors.values() for text in errors]
            raise InvalidRequest(fields={"new_password": texts})
        with set_password_at_login(request, form):
            # Now all that began before is void; and this login must be newer, to the microsecond.
            cast("Attempt", proof.attempt).began_at = timezone.now() + datetime.resolution
        cast("Attempt", proof.attempt).notes[NOTE] = True

    def completed(
        self, user: AbstractBaseUser, request: HttpRequest, *, notes: Mapping[str, Any]
    ) -> None:
        if notes.get(NOTE):
            attempts.on_answer(request, lambda response: devices.welcome(request, response, user))
