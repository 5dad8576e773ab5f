"""The OpenAPI document of the endpoints."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from session_auth import flows
from session_auth.answers import json_response
from session_auth.exceptions import NotAuthenticated, PermissionDenied
from session_auth.http import JSONView
from session_auth.openapi import document
from session_auth.operations import Caller, Operation


class OpenAPIView(JSONView):
    """``GET openapi.json``: this document.

    Staff may read it, and anybody under ``DEBUG``. It holds no secret. But it tells a stranger what
    the login form takes and which factors there are, and who writes a client is one of you. With
    ``as_view(is_public=True)`` in the URLconf, above the include, everybody may.
    """

    login_required = False
    is_public = False
    operations: Mapping[str, Operation] = {
        "get": Operation(
            answer=dict[str, Any],
            caller=Caller.ANYBODY_KNOWN,
            refusals=(NotAuthenticated, PermissionDenied),
        )
    }

    def get(self, request: HttpRequest) -> JsonResponse:
        if not (self.is_public or settings.DEBUG):
            user: Any = flows.require_login(request)
            if not getattr(user, "is_staff", False):
                raise PermissionDenied
        return json_response(document())
