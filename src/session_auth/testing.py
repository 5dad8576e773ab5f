"""For the tests of a project that uses this package: logins without a form, and a clock.

It needs Django alone, no pytest. It has no endpoint: importing it opens no way in.
docs/testing.md shows it with Django's ``TestCase``, pytest-django and Playwright.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta, tzinfo
from typing import Any, TypeVar, cast
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.http import HttpRequest, HttpResponse
from django.test.client import AsyncClient, Client
from django.test.utils import TestContextDecorator
from django.utils import timezone

from session_auth.conf import get_conf
from session_auth.keys import digest
from session_auth.middleware import AuthenticationMiddleware, SessionMiddleware
from session_auth.sessions.base import session_of
from session_auth.sessions.proofs import PASSWORD
from session_auth.sessions.rows import Rows
from session_auth.sessions.values import Record, write_methods

__all__ = ["Clock", "add_session", "alog_in", "clock", "frozen_clock", "log_in"]

Caller = TypeVar("Caller", bound=Client | AsyncClient | HttpRequest)


def log_in(
    caller: Caller,
    user: AbstractBaseUser,
    *,
    methods: Collection[str] = (PASSWORD,),
    age: timedelta = timedelta(0),
    backend: str | None = None,
) -> Caller:
    """Log ``user`` in, without asking for a password, and return ``caller``.

    ``caller`` is a test client, or a request of ``RequestFactory`` or ``AsyncRequestFactory``.
    A client is logged in by its ``force_login()``; a request is given a new session, as if it had
    come with the cookie of that session and had passed the middleware (``add_session()``).

    ``methods`` are the ways in which the user has proven who they are, and ``age`` is how long ago
    that was. With ``age=timedelta(hours=1)`` the login was an hour ago, and the user has been
    active until now. If ``age`` is ``SESSION_AUTH_ABSOLUTE_TIMEOUT`` or more, the session is over.

    ``backend`` is the path of an authentication backend; without it, it is the first one in the
    settings that finds users.

    Raises ``ImproperlyConfigured`` if the settings for the tests name another engine for sessions.
    """
    if isinstance(methods, str):
        raise TypeError(f"Give the names of the methods in a tuple: methods=({methods!r},).")
    if age < timedelta(0):
        raise ValueError("The age of a proof cannot be negative: nobody logs in in the future.")
    name = settings.SESSION_COOKIE_NAME
    client = Client() if isinstance(caller, HttpRequest) else caller
    client.force_login(cast("Any", user), backend)  # the stubs know Django's own user alone
    key = client.cookies[name].value
    request = caller if isinstance(caller, HttpRequest) else HttpRequest()
    request.COOKIES[name] = key
    add_session(request)
    _set_proof(session_of(request).rows, key, methods=methods, proven_at=timezone.now() - age)
    return caller


async def alog_in(
    caller: Caller,
    user: AbstractBaseUser,
    *,
    methods: Collection[str] = (PASSWORD,),
    age: timedelta = timedelta(0),
    backend: str | None = None,
) -> Caller:
    """Do what ``log_in`` does, for async tests."""
    return await sync_to_async(log_in)(caller, user, methods=methods, age=age, backend=backend)


def add_session(request: HttpRequest) -> None:
    """Give a request of a ``RequestFactory`` its ``session``, ``user`` and ``auser()``.

    They are what the middleware of this package makes of the request's cookies. Without a cookie
    that opens a session, the user is an ``AnonymousUser``. Asks the store for nothing until one of
    them is used, so async tests call it as it is.
    """
    vars(request).pop("_cached_user", None)  # where Django keeps the user that it has looked up
    for middleware in (SessionMiddleware, AuthenticationMiddleware):
        middleware(HttpResponse).process_request(request)  # never calls the view


class Clock:
    """A time that stands still until it is moved; ``frozen_clock`` makes one.

    A datetime without a time zone is taken for one in the time zone of the settings.
    """

    def __init__(self, at: datetime) -> None:
        self._timestamp = at.timestamp()

    def move_to(self, at: datetime) -> None:
        """Set the time to ``at``, which may be before the time that it is now."""
        self._timestamp = at.timestamp()

    def shift(self, by: timedelta) -> None:
        """Move the time on by ``by``, or back if that is negative."""
        self._timestamp += by.total_seconds()

    def time(self) -> float:
        """Return the seconds since the epoch, as ``time.time()`` does."""
        return self._timestamp


class frozen_clock(TestContextDecorator):  # noqa: N801 # used as override_settings is
    """Let time stand still at ``at``, or at what it is now.

    A context manager, which gives the ``Clock`` to move; a decorator of test functions, async ones
    too; and a decorator of ``TestCase`` classes, whose tests have the clock as ``self.clock``.

    Django's ``timezone.now()``, ``time.time()`` and the time of links for a new password stand
    still. So does all that this package does by time: ends of sessions, recent logins, and counts
    of guesses. ``datetime.now()`` goes on, and so do the clocks of databases and browsers.

    The clock stands still for all threads of the process, also for that of a live server.
    """

    def __init__(self, at: datetime | None = None) -> None:
        super().__init__(attr_name="clock")
        self._at = at

    def __enter__(self) -> Clock:  # type: ignore[override]  # the stubs know Django's own alone
        return self.enable()

    def enable(self) -> Clock:
        clock = Clock(self._at or timezone.now())

        def now(tz: tzinfo | None = None) -> datetime:
            return datetime.fromtimestamp(clock.time(), tz)

        # now() itself stays: code that has imported the function, such as the default of a field,
        # would not see another one.
        with ExitStack() as patches:
            frozen = type("datetime", (datetime,), {"now": staticmethod(now)})
            patches.enter_context(patch.object(timezone, "datetime", frozen))
            patches.enter_context(patch.object(time, "time", clock.time))
            links = patch.object(PasswordResetTokenGenerator, "_now", lambda links: now())
            patches.enter_context(links)
            self._patches = patches.pop_all()
        return clock

    def disable(self) -> None:
        self._patches.close()


def clock() -> Iterator[Clock]:
    """Let time stand still during a test: a function to make a fixture of pytest with.

    Write ``clock = pytest.fixture(session_auth.testing.clock)`` in ``conftest.py``; the fixture is
    the ``Clock``.
    """
    with frozen_clock() as clock:
        yield clock


def _set_proof(rows: Rows, key: str, *, methods: Collection[str], proven_at: datetime) -> None:
    """Let the session with this key have begun by a proof at ``proven_at``."""

    def proven(record: Record) -> Record:
        return record._replace(
            created_at=proven_at,
            authenticated_at=proven_at,
            methods=write_methods(dict.fromkeys(methods, proven_at)),
            expires_at=min(record.expires_at, proven_at + get_conf().ABSOLUTE_TIMEOUT),
        )

    rows.revise(digest(key), proven)
