"""The body of a call is in the document as the form of the project makes it."""

from typing import Any

import pytest
from django import forms
from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.test import override_settings
from django.urls import path

from session_auth.openapi import schemas
from session_auth.views import LoginView
from tests.test_openapi import body_at


class Changing(AuthenticationForm):
    note = forms.CharField(required=False)

    def __init__(self, request: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        del self.fields["note"]
        self.fields["realm"] = forms.CharField()


class Adding(SetPasswordForm):  # type: ignore[type-arg]  # no generic class in Django 5.2
    def __init__(self, user: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["old_password"] = forms.CharField()
        self.fields["why"] = forms.CharField(required=False)


class Asking(Adding):
    old_password = forms.CharField()

    def __init__(self, user: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["why"].required = user.is_staff


@pytest.mark.parametrize(
    ("form_class", "keys"),
    [
        (Changing, {"username", "password", "realm"}),
        (Adding, {"old_password", "new_password1", "new_password2", "why"}),
        (Asking, {"old_password", "new_password1", "new_password2"}),  # it is not made without one
    ],
)
def test_a_form_has_the_fields_that_it_makes_for_everybody(form_class: Any, keys: object) -> None:
    assert set(schemas.fields_of(form_class)) == keys


def test_the_body_is_what_the_form_makes_of_itself() -> None:
    login = path("api/auth/login/", LoginView.as_view(form_class=Changing))
    with override_settings(ROOT_URLCONF=type("Urls", (), {"urlpatterns": [login]})):
        assert set(body_at("/api/auth/login/")["properties"]) == {
            *("username", "password", "realm", "remember"),
        }
