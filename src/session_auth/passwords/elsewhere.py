"""Passwords that other code than ours checks and sets: Django's forms, the admin, a project's own.

This module replaces a method of Django's form, which knows no request and has no hook.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from session_auth import events, throttling
from session_auth.events import Event
from session_auth.exceptions import InvalidCredentials
from session_auth.passwords.hashes import check_password
from session_auth.sessions.ending import REQUEST

TOLD_BY_US = "_session_auth_new_password"
"""The attribute of a user whose new password our own code is storing, and tells of."""


def count_old_passwords() -> None:
    """Let ``PasswordChangeForm`` count a wrong old password, whoever uses it: the admin does."""
    forms.PasswordChangeForm.clean_old_password = clean_old_password  # type: ignore[assignment, method-assign]  # see above


@sensitive_variables("old_password")
def clean_old_password(form: Any) -> str:
    """Do what Django's form does, but count the guess, and undo no newer hash by an upgrade.

    Outside a request, nothing is counted. Raises ``Throttled``.
    """
    old_password: str = form.cleaned_data["old_password"]
    if not _is_right(form.user, old_password):
        code = "password_incorrect"
        raise ValidationError(form.error_messages[code], code=code)
    return old_password


def accept(request: HttpRequest, guess: throttling.Guess, is_correct: bool) -> bool:
    """Say whether an old password counts as right, and log it once if it does not."""
    is_new = guess.is_right is None
    is_right = guess.accept(is_correct)
    if is_new and not is_right:
        event = Event.PASSWORD_CHANGE_FAILED
        if guess.is_refused:
            event = Event.RIGHT_PASSWORD_REFUSED
        events.record(event, request, user_id=guess.user_id)
    return is_right


@contextmanager
def told_by_us(user: AbstractBaseUser) -> Iterator[None]:
    """Let a block save the new password of ``user`` of which its caller tells."""
    setattr(user, TOLD_BY_US, True)  # not in vars(): request.user is a lazy proxy
    try:
        yield
    finally:
        delattr(user, TOLD_BY_US)


@sensitive_variables("password")
def _is_right(user: AbstractBaseUser, password: str) -> bool:
    request = REQUEST.get()
    if request is None:
        return check_password(user, password)
    try:
        guess = throttling.reserve(request, user, password)
    except InvalidCredentials:  # it is longer than any password
        return False
    return accept(request, guess, check_password(user, password))
