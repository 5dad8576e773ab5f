"""Django REST framework, Django Ninja and Channels."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI

from session_auth.asgi import LiveSessions
from session_auth.contrib.ninja import SessionAuth, add_exception_handlers
from session_auth.contrib.rest_framework import (
    HasRecentLogin,
    SessionAuthentication,
    exception_handler,
)
from session_auth.openapi import add_endpoints


class API(NinjaAPI):
    def get_openapi_schema(self, **kwargs: Any) -> Any:
        return add_endpoints(super().get_openapi_schema(**kwargs))


api = API(auth=SessionAuth())
add_exception_handlers(api)


@api.get("/orders")
def orders(request: HttpRequest) -> list[int]:
    return []


@api.post("/sign-in", auth=SessionAuth(required=False))
def sign_in(request: HttpRequest) -> None: ...


class HasVeryRecentLogin(HasRecentLogin):
    max_age = timedelta(minutes=1)


REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [SessionAuthentication],
    "DEFAULT_PERMISSION_CLASSES": [HasVeryRecentLogin],
    "EXCEPTION_HANDLER": exception_handler,
}


async def consumers(scope: dict[str, Any], receive: Any, send: Any) -> None: ...


application = LiveSessions(consumers, login_required=True, activity=False)
