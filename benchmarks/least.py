"""The least that it can cost to know by a session who is calling, with Django's own parts.

Three middleware that do nothing; one statement, made beforehand, through Django's cursor; a user by
``Model.from_db``; and the comparison of the session's hash with the user's. There is no time limit,
no CSRF check and no session to write to: it is a bound.
"""

import json
from functools import lru_cache
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.deprecation import MiddlewareMixin

from session_auth.keys import digest
from session_auth.models import Session

WIDTH = len(Session._meta.concrete_fields)
DATA = [field.name for field in Session._meta.concrete_fields].index("data")
NAMES = [field.attname for field in User._meta.concrete_fields]


class Nothing(MiddlewareMixin):
    """Calls what comes next, sync and async, as Django's middleware do."""

    def process_request(self, request: HttpRequest) -> None:
        return None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        return await self.get_response(request)  # type: ignore[misc]  # not as in the stubs


@lru_cache(maxsize=1)
def statement() -> str:
    rows = Session.objects.select_related("user").filter(pk="id")
    return str(rows.query.sql_with_params()[0]).replace("%s", "%(id)s")


def who(request: HttpRequest) -> User:
    session_id = digest(request.COOKIES["sessionid"])
    with connection.cursor() as cursor:
        cursor.execute(statement(), {"id": session_id})
        row = cursor.fetchone()
    user = User.from_db(connection.alias, NAMES, row[WIDTH:])
    session_hash = json.loads(row[DATA])[HASH_SESSION_KEY]
    if not constant_time_compare(session_hash, user.get_session_auth_hash()):
        raise SystemExit("The session is not the user's.")
    return user


def private(request: HttpRequest) -> HttpResponse:
    return HttpResponse(who(request).get_username())


async def private_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await sync_to_async(who)(request)).get_username())
