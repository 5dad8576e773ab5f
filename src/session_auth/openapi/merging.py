"""Our endpoints in the document of the project's own API."""

import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from session_auth.openapi.document import document, security_schemes

PREFIX = "SessionAuth"
"""How the names of our components begin in the document of a project, which may have a ``User``."""

KINDS = ("headers", "parameters", "responses", "schemas")
UNSAFE = ("delete", "patch", "post", "put")


def add_endpoints(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the endpoints to ``schema``, an OpenAPI 3.1 document of the project's, and return it.

    Each call there that changes something and is let in by the session cookie is said to need the
    CSRF token, too. Where both have a path, that of ``schema`` stays.
    """
    text = json.dumps(document())
    for kind in KINDS:
        text = text.replace(f'"#/components/{kind}/', f'"#/components/{kind}/{PREFIX}')
    ours = json.loads(text)
    components = schema.setdefault("components", {})
    for way in list(_ways_by_cookie(schema)):
        way["csrf"] = []
    for kind in KINDS:
        named = {f"{PREFIX}{name}": each for name, each in ours["components"][kind].items()}
        components[kind] = {**named, **components.get(kind, {})}
    schemes = components.get("securitySchemes", {})
    components["securitySchemes"] = {**schemes, **security_schemes()}
    schema["paths"] = {**schema.get("paths", {}), **_new(ours["paths"], schema)}
    return schema


def _new(paths: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    known = schema.get("paths", {})
    return {path: each for path, each in paths.items() if path not in known}


def _ways_by_cookie(schema: dict[str, Any]) -> Iterator[dict[str, list[str]]]:
    """Yield each way in, of an unsafe call, that is the session cookie."""
    cookies = {
        name
        for name, scheme in schema["components"].get("securitySchemes", {}).items()
        if scheme.get("in") == "cookie" and scheme.get("name") == settings.SESSION_COOKIE_NAME
    }
    for methods in schema.get("paths", {}).values():
        for method in UNSAFE:
            yield from (
                way for way in methods.get(method, {}).get("security", ()) if cookies & set(way)
            )
