"""Django's three middleware of the same names, for the same places in ``MIDDLEWARE``."""

from asyncio import CancelledError
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from enum import Enum, auto
from functools import partial
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib.sessions import middleware as django_sessions
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers

from session_auth import (
    attempts,
    csrf,
    outages,
    planted_cookies,
    refusals,
    throttling,
)
from session_auth.answers import error_response, refusal_response, wants_json
from session_auth.callers import AuthenticationMiddleware, CsrfViewMiddleware, overrides
from session_auth.conf import cached_settings, get_conf
from session_auth.exceptions import (
    SessionAuthError,
    SessionEnded,
    StageRequired,
    StoreUnavailable,
    Throttled,
)
from session_auth.hang_ups import finish
from session_auth.sessions import ending
from session_auth.sessions.base import BaseSessionStore, user_id_of
from session_auth.sessions.values import Deadlines, State

__all__ = ["AuthenticationMiddleware", "CsrfViewMiddleware", "SessionMiddleware"]

INTERRUPTED = (
    "The request's session was deleted before the request completed. The user may have logged out "
    "in a concurrent request, for example."
)


WHO_MAY_STORE = frozenset({"public", "private", "s-maxage", "no-store"})
"""Directives of ``Cache-Control``: a view that sets one has decided itself (RFC 9111, 5.2.2)."""


BY_OLD_COOKIE = "_session_auth_by_old_cookie"
"""The attribute of a request whose key was in the cookie of ``SESSION_AUTH_ADOPT_COOKIE``."""


STREAMED: ContextVar[Callable[[BaseSessionStore], None] | None] = ContextVar(
    "session_auth.streamed", default=None
)
"""Called with the session of each answer that is a stream; ``LiveSessions`` sets it."""


class Step(Enum):
    """What remains to be done with the session once there is an answer."""

    NOTHING = auto()
    TOUCH = auto()
    SAVE = auto()
    DELETE_COOKIE = auto()


class SessionMiddleware(django_sessions.SessionMiddleware):
    """Django's middleware with six differences.

    A request that has the session cookie or the CSRF cookie twice is refused with 400, since a
    subdomain may have planted one of them; the browser is told to forget all but ours. A cookie
    whose name becomes ours only by stripping is left out.

    A cookie that opens no session stays in the browser. Django deletes it, and a late answer may
    then delete the new cookie of a login. With ``SESSION_SAVE_EVERY_REQUEST``, Django even stores a
    new session for it.

    If a session ends while an API answers a request of it, the answer is 401 ``session_ended``.

    If the store cannot be reached, the answer is 503, also where a middleware below this one asks
    it; the caller is not taken for anonymous.

    Any other exception of ``session_auth.exceptions`` that a view raises becomes an answer with its
    status and code. To an API, so is what Django refuses: no permission, no such page, another
    method.

    An answer that names a user, or holds a CSRF token, is ``Cache-Control: private`` (see
    ``caching``).
    """

    get_response: Any  # sync, or async under ASGI

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override]  # as any middleware may
        names = cached_settings.SESSION_COOKIE_NAME, cached_settings.CSRF_COOKIE_NAME
        if refusal := _refuse_twins(request, names):
            return refusal
        key, by_old_cookie = request.COOKIES.get(names[0]), False
        if key is None and _has_old_cookie(request, names[0]):
            old_names = get_conf().ADOPT_COOKIE, names[1]
            if refusal := _refuse_twins(request, old_names):
                return refusal
            key = request.COOKIES[names[0]] = request.COOKIES[old_names[0]]
            by_old_cookie = True
        is_passive = _is_passive(request)
        session: Any = self.SessionStore(key)
        session.meta, session.passive = request.META, is_passive
        if by_old_cookie:
            vars(request)[BY_OLD_COOKIE] = True
        request.session = session
        ending.REQUEST.set(request)
        return None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        ending.REQUEST.set(None)
        if response.status_code >= 300:
            response = refusals.tell_in_json(request, response)
            refusals.log(request, response)
        session = getattr(request, "session", None)
        if response.status_code == 500:
            response = outages.tell(request, response)
        try:
            if _may_be_undone(request):
                _make_good(request, status=response.status_code)
            if not isinstance(session, BaseSessionStore):
                return super().process_response(request, response)
            accessed = session.accessed
            step = self._settle(request, response, session)
            device = _save(request, session) if step is Step.SAVE else None
            response = self._finish(
                request, response, session, step=step, device=device, vary=accessed
            )
            if response.streaming and (tell := STREAMED.get()) is not None:
                tell(session)
        except (UpdateError, StoreUnavailable) as exc:
            response = self._refuse(request, exc)
        if response.status_code >= 500:
            self._tell_new_key(request, session, response)
        return response

    async def aprocess_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Do what ``process_response`` does: in a thread if, and only if, it asks the store."""
        if _asks_store(request, response):
            return await finish(sync_to_async(self.process_response)(request, response))
        return self.process_response(request, response)

    async def __acall__(self, request: HttpRequest) -> Any:
        """Answer, and finish what was begun even if the client has hung up meanwhile.

        An unsafe request goes on to its end, unless it is in an async view: Django cancels that.
        """
        if request.method in csrf.SAFE_METHODS:
            return await self._answer(request)  # without a task of its own, which would cost time
        return await finish(self._answer(request), may_stop=partial(_has_async_view, request))

    async def _answer(self, request: HttpRequest) -> Any:
        try:
            if overrides(self, SessionMiddleware, "process_request", "process_response"):
                return await super().__acall__(request)
            refusal = self.process_request(request)
            if refusal is not None:
                return refusal
            response = await self.get_response(request)
        except CancelledError:
            # The thread of a sync view goes on. This runs in the same thread, and so after it.
            await finish(sync_to_async(_make_good_alone)(request))
            raise
        return await self.aprocess_response(request, response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn a refusal that a view raises into its answer, so that no view need catch it."""
        if (outage := outages.outage_behind(exception)) is not None:
            return refusal_response(request, outage)
        if isinstance(exception, Throttled):
            return refusal_response(request, exception)
        if isinstance(exception, StageRequired) and (page := refusals.page_of_stage(request)):
            return page
        if isinstance(exception, SessionAuthError):
            return error_response(exception, request)
        if isinstance(exception, SessionInterrupted | UpdateError) and wants_json(request):
            return error_response(SessionEnded(), request)
        refusals.note(request, exception)
        return None

    def _settle(
        self, request: HttpRequest, response: HttpResponse, session: BaseSessionStore
    ) -> Step:
        """Return what is to be done with the session; touch it if that is all."""
        if cached_settings.SESSION_SAVE_EVERY_REQUEST:
            session.keys()  # loads it: after that, a key that opens nothing is an empty session
        step = _next_step(request, response, session)
        if step is Step.TOUCH:
            session.touch()
        return step

    def _refuse(self, request: HttpRequest, error: UpdateError | StoreUnavailable) -> HttpResponse:
        if isinstance(error, StoreUnavailable):
            return refusal_response(request, error)
        if wants_json(request):
            return error_response(SessionEnded(), request)
        raise SessionInterrupted(INTERRUPTED) from error

    def _finish(
        self,
        request: HttpRequest,
        response: HttpResponse,
        session: BaseSessionStore,
        *,
        step: Step,
        device: throttling.Device | None,
        vary: bool,
    ) -> HttpResponse:
        is_idle = step is Step.NOTHING or step is Step.TOUCH
        uses_token = csrf.TOKEN_USED in request.META
        if is_idle and not (vary or uses_token or attempts.CALLS in request.META):
            return response
        if session.state is State.STORED or uses_token:
            _keep_private(response)
        if step is Step.DELETE_COOKIE:
            self._delete_cookie(request, response)
        elif step is Step.SAVE:
            self._set_cookie(session, response)
        if device is not None:
            device.remember(request, response)
        if attempts.CALLS in request.META:  # last: a call may ask whether this is a known device
            attempts.answer(request, response)
        if session.state is State.STORED:
            csrf.correct_cookie(request, response)
            if BY_OLD_COOKIE in request.__dict__:
                self._set_cookie(session, response)
        if "Vary" in response.headers:
            patch_vary_headers(response, ("Cookie",))
        else:
            response.headers["Vary"] = "Cookie"
        return response

    def _tell_new_key(self, request: HttpRequest, session: Any, response: HttpResponse) -> None:
        """Set the cookie of a session that has a new key, though its request failed after that.

        The old key opens nothing any more: without the new one, the browser would be signed out.
        """
        if isinstance(session, BaseSessionStore) and session._has_new_key():
            self._set_cookie(session, response)
            csrf.correct_cookie(request, response)

    def _delete_cookie(self, request: HttpRequest, response: HttpResponse) -> None:
        names = [settings.SESSION_COOKIE_NAME]
        if _has_old_cookie(request, names[0]):
            names.append(get_conf().ADOPT_COOKIE)
        for name in names:
            response.delete_cookie(
                name,
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


def _refuse_twins(request: HttpRequest, names: tuple[str, str]) -> HttpResponse | None:
    """Return the refusal of a request that has one of these cookies twice; ``None`` for any other.

    To look at each cookie takes time. Most headers show by their text alone that none is there
    twice.
    """
    header = request.META.get("HTTP_COOKIE", "")
    first, second = names
    is_plain = (
        header.isascii()
        and header.isprintable()
        and " =" not in header
        and header.count(f"{first}=") < 2
        and header.count(f"{second}=") < 2
    )
    return None if is_plain else planted_cookies.refuse_twins(request, header, names)


def _has_old_cookie(request: HttpRequest, name: str) -> bool:
    """Say whether the session cookie, now called ``name``, has come under its old name instead."""
    conf = get_conf()
    return (
        conf.ADOPT_FROM is not None
        and name != conf.ADOPT_COOKIE
        and conf.ADOPT_COOKIE in request.COOKIES
    )


def _next_step(request: HttpRequest, response: HttpResponse, session: BaseSessionStore) -> Step:
    """Return what is to be done with the session, without asking the store."""
    if session.is_empty():
        has_cookie = settings.SESSION_COOKIE_NAME in request.COOKIES
        is_over = session.state is State.FLUSHED and has_cookie
        return Step.DELETE_COOKIE if is_over else Step.NOTHING
    save = session.modified or cached_settings.SESSION_SAVE_EVERY_REQUEST
    if save and response.status_code < 500:
        return Step.SAVE
    return Step.TOUCH if session.accessed and session._touch_is_due else Step.NOTHING


def _save(request: HttpRequest, session: BaseSessionStore) -> throttling.Device | None:
    """Store the session, and return the browser if it is to be known from now on.

    After that, nothing is asked that could fail: a login would be denied that was made, and its
    session would be in the list of the user, with a key that nobody has.
    """
    user_id = user_id_of(session)
    device = None if user_id is None else throttling.device_of_login(request, user_id)
    if device is not None and device.is_told:
        if session.info is None:
            session._store_by = (partial(device.store, request), *session._store_by)
        else:
            device.store(request, lambda: None)
    if session._has_only_a_new_key():
        session.touch()
        return device
    try:
        session.save()
    except UpdateError:
        # With the new key, what it was for is committed, such as a new password: to deny that would
        # be worse than to say nothing of an end that came after it.
        if not session._has_new_key():
            raise
    return device


def _may_be_undone(request: HttpRequest) -> bool:
    """Say whether a rolled back view may have undone guesses, used codes, or ended sessions."""
    return (
        ending.IN_DOUBT in request.__dict__
        or attempts.LASTING in request.META
        or (
            throttling.GUESSES in request.META
            and not all(guess.is_right for guess in request.META[throttling.GUESSES].values())
        )
    )


def _make_good(request: HttpRequest, *, status: int = 200) -> None:
    """Count guesses, use codes up and end sessions again if the view was rolled back.

    A view that has failed uses no code up.
    """
    if status < 500:
        attempts.make_good(request)
    if throttling.GUESSES in request.META:
        throttling.make_good(request)
    if ending.IN_DOUBT in request.__dict__:
        ending.settle(request)


def _make_good_alone(request: HttpRequest) -> None:
    """Do what ``_make_good`` does, for a request to which there will be no answer."""
    with suppress(StoreUnavailable):  # which is logged
        _make_good(request)


def _asks_store(request: HttpRequest, response: HttpResponse) -> bool:
    """Say whether ``process_response`` will need the store."""
    session = getattr(request, "session", None)
    return (
        not isinstance(session, BaseSessionStore)
        or _may_be_undone(request)
        or attempts.CALLS in request.META
        or cached_settings.SESSION_SAVE_EVERY_REQUEST
        or _next_step(request, response, session) in (Step.SAVE, Step.TOUCH)
    )


def _keep_private(response: HttpResponse) -> None:
    """Keep ``response`` out of shared caches, unless its view has said who may store it."""
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "private"
        return
    directives = response.headers["Cache-Control"].lower().split(",")
    if WHO_MAY_STORE.isdisjoint(each.partition("=")[0].strip() for each in directives):
        patch_cache_control(response, private=True)


def _cookie_age(session: BaseSessionStore) -> int:
    """Return the seconds until the absolute timeout of the session.

    The cookie lives that long, and the server alone enforces the idle timeout: so activity needs no
    new cookie.
    """
    ends = cast("Deadlines", session.deadlines())  # of a session that was saved just now
    return max(0, round((ends.absolute - timezone.now()).total_seconds()))


def _has_async_view(request: HttpRequest) -> bool:
    """Say whether the request is in an async view, which may be cancelled and can clean up."""
    match = request.resolver_match
    return match is not None and iscoroutinefunction(match.func)


def _is_passive(request: HttpRequest) -> bool:
    """Say whether it is not the user who asks: a script that polls says so, or it is a prefetch."""
    headers = request.META
    return headers.get("HTTP_SESSION_ACTIVITY") == "passive" or headers.get(
        "HTTP_SEC_PURPOSE", ""
    ).startswith("prefetch")
