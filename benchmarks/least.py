"""The least that it can cost to take the place of Django's session and authentication middleware.

It is Django's own parts, each of which has to run: three middleware, a session object, the lazy
``request.user``, and ``Vary``; one statement that was made beforehand, through Django's cursor; the
columns by Django's converters and ``Model.from_db``; one comparison of times, and one of the
session's hash with the user's. There is no CSRF check, no second limit of time, no look at a cookie
that stands twice, and no session data to read or write: it is a bound.
"""

import json
from functools import partial
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.crypto import constant_time_compare
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

from session_auth.engines.lookup import find
from session_auth.keys import digest


class Nothing(MiddlewareMixin):
    """Calls what comes next, sync and async, as Django's middleware do."""

    def process_request(self, request: HttpRequest) -> None:
        return None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        self.process_request(request)
        response: Any = await self.get_response(request)  # type: ignore[misc]  # not as in the stubs
        return self.process_response(request, response)


class Session(Nothing):
    def process_request(self, request: HttpRequest) -> None:
        request.session = SessionBase(request.COOKIES["sessionid"])

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        patch_vary_headers(response, ("Cookie",))
        return response


class User(Nothing):
    def process_request(self, request: HttpRequest) -> None:
        request.user = cast("Any", SimpleLazyObject(partial(look_up, request)))


def look_up(request: HttpRequest) -> Any:
    record, make_user = find(digest(str(request.session.session_key)))
    if record is None or make_user is None or timezone.now() >= record.expires_at:
        raise SystemExit("There is no such session.")
    user = make_user()
    session_hash = json.loads(record.data)[HASH_SESSION_KEY]
    if not constant_time_compare(session_hash, user.get_session_auth_hash()):
        raise SystemExit("The session is not the user's.")
    return user


def private(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


async def private_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await sync_to_async(look_up)(request)).get_username())
