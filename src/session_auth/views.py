"""The endpoints of the HTTP contract."""

import json
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.views import csrf as django_csrf_views

from session_auth import csrf, flows, sessions
from session_auth.conf import get_conf
from session_auth.devices import device_name
from session_auth.engines.base import BaseSessionStore, session_of
from session_auth.engines.values import Record
from session_auth.exceptions import InvalidCredentials, InvalidRequest, NotFound, SessionAuthError
from session_auth.http import (
    JSONView,
    error_response,
    json_response,
    no_content,
    read_json,
    wants_json,
)


class CsrfView(JSONView):
    """``GET csrf/``: the token for scripts that cannot read the cookie, and the cookie."""

    def get(self, request: HttpRequest) -> JsonResponse:
        return json_response({"csrfToken": get_token(request)})


class LoginView(JSONView):
    """``POST login/``: username and password for a new session.

    A project that has its own rules subclasses this with its own ``form_class``.
    """

    form_class: type[AuthenticationForm] = AuthenticationForm

    def post(self, request: HttpRequest) -> JsonResponse:
        body = read_json(request, {"username": str, "password": str, "remember": bool})
        form = self.form_class(request, data=body)
        if not form.is_valid():
            raise _refusal(form)
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

    def post(self, request: HttpRequest) -> JsonResponse:
        user = flows.require_login(request)
        body = read_json(request, {"password": str})
        if not body.get("password"):
            raise InvalidRequest(fields={"password": ["This field is required."]})
        flows.reauthenticate(request, password=body["password"])
        return json_response({"user": describe_user(user), "csrfToken": get_token(request)})


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


def _refusal(form: AuthenticationForm) -> SessionAuthError:
    codes = {error.code for error in form.non_field_errors().as_data()}
    # The same answer for a wrong password, an unknown and an inactive user: no enumeration.
    if codes & {"invalid_login", "inactive"}:
        return InvalidCredentials()
    return InvalidRequest(fields=form.errors)
