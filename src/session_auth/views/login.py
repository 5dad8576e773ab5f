"""Logging in, proving the password again, logging out."""

from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest, JsonResponse
from django.middleware.csrf import get_token
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables

from session_auth import flows, throttling
from session_auth.exceptions import InvalidCredentials, InvalidRequest, SessionAuthError
from session_auth.http import JSONView, json_response, read_json
from session_auth.views.user import describe_user


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
