"""The desk of the shop: it helps customers, and knows no password."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from session_auth.passwords.stages import NewPassword
from session_auth.passwords.validators import ContextWordsValidator, LeakedPasswordValidator
from session_auth.user_admin import UserActions


class CustomerAdmin(UserActions):
    actions = (*UserActions.actions, "greet")

    @admin.action(description="Greet")
    def greet(self, request: HttpRequest, queryset: Any) -> None:
        self.message_user(request, "Good morning!")


class NewPasswordForStaff(NewPassword):
    code = "new_staff_password_required"


def refuse_what_is_easy_to_guess(password: str) -> None:
    ContextWordsValidator(["shop"], min_rest=6).validate(password)
    LeakedPasswordValidator(url="https://example.org/range/{prefix}").validate(password)
