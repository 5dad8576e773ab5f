"""Strict JSON in, and the views that take it and turn each error into an answer."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from math import isfinite
from typing import Any, NoReturn, cast

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import NON_FIELD_ERRORS, ImproperlyConfigured, RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from session_auth import csrf, events
from session_auth.answers import (
    MAX_INTEGER,
    error_response,
    json_response,
    no_content,
    refuses_with_json,
)
from session_auth.conf import get_conf
from session_auth.exceptions import (
    CsrfFailed,
    HttpsRequired,
    InvalidCredentials,
    InvalidRequest,
    MalformedJSON,
    MethodNotAllowed,
    PayloadTooLarge,
    SessionAuthError,
    StageRequired,
    StoreUnavailable,
    Throttled,
    UnsupportedMediaType,
)
from session_auth.operations import Operation, ProofAnswer

__all__ = [
    "FormView",
    "JSONView",
    "error_response",
    "json_response",
    "no_content",
    "read_json",
    "refuses_with_json",
]

MAX_BODY_BYTES = 16 * 1024
MAX_NESTING = 10
FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
WRONG_TYPE: Mapping[type, str | Promise] = {
    bool: _("Must be true or false."),
    dict: _("Must be an object."),
    float: _("Must be a number."),
    int: _("Must be an integer."),
    list: _("Must be a list of strings."),
    str: _("Must be a string."),
}
FIELD_TYPES: Mapping[type[forms.Field], type] = {
    forms.BooleanField: bool,
    forms.DecimalField: float,
    forms.FloatField: float,
    forms.IntegerField: int,
    forms.JSONField: dict,
    forms.ModelMultipleChoiceField: list,
    forms.MultipleChoiceField: list,
    forms.Field: str,
}

LOGGED_ELSEWHERE = (CsrfFailed, InvalidCredentials, StageRequired, StoreUnavailable, Throttled)
"""Refusals with an event of their own, which says more than ``refused``."""


def read_json(request: HttpRequest, fields: Mapping[str, type]) -> dict[str, Any]:
    """Return the body of ``request``: one JSON object, with no keys but ``fields``.

    ``fields`` maps the name of each key to the type it must have: ``str``, ``bool``, ``int``,
    ``float`` (which takes integers too: JavaScript writes 1.0 as 1), ``list``, of strings, or
    ``dict``, an object of anything that is not nested too deep. A key may be absent. If ``fields``
    is empty, the body may be absent too.

    Raises ``UnsupportedMediaType``, ``PayloadTooLarge``, ``MalformedJSON`` or ``InvalidRequest``.
    """
    if not fields and not _body(request):
        return {}
    data = read_object(request)
    check_fields(data, fields)
    return data


def read_object(request: HttpRequest) -> dict[str, Any]:
    """Return the body of ``request``: one JSON object. ``check_fields()`` has to check its keys.

    Raises ``UnsupportedMediaType``, ``PayloadTooLarge`` or ``MalformedJSON``.
    """
    body = _body(request)
    if request.content_type != "application/json" or "Content-Encoding" in request.headers:
        raise UnsupportedMediaType
    if (request.content_params or {}).get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaType(hint="Send JSON as UTF-8.")
    return _parse(body)


def check_objects(form: forms.Form) -> None:
    """Raise as ``read_json()`` does for an object, in a form of HTML, that no body may hold.

    Django's own field raises ``ValueError`` for a number that is too long, for example.
    """
    names = [name for name, field in form.fields.items() if isinstance(field, forms.JSONField)]
    for name in names:
        if text := form.data.get(name):
            check_fields({name: _parse(text.encode())}, {name: dict})


def check_fields(data: Mapping[str, Any], fields: Mapping[str, type]) -> None:
    """Raise ``InvalidRequest`` if ``data`` has other keys than ``fields``, or of other types."""
    problems = {name: _problems(value, fields.get(name)) for name, value in data.items()}
    if refused := {name: texts for name, texts in problems.items() if texts}:
        raise InvalidRequest(fields=refused)


def _body(request: HttpRequest) -> bytes:
    if request.content_type in FORM_TYPES:  # first: Django's CSRF check may have read it already
        raise UnsupportedMediaType
    try:
        body = request.body
    except RequestDataTooBig as exc:
        raise PayloadTooLarge from exc
    except UnreadablePostError as exc:
        raise MalformedJSON(hint="The body did not arrive.") from exc
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge(hint=f"The body is larger than {MAX_BODY_BYTES} bytes.")
    return body


def _parse(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(
            body.decode(),  # json.loads() would guess UTF-16 and UTF-32
            object_pairs_hook=_object,
            parse_constant=_refuse_number,
            parse_float=_float,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as exc:
        raise MalformedJSON from exc
    if not isinstance(data, dict):
        raise MalformedJSON(hint="The body must be one JSON object.")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise ValueError("A key is there twice: parsers differ on which one counts.")
    return data


def _integer(digits: str) -> int:
    if len(digits) > len(str(-MAX_INTEGER)) or abs(number := int(digits)) > MAX_INTEGER:
        _refuse_number(digits)
    return number


def _float(digits: str) -> float:
    if not isfinite(number := float(digits)):
        _refuse_number(digits)
    return number


def _refuse_number(digits: str) -> NoReturn:
    raise ValueError("Not a number that JSON parsers agree on.")


def _problems(value: object, wanted: type | None) -> list[str | Promise]:
    if wanted is None:
        return [_("Unknown field.")]
    if not _has_type(value, wanted):
        return [WRONG_TYPE[wanted]]
    if any("\0" in text or not _is_unicode(text) for text in _texts(value)):
        return [_("Must not contain characters that cannot be stored.")]
    return []


def _texts(value: object) -> Iterator[str]:
    """Yield each text in ``value``, and in what it is made of. Raises ``MalformedJSON``."""
    level = [value]
    for _level in range(MAX_NESTING):
        yield from (each for each in level if isinstance(each, str))
        objects = [each for each in level if isinstance(each, dict)]
        parts = [*objects, *(each.values() for each in objects)]
        parts += [each for each in level if isinstance(each, list)]
        level = list(chain.from_iterable(parts))
    if level:
        raise MalformedJSON(hint="The body is nested too deep.")


def _has_type(value: object, wanted: type) -> bool:
    if isinstance(value, list):
        return wanted is list and all(type(item) is str for item in value)
    # isinstance() would take true for an integer.
    return type(value) is wanted or (wanted is float and type(value) is int)


def _is_unicode(text: str) -> bool:
    """Say whether ``text`` can be encoded: a lone surrogate cannot, in databases and hashers."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def describe_user(user: AbstractBaseUser) -> dict[str, Any]:
    """Return what clients see of ``user``, at every endpoint.

    ``SESSION_AUTH_USER_FIELDS`` lists the fields, or names a function to call instead of this one.
    """
    names = get_conf().USER_FIELDS
    if isinstance(names, str):
        described: object = import_string(names)(user)
        if not isinstance(described, dict):  # null, say, would tell a client that nobody is there
            raise ImproperlyConfigured(
                f"{names}() of SESSION_AUTH_USER_FIELDS returned {type(described).__name__}. "
                "Return a dict of what clients see of the user."
            )
        return described
    special = {"id": user.pk, "username": user.get_username()}
    return {name: special[name] if name in special else getattr(user, name) for name in names}


class JSONView(View):
    """A view that takes JSON, answers JSON, and turns each ``SessionAuthError`` into a response.

    It makes the CSRF check itself. So the check is made even if ``CsrfViewMiddleware`` is missing,
    and a refusal is JSON, whichever middleware is installed.
    """

    login_required = True
    """What Django's ``LoginRequiredMiddleware`` asks: ``False`` where the view itself says who may
    come in, by ``require_login()`` say, and answers others as the error contract has it."""

    operations: Mapping[str, Operation] = {}
    """What each method takes and answers, for the OpenAPI document; it has no others."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        view = super().as_view(**initkwargs)
        is_asked: bool = initkwargs.get("login_required", cls.login_required)
        return view if is_asked else login_not_required(view)

    # Not in the transaction of ATOMIC_REQUESTS: a session that has ended must stay so, whatever
    # fails later.
    @method_decorator(transaction.non_atomic_requests)
    @method_decorator(csrf_exempt)
    @refuses_with_json
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response = self._answer(request, *args, **kwargs)
        except SessionAuthError as error:
            if not isinstance(error, LOGGED_ELSEWHERE):
                events.record_refusal(request, status=error.status, code=error.code)
            response = error_response(error)
        csrf.set_cookie(request, response)
        return response

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = no_content()
        response.headers["Allow"] = ", ".join(self._methods())
        return response

    def describe_user(self, user: AbstractBaseUser) -> dict[str, Any]:
        """Return what the client sees of ``user``; override it to show more in one view."""
        return describe_user(user)

    def user_response(self, user: AbstractBaseUser) -> JsonResponse:
        """Return the answer to a login or a proof: what ``GET user/`` tells, and the next token."""
        return json_response(self.user_data(user))

    def user_data(self, user: AbstractBaseUser) -> ProofAnswer:
        """Return what ``user_response()`` tells, for an answer that tells more."""
        describe_session = getattr(self.request.session, "describe", None)  # Django's lack it
        return {
            "user": self.describe_user(user),
            "session": describe_session and describe_session(),
            "csrfToken": get_token(self.request),
        }

    def _answer(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in self._methods():
            raise MethodNotAllowed(allowed=self._methods())
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            raise HttpsRequired  # a redirect would let a client go on sending its password
        # A cross-site form can send these; and Django's check would parse a form of any size.
        if request.content_type in FORM_TYPES:
            raise UnsupportedMediaType
        if request.method in csrf.SAFE_METHODS:
            csrf.verify_read(request)
        else:
            csrf.verify(request)
        return cast("HttpResponse", super().dispatch(request, *args, **kwargs))

    def _methods(self) -> list[str]:
        return [name.upper() for name in self.http_method_names if hasattr(self, name)]


class FormView(JSONView):
    """Django's ``FormView`` in JSON: the body of a POST is what the form declares.

    ``post()`` calls the methods below it, in their order: override the one that you want to change.
    ``self.body`` is what the client has sent.
    """

    form_class: type[forms.Form] = forms.Form
    required_fields: Sequence[str] = ()
    """The fields of the form that the view cannot do without."""

    keys: Mapping[str, Sequence[str]] = {}
    """The keys of the body that stand for a field of the form; without an entry, its name does."""

    extra_types: Mapping[str, type] = {}
    """More keys that the body may have, which no field of the form declares, with their types."""

    takes_request: bool = False
    """``True`` if the form also takes ``request``, as Django's ``AuthenticationForm`` does."""

    body: Mapping[str, Any] = {}

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view; raise ``ImproperlyConfigured`` if the form does not fit it."""
        view = cls(**initkwargs)
        fields = view.form_class.base_fields
        if missing := [name for name in view.required_fields if name not in fields]:
            raise misfit(view.form_class, f"it needs a field '{missing[0]}'.")
        view.get_body_types(fields)
        return super().as_view(**initkwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.body = read_object(request)
        form = self.get_form()
        self.check_body(form)
        return self.form_valid(form) if self.is_valid(form) else self.form_invalid(form)

    def get_form(self) -> Any:
        """Return the form, bound to the body."""
        return self.get_form_class()(**self.get_form_kwargs())

    def get_form_class(self) -> type[forms.Form]:
        """Return ``form_class``; override it to take another form for some requests."""
        return self.form_class

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return the arguments for the form: the body as ``data``, by the names of the fields."""
        keys = {name: self.get_key(name) for name in self.keys}
        renamed = {name: self.body[key] for name, key in keys.items() if key in self.body}
        kwargs: dict[str, Any] = {"data": {**self.body, **renamed}}
        return kwargs | {"request": self.request} if self.takes_request else kwargs

    def check_body(self, form: Any) -> None:
        """Raise ``InvalidRequest`` for an unknown key, or a value that is not of its type."""
        check_fields(self.body, self.get_body_types(form.fields))

    def get_body_types(self, fields: Mapping[str, forms.Field]) -> dict[str, type]:
        """Return the type of each key that the body may have, for a form with these ``fields``."""
        types = {}
        for name, field in fields.items():
            if field.widget.value_omitted_from_data({name: ""}, {}, name):
                raise misfit(self.form_class, f"'{name}' must be one value, and no file.")
            if not field.disabled:
                found = [FIELD_TYPES[cls] for cls in type(field).__mro__ if cls in FIELD_TYPES]
                types[self.get_key(name)] = found[0]
        return {**types, **self.extra_types}

    def get_key(self, name: str) -> str:
        """Return the key in the body, and in the errors, for the field ``name`` of the form."""
        keys = self.keys.get(name, (name,))
        return next((key for key in keys if key in self.body), keys[0])

    def get_bodies(self) -> Sequence[tuple[type[forms.Form], Mapping[str, str]]]:
        """Return the forms of which one declares the body, each with keys of fixed values."""
        return [(self.form_class, {})]

    def is_valid(self, form: Any) -> bool:
        """Say whether the form has no errors."""
        return bool(form.is_valid())

    def form_valid(self, form: Any) -> HttpResponse:
        """Do what the form is for, and return the answer."""
        return no_content()

    def form_invalid(self, form: Any) -> HttpResponse:
        """Raise what ``get_refusal()`` returns, for ``dispatch()`` to log and to answer."""
        raise self.get_refusal(form)

    def get_refusal(self, form: Any) -> SessionAuthError:
        """Return the refusal that tells the client of the errors.

        The errors of fields are its ``fields``. If ``clean()`` of the form raises
        ``ValidationError("Verify your address first.", code="email_not_verified")``, these are the
        ``error`` and the ``code`` of the answer.
        """
        fields: dict[str, list[str]] = {}
        for name, texts in form.errors.items():
            known = fields.setdefault(self.get_key(name), [])
            known += [text for text in texts if text not in known]
        errors = form.non_field_errors()
        if not (codes := [error.code for error in errors.as_data() if error.code]):
            return InvalidRequest(fields=fields)
        del fields[NON_FIELD_ERRORS]
        return InvalidRequest(" ".join(errors), code=codes[0], fields=fields)


def misfit(form_class: type[forms.Form], advice: str) -> ImproperlyConfigured:
    name = f"{form_class.__module__}.{form_class.__qualname__}"
    return ImproperlyConfigured(f"The form {name} does not fit the view: {advice}")
