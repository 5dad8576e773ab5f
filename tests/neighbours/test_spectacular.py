"""drf-spectacular: what a session opens is documented so."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.urls import path
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings
from openapi_spec_validator import validate
from rest_framework import serializers
from rest_framework.generics import CreateAPIView
from rest_framework.permissions import IsAuthenticated

from session_auth import openapi
from session_auth.contrib.rest_framework import SessionAuthentication


class Own(SessionAuthentication):
    """A project's, that does a little more."""


class Described(SessionAuthentication):
    """A project's, which it has described to drf-spectacular itself."""


class DescribedScheme(OpenApiAuthenticationExtension):
    target_class = Described
    name = "described"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "described"}


class Article(serializers.Serializer):
    title = serializers.CharField()


class Articles(CreateAPIView):
    permission_classes = (IsAuthenticated,)
    serializer_class = Article


def test_an_operation_that_a_session_opens_has_its_cookie(capsys: Any, settings: Any) -> None:
    settings.SESSION_COOKIE_NAME = "__Host-sessionid"
    classes = {"ours": SessionAuthentication, "own": Own, "described": Described}
    patterns = [
        path(f"{name}/", Articles.as_view(authentication_classes=[each]))
        for name, each in classes.items()
    ]

    schema = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)

    security = {name: schema["paths"][f"/{name}/"]["post"]["security"] for name in classes}
    assert security == {
        "ours": [{"cookieAuth": []}],
        "own": [{"cookieAuth.Own": []}],
        "described": [{"described": []}],
    }
    cookie = {"type": "apiKey", "in": "cookie", "name": "__Host-sessionid"}
    schemes = schema["components"]["securitySchemes"]
    assert [schemes[name] for name in ("cookieAuth", "cookieAuth.Own")] == [cookie, cookie]
    assert capsys.readouterr().err == ""


@contextmanager
def _spectacular(**changed: Any) -> Iterator[None]:
    spectacular_settings.apply_patches(changed)
    yield
    spectacular_settings.clear_patches()


def test_the_endpoints_are_in_its_schema_with_the_token_for_each_unsafe_call() -> None:
    patterns = [path("ours/", Articles.as_view(authentication_classes=[SessionAuthentication]))]
    generator = SchemaGenerator(patterns=patterns, api_version="1")
    hooks = [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "session_auth.contrib.spectacular.add_endpoints",
    ]
    with _spectacular(OAS_VERSION="3.1.1", TITLE="Shop", VERSION="1", POSTPROCESSING_HOOKS=hooks):
        merged = generator.get_schema(request=None, public=True)

    validate(merged)
    assert merged["paths"]["/ours/"]["post"]["security"] == [{"cookieAuth": [], "csrf": []}]
    assert set(openapi.document()["paths"]) < set(merged["paths"])


@pytest.mark.parametrize("name", ["tests.settings", "tests.factors.settings"])
def test_the_document_is_one_of_openapi(name: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "django", "session_auth_openapi", f"--settings={name}"],
        check=True,
        capture_output=True,
    )

    validate(json.loads(printed.stdout))
