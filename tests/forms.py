"""Forms of a project's own, each in the view that takes it."""

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import include, path

from session_auth.http import FormView, json_response
from session_auth.passwords.forms import PasswordChangeForm, PasswordResetForm
from session_auth.views import (
    LoginView,
    PasswordChangeView,
    PasswordResetConfirmView,
    PasswordResetView,
)


class EveryForm(forms.Form):
    """Has a field of each type, one that no body may set, and one each that comes and goes."""

    agree = forms.BooleanField(required=False)
    day = forms.DateField(required=False)
    count = forms.IntegerField(required=False)
    price = forms.DecimalField(required=False)
    ratio = forms.FloatField(required=False)
    colours = forms.MultipleChoiceField(required=False, choices=[("r", "red"), ("b", "blue")])
    friends = forms.ModelMultipleChoiceField(User.objects.all(), required=False)
    locked = forms.CharField(disabled=True, required=False, initial="locked")
    gone = forms.CharField(required=False)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.fields["late"] = forms.CharField(required=False)
        del self.fields["gone"]


class EveryView(FormView):
    """Answers with what the form has made of the body."""

    form_class = EveryForm

    def form_valid(self, form: Any) -> HttpResponse:
        found = {name: form.cleaned_data[name] for name in self.body}
        return json_response(
            found | {"friends": [friend.username for friend in found.get("friends", ())]}
        )


class TenantForm(AuthenticationForm):
    tenant = forms.CharField()
    otp = forms.CharField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.cleaned_data.get("otp") == "wrong":
            raise ValidationError("This code is not %(what)s.", "otp_wrong", {"what": "right"})
        if self.cleaned_data.get("otp") == "odd":
            raise ValidationError("Not now.")
        return cleaned


class EmailForm(forms.Form):
    """Not a subclass of Django's form; it knows the user before it has checked the password."""

    email = forms.EmailField()
    password = forms.CharField()
    user: Any = None

    def __init__(self, request: Any = None, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)

    def clean(self) -> None:
        self.user = User.objects.filter(email__iexact=self.cleaned_data.get("email", "")).first()
        if not authenticate(
            self.request, username=self.user, password=self.cleaned_data.get("password")
        ):
            self.add_error("password", ValidationError("This is wrong.", code="invalid_login"))

    def get_user(self) -> Any:
        return self.user


class PinForm(forms.Form):
    """Takes a number, and the name of a user as PIN; it never says that a PIN is wrong."""

    number = forms.UUIDField()
    pin = forms.CharField(strip=True)

    def __init__(self, request: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    def get_user(self) -> Any:
        return User.objects.filter(username=self.cleaned_data["pin"]).first()


class ReasonForm(PasswordChangeForm):
    reason = forms.CharField()
    address1 = forms.CharField(required=False, max_length=3)


class AtOnceForm(forms.Form):
    """Has one field for the new password, and refuses the old one in ``clean()``."""

    old_password = forms.CharField()
    new_password = forms.CharField()

    def __init__(self, user: Any, **kwargs: Any) -> None:
        self.user = user
        super().__init__(**kwargs)

    def clean(self) -> None:
        if not self.user.check_password(self.cleaned_data["old_password"]):
            raise ValidationError("Wrong.", code="wrong")

    def save(self, *, commit: bool) -> Any:
        self.user.set_password(self.cleaned_data["new_password"])
        return self.user


class InvitedForm(PasswordResetForm):
    invited_by = forms.CharField()

    def get_users(self, email: str) -> Any:
        return (user for user in super().get_users(email) if self.cleaned_data["invited_by"])


class AgreeForm(SetPasswordForm):  # type: ignore[type-arg]  # no generic class in Django 5.2
    agree = forms.BooleanField()


urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("every/", EveryView.as_view()),
    path("nothing/", FormView.as_view()),
    path("tenant/", LoginView.as_view(form_class=TenantForm)),
    path("email/", LoginView.as_view(form_class=EmailForm)),
    path("pin/", LoginView.as_view(form_class=PinForm, name_field="number", password_field="pin")),
    path("change/", PasswordChangeView.as_view(form_class=ReasonForm)),
    path("change-at-once/", PasswordChangeView.as_view(form_class=AtOnceForm)),
    path("reset/", PasswordResetView.as_view(form_class=InvitedForm)),
    path("confirm/", PasswordResetConfirmView.as_view(form_class=AgreeForm)),
]
