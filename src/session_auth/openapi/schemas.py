"""JSON Schema of what is there already: types of answers, fields of forms and of the user model."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from inspect import get_annotations
from types import NoneType, UnionType
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints
from typing import is_typeddict as is_typed_dict
from uuid import UUID

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.functional import cached_property
from django.utils.module_loading import import_string

from session_auth.conf import get_conf
from session_auth.operations import USER

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}

PLAIN: Mapping[Any, Schema] = {
    Any: {},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
    dict: {"type": "object"},
    float: {"type": "number"},
    int: {"type": "integer"},
    list: {"type": "array"},
    NoneType: {"type": "null"},
    str: {"type": "string"},
    UUID: {"type": "string", "format": "uuid"},
}
STORABLE: Schema = {"type": "string", "pattern": r"^[^\x00]*$"}
"""Text as a body may have it; a pattern that Go, Java, JavaScript and Python read alike."""

BODY_TYPES: Mapping[type, Schema] = {
    **PLAIN,
    str: STORABLE,
    list: {"type": "array", "items": STORABLE},
}

OF_MODEL_FIELDS: Mapping[Any, Schema] = {
    models.BooleanField: PLAIN[bool],
    models.CharField: PLAIN[str],
    models.DateTimeField: PLAIN[datetime],  # before DateField, which it is derived from
    models.DateField: PLAIN[date],
    models.DecimalField: PLAIN[str],  # as DjangoJSONEncoder has it
    models.DurationField: PLAIN[str],
    models.FloatField: {"type": ["number", "null"]},  # null for what is not finite
    models.GenericIPAddressField: PLAIN[str],
    models.TextField: PLAIN[str],
    models.TimeField: PLAIN[str],
    models.UUIDField: PLAIN[UUID],
}
"""What an attribute is in JSON; one of any other field may be anything."""

MAY_BE_HUGE = {"type": ["integer", "string"]}
"""A number that JavaScript would round goes out as a string: see ``session_auth.answers``."""


def ref(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def of_hint(hint: Any, components: dict[str, Schema]) -> Schema:
    """Return the schema of a type; what has a name of its own goes into ``components``."""
    if get_origin(hint) is NotRequired:
        return of_hint(get_args(hint)[0], components)
    if get_origin(hint) is Annotated:
        return ref(hint.__metadata__[0])
    if is_typed_dict(hint):
        if hint.__name__ not in components:
            components[hint.__name__] = {}  # it may contain itself
            components[hint.__name__] |= _of_typed_dict(hint, components)
        return ref(hint.__name__)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is list:
        return {"type": "array", "items": of_hint(arguments[0], components)}
    if origin is dict:
        return {"type": "object", "additionalProperties": of_hint(arguments[1], components)}
    if origin in (Union, UnionType):
        return any_of([of_hint(each, components) for each in arguments])
    return dict(PLAIN.get(hint, {}))


def any_of(schemas: list[Schema]) -> Schema:
    """Return the schema of what follows one of ``schemas``: in one ``type`` where that will do."""
    [*others, last] = schemas
    is_nullable = last == PLAIN[NoneType] and len(others) == 1
    if is_nullable and isinstance(others[0].get("type"), str):
        return {**others[0], "type": [others[0]["type"], "null"]}
    return {} if {} in schemas else {"anyOf": schemas}


def _of_typed_dict(hint: Any, components: dict[str, Schema]) -> Schema:
    hints = get_type_hints(hint, include_extras=True)
    schema = {
        "type": "object",
        "properties": {name: of_hint(each, components) for name, each in hints.items()},
        "required": sorted(hint.__required_keys__, key=list(hints).index),
    }
    return with_text(schema, hint.__doc__)


def with_text(schema: Schema, text: str | None) -> Schema:
    """Return ``schema`` with a description, where ``text`` has one, and is no HTML."""
    words = " ".join((text or "").replace("``", "`").split())
    return {**schema, "description": words} if words and "<" not in words else schema


def of_user(components: dict[str, Schema]) -> Schema:
    """Return the schema of what clients see of a user, by ``SESSION_AUTH_USER_FIELDS``.

    A function that is named there has it in its annotation, if that is a ``TypedDict``.
    """
    names = get_conf().USER_FIELDS
    if isinstance(names, str):
        hint = get_annotations(import_string(names), eval_str=True).get("return")
        return _of_typed_dict(hint, components) if is_typed_dict(hint) else {"type": "object"}
    return {
        "title": USER,
        "type": "object",
        "properties": {name: _of_attribute(name, components) for name in names},
        "required": list(names),
    }


def _of_attribute(name: str, components: dict[str, Schema]) -> Schema:
    users = get_user_model()
    if name == "username":
        return dict(PLAIN[str])
    try:
        field = users._meta.pk if name == "id" else users._meta.get_field(name)
    except FieldDoesNotExist:
        return of_hint(_hint_of(getattr(users, name, None)), components)
    return of_model_field(field)


def _hint_of(attribute: object) -> Any:
    """Return the type that a property says it has."""
    function = getattr(attribute, "fget" if isinstance(attribute, property) else "func", None)
    is_known = isinstance(attribute, property | cached_property)
    with suppress(NameError):  # of what only type checkers import
        return get_type_hints(function).get("return", Any) if is_known else Any
    return Any


def of_model_field(field: Any) -> Schema:
    """Return the schema of the attribute of a model in JSON."""
    if isinstance(field, models.IntegerField):  # AutoField too
        huge = getattr(field, "MAX_BIGINT", None) or isinstance(field, models.BigAutoField)
        schema = dict(MAY_BE_HUGE if huge else PLAIN[int])
    else:
        found = [each for cls, each in OF_MODEL_FIELDS.items() if isinstance(field, cls)]
        schema = dict(found[0]) if found else {}
    return any_of([schema, PLAIN[NoneType]]) if schema and field.null else schema


def fields_of(form_class: type[forms.Form]) -> Mapping[str, forms.Field]:
    """Return the fields of a form, with what its ``__init__()`` adds and removes for everybody."""
    own = next(cls for cls in form_class.__mro__ if "__init__" in vars(cls))
    if own.__module__.startswith(("django.", "session_auth.")):
        return form_class.base_fields
    for arguments in ((), (None,)):  # a form for passwords begins with the user
        with suppress(Exception):  # it may want more than there is without a request
            return form_class(*arguments).fields
    return form_class.base_fields


def of_form_field(field: forms.Field, wanted: type) -> Schema:
    """Return the schema of a key of a body, whose value must be ``wanted``, for a field."""
    schema = with_text(dict(BODY_TYPES[wanted]), str(field.help_text))
    if wanted is str:
        schema |= dict(_limits_of_text(field))
    for name, limit in (("minimum", "min_value"), ("maximum", "max_value")):
        if isinstance(given := getattr(field, limit, None), int):
            schema[name] = given
    return schema


def _limits_of_text(field: forms.Field) -> Iterator[tuple[str, Any]]:
    if field.required:
        yield "minLength", max(1, getattr(field, "min_length", None) or 1)
    if (longest := getattr(field, "max_length", None)) is not None:
        yield "maxLength", longest
    if isinstance(field, forms.EmailField):
        yield "format", "email"
    if isinstance(field.widget, forms.PasswordInput):
        yield "format", "password"
