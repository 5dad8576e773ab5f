"""Django's three middleware of the same names, for the same places in ``MIDDLEWARE``."""

import sys
from enum import Enum, auto
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.auth import middleware as django_auth
from django.contrib.sessions import middleware as django_sessions
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.signals import got_request_exception
from django.db import Error
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers

from session_auth import csrf, events, throttling
from session_auth.conf import cached_settings
from session_auth.cookie_header import is_ambiguous
from session_auth.events import Event
from session_auth.exceptions import (
    InvalidRequest,
    SessionAuthError,
    SessionEnded,
    StoreUnavailable,
    Throttled,
    UserChanged,
)
from session_auth.http import error_response, refusal_response, wants_json
from session_auth.sessions import ending
from session_auth.sessions.base import BaseSessionStore
from session_auth.sessions.references import is_reference_to
from session_auth.sessions.users import USERS, LazyUser, auser_of, user_of
from session_auth.sessions.values import State

__all__ = ["AuthenticationMiddleware", "CsrfViewMiddleware", "SessionMiddleware"]

AMBIGUOUS = (
    "The session or the CSRF cookie stands twice in the request. Clear the cookies of this site; "
    "if that does not help, look for what sets the second one: a subdomain, or another path."
)
INTERRUPTED = (
    "The request's session was deleted before the request completed. The user may have logged out "
    "in a concurrent request, for example."
)


EXPECTED_USER = "HTTP_SESSION_USER"
"""Where the header is in which a client names whom it shows, by their ``user_reference()``."""

WHO_MAY_STORE = frozenset({"public", "private", "s-maxage", "no-store"})
"""The directives of ``Cache-Control`` by which a view has said it already (RFC 9111, 5.2.2)."""


OUTAGE = "_session_auth_outage"
"""The attribute of a request that has the ``StoreUnavailable`` for which its answer is 500."""


class Step(Enum):
    """What remains to be done with the session once there is an answer."""

    NOTHING = auto()
    TOUCH = auto()
    SAVE = auto()
    DELETE_COOKIE = auto()


class SessionMiddleware(django_sessions.SessionMiddleware):
    """Django's, but for five things.

    A request in which the session or the CSRF cookie stands twice is refused with 400, since a
    subdomain may have planted one of the two.

    A cookie that opens no session is left alone. Django deletes it, so that a late answer deletes
    a fresh cookie, and with ``SESSION_SAVE_EVERY_REQUEST`` it makes a row for each.

    To an API, a session that ended in mid-request is 401 ``session_ended``, not a page.

    A store that cannot be asked is 503, in the middleware below this one, too: never "anonymous".

    Any other exception of ``session_auth.exceptions`` that a view raises is answered by its status
    and code.

    What names a user, or holds a CSRF token, goes out ``private`` (see ``caching``).
    """

    get_response: Any  # sync, or async under ASGI

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override]  # as any middleware may
        header = request.META.get("HTTP_COOKIE", "")
        names = cached_settings.SESSION_COOKIE_NAME, cached_settings.CSRF_COOKIE_NAME
        if not _is_plain(header, names) and is_ambiguous(header, *names):
            events.record(Event.AMBIGUOUS_COOKIE, request)
            return refusal_response(request, InvalidRequest(AMBIGUOUS))
        passive = _is_passive(request)
        session: Any = self.SessionStore(request.COOKIES.get(names[0]))
        session.meta, session.passive = request.META, passive
        request.session = session
        ending.REQUEST.set(request)
        return None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        ending.REQUEST.set(None)
        session = getattr(request, "session", None)
        if not isinstance(session, BaseSessionStore):
            return super().process_response(request, response)
        if response.status_code == 500 and OUTAGE in vars(request):
            response = refusal_response(request, vars(request)[OUTAGE])
        accessed = session.accessed
        try:
            step = self._settle(request, response, session)
        except (UpdateError, StoreUnavailable) as exc:
            return self._refuse(request, exc)
        return self._finish(request, response, session, step=step, vary=accessed)

    async def aprocess_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Do what ``process_response`` does: in a thread if, and only if, it asks the store."""
        if _asks_store(request, response):
            return await sync_to_async(self.process_response)(request, response)
        return self.process_response(request, response)

    async def __acall__(self, request: HttpRequest) -> Any:
        if _overrides(self, SessionMiddleware, "process_request", "process_response"):
            return await super().__acall__(request)
        refusal = self.process_request(request)
        if refusal is not None:
            return refusal
        return await self.aprocess_response(request, await self.get_response(request))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer what a view was refused, so that plain views need not catch it."""
        if (outage := _outage(exception)) is not None:
            return refusal_response(request, outage)
        if isinstance(exception, Throttled):
            return refusal_response(request, exception)
        if isinstance(exception, SessionAuthError):
            return error_response(exception)
        if isinstance(exception, SessionInterrupted) and wants_json(request):
            return error_response(SessionEnded())
        return None

    def _settle(
        self, request: HttpRequest, response: HttpResponse, session: BaseSessionStore
    ) -> Step:
        """Do what the store has to be asked for, and return which step it was."""
        if throttling.GUESSES in request.META:
            throttling.make_good(request)
        if ending.IN_DOUBT in request.__dict__:
            ending.settle(request)
        if cached_settings.SESSION_SAVE_EVERY_REQUEST:
            session.keys()  # looks the key up: one that opens nothing leaves the session empty
        step = _next_step(request, response, session)
        if step is Step.SAVE:
            session.save()
        elif step is Step.TOUCH:
            session.touch()
        return step

    def _refuse(self, request: HttpRequest, error: UpdateError | StoreUnavailable) -> HttpResponse:
        if isinstance(error, StoreUnavailable):
            return refusal_response(request, error)
        if wants_json(request):
            return error_response(SessionEnded())
        raise SessionInterrupted(INTERRUPTED) from error

    def _finish(
        self,
        request: HttpRequest,
        response: HttpResponse,
        session: BaseSessionStore,
        *,
        step: Step,
        vary: bool,
    ) -> HttpResponse:
        if step is Step.DELETE_COOKIE:
            self._delete_cookie(response)
        elif step is Step.SAVE:
            self._set_cookie(session, response)
            throttling.remember_device(request, response)
        elif not vary and csrf.TOKEN_USED not in request.META:
            return response
        if session.state is State.STORED or csrf.TOKEN_USED in request.META:
            _keep_private(response)
        if session.state is State.STORED:
            csrf.correct_cookie(request, response)
        if "Vary" in response.headers:
            patch_vary_headers(response, ("Cookie",))
        else:
            response.headers["Vary"] = "Cookie"
        return response

    def _delete_cookie(self, response: HttpResponse) -> None:
        response.delete_cookie(
            settings.SESSION_COOKIE_NAME,
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )

    def _set_cookie(self, session: Any, response: HttpResponse) -> None:
        response.set_cookie(
            settings.SESSION_COOKIE_NAME,
            session.session_key,
            max_age=None if session.get_expire_at_browser_close() else _cookie_age(session),
            domain=settings.SESSION_COOKIE_DOMAIN,
            path=settings.SESSION_COOKIE_PATH,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=settings.SESSION_COOKIE_HTTPONLY,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )


@receiver(got_request_exception, dispatch_uid="session_auth.middleware")
def note_outage(*, request: HttpRequest, **kwargs: object) -> None:
    """Note why the answer to a request will be 500: no view need be to blame, nor be reached.

    Django makes a response of what each middleware raises, without asking the others.
    """
    outage = _outage(sys.exc_info()[1])
    if outage is not None:
        vars(request)[OUTAGE] = outage


def _outage(error: BaseException | None) -> StoreUnavailable | None:
    """Return what a client is told of ``error`` if the store is the reason for it."""
    if isinstance(error, StoreUnavailable):
        return error
    if isinstance(error, Error) and USERS.is_down(error):
        # As where the transaction of ATOMIC_REQUESTS cannot even begin.
        return USERS.unavailable(error)
    return None


def _next_step(request: HttpRequest, response: HttpResponse, session: BaseSessionStore) -> Step:
    """Return what is to be done with the session; ask no store for it."""
    if session.is_empty():
        has_cookie = settings.SESSION_COOKIE_NAME in request.COOKIES
        is_over = session.state is State.FLUSHED and has_cookie
        return Step.DELETE_COOKIE if is_over else Step.NOTHING
    save = session.modified or cached_settings.SESSION_SAVE_EVERY_REQUEST
    if save and response.status_code < 500:
        return Step.SAVE
    is_due = session.is_elsewhere() if session.passive else session.touch_is_due
    return Step.TOUCH if session.accessed and is_due else Step.NOTHING


def _asks_store(request: HttpRequest, response: HttpResponse) -> bool:
    """Say whether the response hook has anything to ask of the store."""
    session = getattr(request, "session", None)
    return (
        not isinstance(session, BaseSessionStore)
        or throttling.GUESSES in request.META
        or ending.IN_DOUBT in request.__dict__
        or cached_settings.SESSION_SAVE_EVERY_REQUEST
        or _next_step(request, response, session) in (Step.SAVE, Step.TOUCH)
    )


def _keep_private(response: HttpResponse) -> None:
    """Let no cache but the browser's keep ``response``, unless its view has said who may."""
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "private"
        return
    directives = response.headers["Cache-Control"].lower().split(",")
    if WHO_MAY_STORE.isdisjoint(each.partition("=")[0].strip() for each in directives):
        patch_cache_control(response, private=True)


def _cookie_age(session: BaseSessionStore) -> int:
    """Return the seconds after which no activity keeps the session alive.

    The cookie may live that long: the server alone enforces the idle timeout, so that activity
    needs no new cookie.
    """
    ends = session.deadlines()
    if ends is None:
        seconds: int = session.get_expiry_age()
        return seconds
    return max(0, round((ends.absolute - timezone.now()).total_seconds()))


def _is_plain(header: str, names: tuple[str, str]) -> bool:
    """Say whether no cookie of ours can stand twice, without a look at each: nearly always."""
    return (
        header.isascii()
        and header.isprintable()
        and " =" not in header
        and header.count(f"{names[0]}=") < 2
        and header.count(f"{names[1]}=") < 2
    )


def _overrides(middleware: object, ours: type, *hooks: str) -> bool:
    """Say whether a project's subclass has hooks of its own.

    Those run in a thread each, as in Django: they may ask a database.
    """
    return any(
        getattr(type(middleware), hook, None) is not getattr(ours, hook, None) for hook in hooks
    )


def _is_passive(request: HttpRequest) -> bool:
    """Say whether the client calls without its user: a poll that says so, or a prefetch."""
    headers = request.META
    return headers.get("HTTP_SESSION_ACTIVITY") == "passive" or headers.get(
        "HTTP_SEC_PURPOSE", ""
    ).startswith("prefetch")


class CsrfViewMiddleware(csrf.CsrfChecks):
    """Django's, but for three things; docs/csrf.md has them in full.

    An unsafe request that another site has made a browser send is refused by its Fetch metadata
    (``Sec-Fetch-Site``), before Django's checks of origin and token.

    The token of a user is bound to their session: one from another session, from before the login,
    or planted by a subdomain does not pass.

    An API is refused in JSON, 403 ``csrf_failed``, whatever ``CSRF_FAILURE_VIEW`` is.
    """

    get_response: Any

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if self.async_mode:
            self._sync_process_view = self.process_view
            # A method that is no coroutine function gets a thread from Django.
            self.process_view = self.aprocess_view  # type: ignore[method-assign]  # as the handler takes it

    async def __acall__(self, request: HttpRequest) -> Any:
        if settings.CSRF_USE_SESSIONS or _overrides(
            self, CsrfViewMiddleware, "process_request", "process_response"
        ):
            return await super().__acall__(request)
        self.process_request(request)
        return self.process_response(request, await self.get_response(request))

    async def aprocess_view(self, request: HttpRequest, *view: Any) -> Any:
        """Do what ``process_view`` does, with a thread only for what may block.

        An unsafe request has its session looked up, may have its form read, and be refused with a
        page of the project's.
        """
        if request.method not in csrf.SAFE_METHODS or _overrides(
            self, CsrfViewMiddleware, "process_view"
        ):
            return await sync_to_async(self._sync_process_view)(request, *view)
        return self._sync_process_view(request, *view)

    def process_view(self, request: HttpRequest, *view: Any) -> Any:
        if request.method in csrf.SAFE_METHODS:
            return self._accept(request)  # type: ignore[attr-defined]  # not in the stubs
        try:
            return super().process_view(request, *view)
        except StoreUnavailable as error:  # which process_exception() is told of by views alone
            return refusal_response(request, error)

    def _unavailable(self, request: HttpRequest, error: StoreUnavailable) -> HttpResponse:
        return refusal_response(request, error)

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        if not wants_json(request):
            events.record(Event.CSRF_FAILED, request, reason=reason)
            return super()._reject(request, reason)
        csrf.log(request, reason)
        return error_response(csrf.failure(reason))


class AuthenticationMiddleware(django_auth.AuthenticationMiddleware):
    """Django's, but for three things.

    ``request.user`` and ``request.auser()`` share one lookup.

    The session of a user who was deactivated or deleted ends, with all their others.

    A request whose header ``Session-User`` tells of another user than the session's is 409
    ``user_changed``: it comes from a tab that shows somebody who is logged in no longer.
    """

    get_response: Any

    def __init__(self, get_response: Any) -> None:
        super().__init__(_unless_user_changed(get_response))

    def process_request(self, request: HttpRequest) -> None:
        if not hasattr(request, "session"):
            super().process_request(request)  # which says what to do
        request.user = LazyUser(request)  # type: ignore[assignment]  # a user, once used
        request.auser = partial(auser_of, request)

    async def __acall__(self, request: HttpRequest) -> Any:
        if _overrides(self, AuthenticationMiddleware, "process_request", "process_response"):
            return await super().__acall__(request)
        self.process_request(request)
        return await self.get_response(request)


def _unless_user_changed(get_response: Any) -> Any:
    """Let ``get_response`` be called unless the client takes the user for somebody else.

    Around what comes next, where no ``process_request`` of a project can leave it out.
    """
    if iscoroutinefunction(get_response):

        async def checked_async(request: HttpRequest) -> Any:
            if EXPECTED_USER in request.META:
                try:
                    _check_user(request, await auser_of(request))
                except SessionAuthError as error:
                    return error_response(error)
            return await get_response(request)

        return checked_async

    def checked(request: HttpRequest) -> Any:
        if EXPECTED_USER in request.META:
            try:
                _check_user(request, user_of(request))
            except SessionAuthError as error:
                return error_response(error)
        return get_response(request)

    return checked


def _check_user(request: HttpRequest, user: Any) -> None:
    """Raise ``UserChanged`` if the client takes ``user`` for somebody else.

    Nobody is not somebody else: the view says what that means.
    """
    if user.is_authenticated and not is_reference_to(request.META[EXPECTED_USER], user.pk):
        raise UserChanged
