"""New passwords: for the old one, or for a link."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.tokens import default_token_generator
from django.forms import Form
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables

from session_auth import events, flows, passwords, throttling
from session_auth.client_info import client_info
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import InvalidRequest, NotFound
from session_auth.http import JSONView, after, json_response, read_json
from session_auth.passwords import PasswordChangeForm, PasswordResetForm
from session_auth.views.user import describe_user


class NewPasswordView(JSONView):
    """What gives a user a new password, and tells them so by mail."""

    form_class: "type[SetPasswordForm[Any]]"  # which in Django 5.2 is not generic at run time

    def notify(self, request: HttpRequest, response: HttpResponse, user: AbstractBaseUser) -> None:
        after(response, partial(self.deliver, user.pk, **asdict(client_info(request.META))))

    def deliver(self, user_id: Any, *, ip: str, user_agent: str) -> None:
        """Tell the user by mail; called after the answer. Override it to use a queue."""
        passwords.send_notice(user_id, ip=ip, user_agent=user_agent)


class PasswordChangeView(NewPasswordView):
    """``POST password/change/``: a new password for the old one; all other sessions end."""

    form_class: "type[SetPasswordForm[Any]]" = PasswordChangeForm

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_login(request)
        body = read_json(request, {"old_password": str, "new_password": str})
        form = self.form_class(user, data=_new_password_twice(body))
        guess = throttling.reserve(request, user, body.get("old_password", ""))
        is_valid = form.is_valid()
        is_right = guess.accept("old_password" not in form.errors)
        if not is_right:
            events.record(Event.PASSWORD_CHANGE_FAILED, request, user_id=user.pk)
        if not is_valid:
            raise _password_refusal(form)
        if not is_right:
            wrong = PasswordChangeForm.error_messages["password_incorrect"]
            raise InvalidRequest(fields={"old_password": [wrong]})
        passwords.change_password(request, form)
        response = json_response({"user": describe_user(user), "csrfToken": get_token(request)})
        self.notify(request, response, user)
        return response


class PasswordResetView(JSONView):
    """``POST password/reset/``: a link by mail; the same answer whether there is such a user."""

    form_class: type[PasswordResetForm] = PasswordResetForm

    def post(self, request: HttpRequest) -> JsonResponse:
        if get_conf().PASSWORD_RESET_URL is None:
            raise NotFound("Set SESSION_AUTH_PASSWORD_RESET_URL, for the links to lead to.")
        form = self.form_class(read_json(request, {"email": str}))
        if not form.is_valid():
            raise InvalidRequest(fields=form.errors)
        throttling.limit_requests(
            request, purpose="password_reset", name=form.cleaned_data["email"]
        )
        events.record(Event.PASSWORD_RESET_REQUESTED, request)
        response = json_response(
            {"message": "If there is an account with this address, a link is on its way."},
            status=202,
        )
        # Who has an account is looked up after the answer: its time tells nothing.
        after(response, partial(self.deliver, form.cleaned_data["email"]))
        return response

    def deliver(self, email: str) -> None:
        """Look the users up and send them links; called after the answer.

        Override it to use a queue.
        """
        passwords.send_links(email, form_class=self.form_class)


class PasswordResetConfirmView(NewPasswordView):
    """``POST password/reset/confirm/``: a new password for the link; all sessions end."""

    form_class: "type[SetPasswordForm[Any]]" = SetPasswordForm
    token_generator = default_token_generator

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest) -> JsonResponse:
        body = read_json(request, {"uid": str, "token": str, "new_password": str})
        throttling.limit_requests(request, purpose="password_reset_confirm")
        user = passwords.user_of_link(
            body.get("uid", ""), body.get("token", ""), token_generator=self.token_generator
        )
        if user is None:
            raise InvalidRequest(fields={"token": ["This link is not valid, or no longer."]})
        form = self.form_class(user, data=_new_password_twice(body))
        if not form.is_valid():
            raise _password_refusal(form)
        passwords.reset_password(form)
        events.record(Event.PASSWORD_RESET, request, user_id=user.pk)
        response = json_response({"message": "Password changed"})
        throttling.welcome(request, response, user)
        self.notify(request, response, user)
        return response


def _new_password_twice(body: Mapping[str, str]) -> dict[str, str]:
    """Return the data for a form that wants the new password typed twice."""
    new_password = body.get("new_password", "")
    if len(new_password.encode()) > throttling.MAX_PASSWORD_BYTES:
        longest = f"Must not be longer than {throttling.MAX_PASSWORD_BYTES} bytes."
        raise InvalidRequest(fields={"new_password": [longest]})
    twice = {"new_password1": new_password, "new_password2": new_password}
    return {"old_password": body.get("old_password", "")} | twice


def _password_refusal(form: Form) -> InvalidRequest:
    fields: dict[str, list[object]] = {}
    for name, texts in form.errors.items():
        known = fields.setdefault(name.removesuffix("1").removesuffix("2"), [])
        known += [text for text in texts if text not in known]
    return InvalidRequest(fields=fields)
