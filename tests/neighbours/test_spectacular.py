"""drf-spectacular: what a session opens is documented so."""

from typing import Any

from django.urls import path
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.generics import CreateAPIView
from rest_framework.permissions import IsAuthenticated

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
