"""The OpenAPI document: made of the URLconf, the views, their forms and their refusals."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.forms import Field
from django.http import HttpHeaders
from django.urls import URLResolver, get_resolver, get_script_prefix, get_urlconf
from django.urls.resolvers import RoutePattern

from session_auth import __version__
from session_auth.conf import get_conf
from session_auth.exceptions import MethodNotAllowed
from session_auth.http import FormView, JSONView
from session_auth.openapi import headers, schemas
from session_auth.openapi.refused import Refused, all_codes, refusals_of, told
from session_auth.openapi.schemas import BODY_TYPES, TEXT, Schema
from session_auth.operations import USER, Caller, Operation

OPENAPI = "3.1.0"
PARAMETER = re.compile(r"<(?:(?P<converter>[^>:]+):)?(?P<name>[^>]+)>")
NAMED_GROUP = re.compile(r"\(\?P<(\w+)>(?:[^()\\]|\\.|\[[^]]*\])*\)")
DESCRIBED_METHOD = re.compile(
    r"``([A-Z]+)(?: [^`]+)?``: (.+?)(?=\s*``[A-Z]+(?: [^`]+)?``:|\n\n|\Z)", re.S
)


def document() -> dict[str, Any]:
    """Return the OpenAPI document of the endpoints, as this project has them."""
    components: dict[str, dict[str, Schema]] = {"responses": {}, "schemas": {}}
    types = components["schemas"]
    types[USER] = schemas.of_user(types)
    not_allowed = (MethodNotAllowed,)
    told(Refused(405, not_allowed, (MethodNotAllowed.code,)), components["responses"])
    paths: dict[str, Any] = {}
    for path, name, view in _views(get_resolver(get_urlconf()).url_patterns):
        described = {
            method: _operation(view, method, operation, path, name=name, components=components)
            for method, operation in view.operations.items()
        }
        if described and path not in paths:  # Django takes the first one that fits
            paths[path] = described
    types["ErrorCode"] = {
        "description": "Each code with which this package refuses a call, here and elsewhere.",
        "type": "string",
        "enum": all_codes(),
    }
    return {
        "openapi": OPENAPI,
        "info": {
            "title": get_conf().SITE_NAME or "Session authentication",
            "version": __version__,
            "description": (
                "Logins, sessions and passwords, by the session cookie of this site. Each refusal "
                "has a sentence for people (`error`) and a `code` for programs. Any other method "
                "of a path is refused by `method_not_allowed`."
            ),
        },
        "servers": [{"url": get_script_prefix().rstrip("/") or "/"}],
        "tags": [{"name": "session_auth", "description": "Session authentication"}],
        "paths": paths,
        "components": {
            "headers": headers.components(),
            "parameters": headers.parameters(),
            **{name: dict(sorted(each.items())) for name, each in components.items()},
            "securitySchemes": security_schemes(),
        },
    }


def header_name() -> str:
    """Return the name of the header for the CSRF token, as a client writes it."""
    name = HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME) or settings.CSRF_HEADER_NAME
    return name.replace("X-Csrftoken", "X-CSRFToken")


def security_schemes() -> dict[str, Any]:
    """Return the cookie of the session, and the header of the token, by their names here."""
    where = (
        "`csrfToken` of the latest answer that has it"
        if settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_HTTPONLY
        else f"the value of the cookie `{settings.CSRF_COOKIE_NAME}`"
    )
    return {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The key of the session. A login sets it; scripts need not read it.",
        },
        "csrf": {
            "type": "apiKey",
            "in": "header",
            "name": header_name(),
            "description": f"For each call that changes something: {where}.",
        },
    }


def security_of(method: str, caller: Caller) -> list[dict[str, list[str]]]:
    """Return what a call has to bring along: any one of the list."""
    needs: dict[str, list[str]] = {} if method in {"get", "head", "options"} else {"csrf": []}
    with_session = {"session": [], **needs}
    ways = {
        Caller.ANYBODY: [needs],
        Caller.ANYBODY_KNOWN: [with_session, needs],
    }.get(caller, [with_session])
    if get_conf().CSRF == "headers" and needs:
        # The headers of a browser are enough: it needs no token.
        ways += [{key: [] for key in way if key != "csrf"} for way in ways]
    return [] if ways == [{}] else ways


def _views(patterns: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str, JSONView]]:
    """Yield the path, the name and the view of each of our endpoints, in their order."""
    for pattern in patterns:
        path = prefix + _template(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, path)
            continue
        cls = getattr(pattern.callback, "view_class", None)
        if isinstance(cls, type) and issubclass(cls, JSONView):
            kwargs = pattern.callback.view_initkwargs
            yield f"/{path}", pattern.name or cls.__name__, cls(**kwargs)


def _template(pattern: Any) -> str:
    """Return the route as OpenAPI writes it: ``sessions/{session_id}/``."""
    if isinstance(pattern, RoutePattern):
        return PARAMETER.sub(lambda match: "{" + match["name"] + "}", str(pattern))
    return NAMED_GROUP.sub(r"{\1}", str(pattern)).strip("^$").replace("\\", "").lstrip("/")


def _parameters(path: str, operation: Operation) -> list[dict[str, Any]]:
    """Return them for one operation: drf-spectacular finds no place for those of a path."""
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {**TEXT, "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]
    in_query = [{"name": each, "in": "query", "schema": TEXT} for each in operation.query]
    return in_path + in_query + headers.of_call()


def _operation(
    view: JSONView,
    method: str,
    operation: Operation,
    path: str,
    *,
    name: str,
    components: dict[str, dict[str, Schema]],
) -> dict[str, Any]:
    body = _body_of(view, method, operation)
    refused = refusals_of(view, method)
    responses = {str(refusal.status): told(refusal, components["responses"]) for refusal in refused}
    accepted = _accepted(view, operation, components["schemas"])
    described: dict[str, Any] = {
        "operationId": f"{name}_{method}",
        "summary": _summary(view, method),
        "tags": ["session_auth"],
        "security": security_of(method, operation.caller),
        "parameters": _parameters(path, operation),
        "responses": accepted | responses,
    }
    if body:
        content = {"application/json": {"schema": body}}
        # What may be left out of it is said by the schema: where nothing is sent, it is no JSON.
        described["requestBody"] = {"required": True, "content": content}
    return described


def _summary(view: JSONView, method: str) -> str:
    """Return what the docstring of the view says of ``method``."""
    found = DESCRIBED_METHOD.findall(re.sub(r"\n +", " ", (view.__doc__ or "").split("\n\n")[0]))
    by_method = {name.lower(): text.strip().rstrip(".") for name, text in found}
    text = str(by_method.get(method, type(view).__name__)).replace("``", "`")
    return text[:1].upper() + text[1:]


def _body_of(view: JSONView, method: str, operation: Operation) -> Schema | None:
    """Return the schema of the body; ``{}`` if it is to be empty, ``None`` if nobody reads it."""
    if isinstance(view, FormView) and method == "post" and operation.body is None:
        return _body_of_forms(view, operation)
    if not operation.body:
        return None if operation.body is None else {}
    properties = {
        name: {**BODY_TYPES[wanted], **operation.limits.get(name, {})}
        for name, wanted in operation.body.items()
    }
    return _object(properties, required=operation.required)


def _body_of_forms(view: FormView, operation: Operation) -> Schema:
    """Return the schema of a body that one of several forms declares: one object for all of them.

    A choice of several objects would be more exact, and few generators of clients can read it.
    """
    properties: dict[str, Schema] = {}
    fixed: dict[str, list[str]] = {}
    required: list[set[str]] = []
    for form_class, values in view.get_bodies():
        fields = schemas.fields_of(form_class)
        types = view.get_body_types(fields)
        by_key: dict[str, Field] = {}
        for name, field in fields.items():
            by_key.setdefault(view.get_key(name), field)  # a new password may be there twice
        for key, wanted in types.items():
            schema = dict(BODY_TYPES[wanted])
            if key in by_key:
                schema = schemas.of_form_field(by_key[key], wanted)
            known = properties.setdefault(key, schema)
            if known != schema:
                properties[key] = _common(known, schema)
        required.append({key for key, field in by_key.items() if field.required})
        for key, value in values.items():
            fixed.setdefault(key, []).append(value)
    for key, choices in fixed.items():
        properties[key] = {**TEXT, "enum": choices}
    in_all = set.intersection(*required) if required else set()
    return _object(properties, required=[*operation.required, *in_all])


def _common(one: Schema, other: Schema) -> Schema:
    """Return the schema of what follows ``one`` or ``other``."""
    return {name: each for name, each in one.items() if name == "type" and other.get(name) == each}


def _object(properties: dict[str, Schema], *, required: Iterable[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    needed = [name for name in properties if name in set(required)]
    return {**schema, "required": needed} if needed else schema


def _accepted(
    view: JSONView, operation: Operation, components: dict[str, Schema]
) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "Done.", "headers": headers.of_answer(operation)}
    if operation.answer is None:
        return {"204": described}
    schema = schemas.of_hint(operation.answer, components)
    if type(view).describe_user is not JSONView.describe_user:
        schema = _with_users_of_its_own(schema, components)
    content = {"application/json": {"schema": schema}}
    return {str(operation.status): {**described, "content": content}}


def _with_users_of_its_own(schema: Schema, components: dict[str, Schema]) -> Schema:
    """Return ``schema`` for a view that shows another user than all others do: any object."""
    name = schema.get("$ref", "").rpartition("/")[2]
    shown = components.get(name, schema)
    if "user" not in shown.get("properties", {}):
        return schema
    user = {"type": ["object", "null"] if "due" in shown["properties"] else "object"}
    return {**shown, "properties": {**shown["properties"], "user": user}}
