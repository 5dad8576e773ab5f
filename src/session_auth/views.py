"""The endpoints of the HTTP contract."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from django.contrib.auth.forms import AuthenticationForm, SetPasswordForm
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.tokens import default_token_generator
from django.forms import Form
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.utils.decorators import method_decorator
from django.views import csrf as django_csrf_views
from django.views.decorators.debug import sensitive_variables

from session_auth import csrf, events, flows, passwords, sessions, throttling
from session_auth.client_info import client_info
from session_auth.conf import get_conf
from session_auth.devices import device_name
from session_auth.engines.base import BaseSessionStore, session_of
from session_auth.engines.values import Record
from session_auth.events import Event
from session_auth.exceptions import InvalidCredentials, InvalidRequest, NotFound, SessionAuthError
from session_auth.forms import PasswordChangeForm, PasswordResetForm
from session_auth.http import (
    JSONView,
    after,
    error_response,
    json_response,
    no_content,
    read_json,
    wants_json,
)
from session_auth.users import user_reference


class CsrfView(JSONView):
    """``GET csrf/``: the token for scripts that cannot read the cookie, and the cookie."""

    def get(self, request: HttpRequest) -> JsonResponse:
        return json_response({"csrfToken": get_token(request)})


class LoginView(JSONView):
    """``POST login/``: username and password for a new session.

    A project that has its own rules subclasses this with its own ``form_class``.
    """

    form_class: type[AuthenticationForm] = AuthenticationForm

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest) -> JsonResponse:
        body = read_json(request, {"username": str, "password": str, "remember": bool})
        form = self.form_class(request, data=body)
        guess = _reserve(request, form, body)
        is_valid = form.is_valid()
        is_right = guess is None or guess.accept(form.get_user() is not None)
        if not is_valid:
            raise _refusal(form)
        if not is_right:
            raise InvalidCredentials
        flows.log_in(request, form.get_user(), remember=body.get("remember"))
        return json_response(
            {"user": describe_user(form.get_user()), "csrfToken": get_token(request)}
        )


class LogoutView(JSONView):
    """``POST logout/``: end the session; the same answer when there is none."""

    def post(self, request: HttpRequest) -> JsonResponse:
        read_json(request, {})
        flows.log_out(request)
        return json_response({"message": "Logged out"})


class UserView(JSONView):
    """``GET user/``: who is logged in, and the session by which they are."""

    def get(self, request: HttpRequest) -> JsonResponse:
        if not request.user.is_authenticated:
            return json_response({"user": None})
        session = session_of(request)
        session.touch()  # so that the times below are those that hold after this request
        return json_response(
            {"user": describe_user(request.user), "session": describe_session(session)}
        )


class ReauthenticateView(JSONView):
    """``POST reauthenticate/``: prove the password again, for what asks for a recent login."""

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_login(request)
        body = read_json(request, {"password": str})
        if not body.get("password"):
            raise InvalidRequest(fields={"password": ["This field is required."]})
        flows.reauthenticate(request, password=body["password"])
        return json_response({"user": describe_user(user), "csrfToken": get_token(request)})


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
        throttling.forget(user)
        response = json_response({"message": "Password changed"})
        self.notify(request, response, user)
        return response


class SessionsView(JSONView):
    """``GET sessions/``: the user's sessions. ``DELETE``: end all but this one."""

    def get(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_login(request)
        session_of(request).touch()
        current = _current_id(request)
        records = sessions.list_sessions(user)
        records.sort(key=lambda record: record.id != current)  # the current first; else as it was
        return json_response(
            {"sessions": [describe_device(record, current=current) for record in records]}
        )

    def delete(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_recent_login(request)
        read_json(request, {})
        ended = sessions.end_sessions(user, but=_current_id(request))
        return json_response({"ended": ended})


class SessionView(JSONView):
    """``DELETE sessions/ID/``: end one session of the user; this one, too, as a logout."""

    def delete(self, request: HttpRequest, session_id: str) -> HttpResponse:
        user = flows.require_recent_login(request)
        read_json(request, {})
        if session_id == _current_id(request):
            flows.log_out(request)
        elif not sessions.end_session(user, session_id):
            raise NotFound("You have no session with this id.")
        return no_content()


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """For ``CSRF_FAILURE_VIEW``: JSON for an API, Django's page elsewhere."""
    if wants_json(request):
        return error_response(csrf.failure(reason))
    return django_csrf_views.csrf_failure(request, reason=reason)


def describe_user(user: AbstractBaseUser) -> dict[str, Any]:
    """Return what a client sees of ``user``: the fields that ``SESSION_AUTH_USER_FIELDS`` names."""
    special = {"id": user.pk, "username": user.get_username()}
    return {
        name: special[name] if name in special else getattr(user, name)
        for name in get_conf().USER_FIELDS
    }


def describe_session(session: BaseSessionStore) -> dict[str, Any] | None:
    """Return what a client sees of its session; ``None`` if it is not stored, or not yet."""
    record, deadlines = session.record, session.deadlines()
    if record is None or deadlines is None:
        return None
    return {
        "id": record.id,
        "user_ref": user_reference(record.user_id),
        "created_at": record.created_at,
        "authenticated_at": record.authenticated_at,
        "methods": json.loads(record.methods),
        "expires_at": deadlines.first,
        "idle_expires_at": deadlines.idle,
        "absolute_expires_at": deadlines.absolute,
    }


def describe_device(record: Record, *, current: str | None) -> dict[str, Any]:
    """Return what a user sees of one of their sessions."""
    return {
        "id": record.id,
        "current": record.id == current,
        "created_at": record.created_at,
        "methods": json.loads(record.methods),
        "last_seen_at": record.last_seen_at,
        "expires_at": record.expires_at,
        "ip": record.ip,
        "user_agent": record.user_agent,
        "device": device_name(record.user_agent),
    }


def _current_id(request: HttpRequest) -> str | None:
    record = session_of(request).record
    return record.id if record else None


def _reserve(
    request: HttpRequest, form: AuthenticationForm, body: dict[str, Any]
) -> throttling.Guess | None:
    """Count the guess, whichever backend will check it; ``None`` if the form has none to check."""
    name = form.fields["username"].to_python(body.get("username"))
    password = body.get("password")
    return throttling.reserve(request, name, password) if name and password else None


def _refusal(form: AuthenticationForm) -> SessionAuthError:
    codes = {error.code for error in form.non_field_errors().as_data()}
    # The same answer for a wrong password, an unknown and an inactive user: no enumeration.
    if codes & {"invalid_login", "inactive"}:
        return InvalidCredentials()
    return InvalidRequest(fields=form.errors)


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
