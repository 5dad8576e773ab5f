"""The least that it can cost to know by a session who is calling, with Django's own parts.

Twice. *The least* is three middleware that do nothing; one statement, made beforehand, through
Django's cursor; a user by ``Model.from_db``; and the comparison of the session's hash with the
user's. There is no time limit, no CSRF check and no session to write to: it is a bound.

*The least, kept* also keeps all promises for such a request, each in the shortest way that we know.
It is for these benchmarks alone: settings, columns and names are fixed in the code, nothing can be
configured, replaced or saved, and if there is anything to do, it gives up.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject, empty

from session_auth.csrf import csrf_secret
from session_auth.keys import digest
from session_auth.models import Session

ABSOLUTE_TIMEOUT = timedelta(days=30)
IDLE_TIMEOUT = timedelta(days=14)
LAST_SEEN_INTERVAL = timedelta(minutes=1)

WIDTH = len(Session._meta.concrete_fields)
DATA = [field.name for field in Session._meta.concrete_fields].index("data")
TIMES = ("created_at", "authenticated_at", "last_seen_at", "expires_at")
NAMES = [field.attname for field in User._meta.concrete_fields]


class Lazy(SimpleLazyObject):  # type: ignore[type-arg]  # generic in the stubs alone
    """Django's, made in one step."""

    _wrapped = empty

    def __init__(self, func: Callable[[], Any]) -> None:
        object.__setattr__(self, "_setupfunc", func)


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


@lru_cache(maxsize=1)
def kept_statement() -> str:
    columns = [*TIMES, "user_id", "data", *(f"user__{name}" for name in NAMES)]
    rows = Session.objects.filter(pk="id").values_list(*columns)
    return str(rows.query.sql_with_params()[0]).replace("%s", "%(id)s")


@lru_cache(maxsize=1)
def converters() -> list[tuple[int, Any, Any]]:
    """Return Django's own for the columns of a user."""
    columns = [field.get_col("user") for field in User._meta.concrete_fields]
    return [
        (position, convert, column)
        for position, column in enumerate(columns)
        for convert in connection.ops.get_db_converters(column)
    ]


def who(request: HttpRequest) -> User:
    session_id = digest(request.COOKIES["sessionid"])
    with connection.cursor() as cursor:
        cursor.execute(statement(), {"id": session_id})
        row = cursor.fetchone()
    user = User.from_db(connection.alias, NAMES, row[WIDTH:])
    check_hash(user, json.loads(row[DATA]))
    return user


def check_hash(user: User, data: dict[str, Any]) -> None:
    if not constant_time_compare(data[HASH_SESSION_KEY], user.get_session_auth_hash()):
        raise SystemExit("The session is not the user's.")


def private(request: HttpRequest) -> HttpResponse:
    return HttpResponse(who(request).get_username())


async def private_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await sync_to_async(who)(request)).get_username())


class Kept:
    """A session to look at."""

    accessed = modified = False
    data: dict[str, Any]

    def __init__(self, key: str) -> None:
        self.key = key


class KeptSession(Nothing):
    def process_request(self, request: HttpRequest) -> None:
        header = request.META["HTTP_COOKIE"]
        if not header.isascii() or not header.isprintable() or header.count("sessionid=") > 1:
            raise SystemExit("The request has a cookie twice.")
        request.session = Kept(request.COOKIES["sessionid"])  # type: ignore[assignment]  # looks like one

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session: Any = request.session
        if not session.accessed:
            return response
        if session.modified:
            raise SystemExit("There is something to save.")
        response.headers["Vary"] = "Cookie"
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        self.process_request(request)
        return self.process_response(request, await super().__acall__(request))


class KeptCsrf(Nothing):
    def process_request(self, request: HttpRequest) -> None:
        secret = request.META["CSRF_COOKIE"] = csrf_secret(request.COOKIES["sessionid"])
        if request.COOKIES["csrftoken"] != secret:
            raise SystemExit("There is a cookie to set.")

    def process_view(self, request: HttpRequest, view: Any, *arguments: Any) -> None:
        if request.method != "GET":
            raise SystemExit("There is a token to check.")

    async def __acall__(self, request: HttpRequest) -> Any:
        self.process_request(request)
        return await super().__acall__(request)


class KeptUser(Nothing):
    def process_request(self, request: HttpRequest) -> None:
        request.user = Lazy(partial(kept, request))  # type: ignore[assignment]  # a user, once used
        request.auser = partial(kept_async, request)

    async def __acall__(self, request: HttpRequest) -> Any:
        self.process_request(request)
        return await super().__acall__(request)


async def kept_async(request: HttpRequest) -> User:
    return await sync_to_async(kept)(request)


def kept(request: HttpRequest) -> User:
    """Return the user of a session that has not ended, after all checks of the row."""
    session: Any = request.session
    with connection.cursor() as cursor:
        cursor.execute(kept_statement(), {"id": digest(session.key)})
        row = cursor.fetchone()
    created_at, authenticated_at, last_seen_at, expires_at, user_id, data, *values = row
    now = datetime.now(UTC)
    last_seen_at = last_seen_at.replace(tzinfo=UTC)
    if (
        now >= expires_at.replace(tzinfo=UTC)
        or now >= (authenticated_at or created_at).replace(tzinfo=UTC) + ABSOLUTE_TIMEOUT
        or now >= last_seen_at + IDLE_TIMEOUT
    ):
        raise SystemExit("The session is over.")
    for position, convert, column in converters():
        values[position] = convert(values[position], column, connection)
    user = User.from_db(connection.alias, NAMES, values)
    session.data = json.loads(data)
    session.accessed = True
    session.is_due = now - LAST_SEEN_INTERVAL >= last_seen_at
    if not user.is_active or session.data[SESSION_KEY] != str(user_id):
        raise SystemExit("The session is nobody's.")
    check_hash(user, session.data)
    return user
