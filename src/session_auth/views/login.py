"""Logging in, proving the password again, logging out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.forms import CharField, Form
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from session_auth import attempts, due_stages, flows, throttling
from session_auth.answers import json_response
from session_auth.exceptions import (
    InvalidCredentials,
    InvalidRequest,
    LoginExpired,
    SessionAuthError,
    StageRequired,
    Throttled,
)
from session_auth.http import FormView, JSONView, check_fields, misfit, read_json, read_object
from session_auth.operations import Caller, Message, Operation, ProofAnswer
from session_auth.sessions import hash_upgrades
from session_auth.stages import get_stages, stage_of, worth


class LoginView(FormView):
    """``POST login/``: a name and a password for a new session.

    ``form_class`` is made with ``request`` and ``data``, as Django's ``AuthenticationForm`` is. Its
    ``get_user()`` returns the user whose credentials are right. The body may hold the fields that
    the form declares, and ``remember``. Where users log in by e-mail, the body may have ``email``
    instead of ``username``.
    """

    login_required = False
    operations: Mapping[str, Operation] = {
        "post": Operation(
            answer=ProofAnswer, refusals=(InvalidCredentials, StageRequired, Throttled)
        )
    }

    form_class: type[Form] = AuthenticationForm
    name_field: str = ""
    """The field of the login name, for which guesses are counted; usual names need not be set."""

    password_field: str = "password"  # noqa: S105 # a name
    """The field of the secret whose guesses are counted: another one for a PIN, for example."""

    extra_types: Mapping[str, type] = {"remember": bool}
    takes_request = True

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        view = cls(**initkwargs)
        found = {
            "keys": {**view.get_keys(), **view.keys},
            "name_field": view.name_field or view.get_name_field(),
            "required_fields": (*view.required_fields, view.password_field),
        }
        return super().as_view(**initkwargs | found)

    def get_keys(self) -> dict[str, Sequence[str]]:
        """Return the ``keys`` for the login name, called when the URLconf is read.

        The body may have ``USERNAME_FIELD`` instead of ``username``, and the other way round.
        """
        names = {"username", get_user_model().USERNAME_FIELD}
        declared = names & set(self.form_class.base_fields)
        return {name: (name, *(names - declared)) for name in declared}

    def get_name_field(self) -> str:
        """Return the ``name_field`` of a view that has none. Called when the URLconf is read."""
        users, fields = get_user_model(), self.form_class.base_fields
        names = ("username", users.USERNAME_FIELD, users.get_email_field_name())
        usual = [name for name in names if name in fields]
        texts = [
            name
            for name, field in fields.items()
            if field.required and isinstance(field, CharField) and name != self.password_field
        ]
        if not usual and len(texts) != 1:
            raise misfit(self.form_class, "say by name_field='...' where the login name is.")
        return (usual or texts)[0]

    @method_decorator(sensitive_variables())
    def is_valid(self, form: Any) -> bool:
        """Say whether the form accepts the guess, which is counted before and taken back if so."""
        name, password = _typed(form, self.name_field), _typed(form, self.password_field)
        guess = throttling.reserve(self.request, name, password) if name and password else None
        is_valid = form.is_valid() and form.get_user() is not None
        is_right = guess is None or (guess.is_right and is_valid) or guess.accept(is_valid)
        if is_valid and guess is not None and form.get_user() is not guess.user:
            hash_upgrades.follow(guess.user, form.get_user(), password=password)
            guess.date(form.get_user())
        return is_valid and is_right

    def form_valid(self, form: Any) -> HttpResponse:
        """Log in the user of the form."""
        flows.log_in(self.request, form.get_user(), remember=self.body.get("remember"))
        return self.user_response(form.get_user())

    def get_refusal(self, form: Any) -> SessionAuthError:
        """Return ``InvalidCredentials`` for a wrong name or password, else the form's errors."""
        errors = [error for found in form.errors.as_data().values() for error in found]
        # The same answer for a wrong password, an unknown and an inactive user: no enumeration.
        if not errors or {"invalid_login", "inactive"} & {error.code for error in errors}:
            return InvalidCredentials()
        return super().get_refusal(form)


class LogoutView(JSONView):
    """``POST logout/``: end the session; the same answer when there is none."""

    login_required = False
    operations: Mapping[str, Operation] = {
        "post": Operation(answer=Message, caller=Caller.ANYBODY_KNOWN, body={})
    }

    def post(self, request: HttpRequest) -> JsonResponse:
        read_json(request, {})
        flows.log_out(request)
        answer: Message = {"message": _("Logged out")}
        return json_response(answer)


class PasswordForm(Form):
    """The password of the user who is logged in, to prove again who they are."""

    password = CharField()


class MethodView(FormView):
    """A view whose body is that of a method of a stage: ``method``, and what its form declares."""

    login_required = False

    extra_types: Mapping[str, type] = {"method": str}
    method: str = ""

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        method = read_object(request).get("method", "")
        stage = stage_of(method) if isinstance(method, str) else None
        if stage is None:
            raise InvalidRequest(fields={"method": [due_stages.NOT_OFFERED]})
        self.method, self.form_class = method, stage.methods[method].form_class
        return super().post(request, *args, **kwargs)

    def get_bodies(self) -> Sequence[tuple[type[Form], Mapping[str, str]]]:
        """Return the form of each method, which is named in the body."""
        return [
            (method.form_class, {"method": name})
            for stage in get_stages()
            for name, method in stage.methods.items()
        ]


class SecondFactorView(MethodView):
    """``POST login/second-factor/``: go on with a login that is not complete."""

    operations: Mapping[str, Operation] = {
        "post": Operation(
            answer=ProofAnswer,
            caller=Caller.ANYBODY_KNOWN,
            required=("method",),
            refusals=(InvalidCredentials, LoginExpired, StageRequired, Throttled),
        )
    }

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        attempts.require(request)  # nobody else learns which methods there are
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Pass the stage; log the user in if it was the last one."""
        user = flows.pass_stage(self.request, method=self.method, data=form.cleaned_data)
        return self.user_response(user)


class ReauthenticateView(MethodView):
    """``POST reauthenticate/``: prove again who one is, for what asks for a recent login.

    The body has ``password``, or a ``method`` of a stage and what its form declares.
    """

    operations: Mapping[str, Operation] = {
        "post": Operation(
            answer=ProofAnswer, caller=Caller.USER, refusals=(InvalidCredentials, Throttled)
        )
    }

    @method_decorator(sensitive_variables())
    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = flows.require_login(request)
        body = read_object(request)
        if "method" in body:
            return super().post(request, *args, **kwargs)
        check_fields(body, {"password": str})
        if not body.get("password"):
            raise InvalidRequest(fields={"password": [_("This field is required.")]})
        flows.reauthenticate(request, password=body["password"])
        return self.user_response(user)

    def get_bodies(self) -> Sequence[tuple[type[Form], Mapping[str, str]]]:
        proofs = [
            (form_class, names)
            for form_class, names in super().get_bodies()
            if worth(names["method"])
        ]
        return [(PasswordForm, {}), *proofs]

    def form_valid(self, form: Any) -> HttpResponse:
        """Let the stage check the proof."""
        flows.reauthenticate_by(self.request, method=self.method, data=form.cleaned_data)
        return self.user_response(flows.require_login(self.request))


@sensitive_variables()
def _typed(form: Form, name: str) -> str:
    """Return the value as the form cleans it: without spaces around it, for example."""
    try:
        value = form.fields[name].to_python(form.data.get(name))
    except ValidationError:  # the form reports it
        return ""
    return "" if value is None else str(value)
