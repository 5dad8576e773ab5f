"""What logging in and logging out do, without JSON and without status codes."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib import auth
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from session_auth import attempts, csrf, due_stages, events, throttling
from session_auth.conf import get_conf
from session_auth.events import Event
from session_auth.exceptions import (
    InvalidCredentials,
    InvalidRequest,
    StoreUnavailable,
)
from session_auth.guessing.counts import PROVEN_SINCE
from session_auth.sessions import hash_upgrades
from session_auth.sessions.base import BaseSessionStore, session_of
from session_auth.sessions.proofs import PASSWORD
from session_auth.sessions.users import require_login, require_recent_login, take_back_login
from session_auth.sessions.values import Login
from session_auth.stages import Proof, get_stages, key_of, stage_of
from session_auth.stores import in_transaction

__all__ = [
    "alog_in",
    "alog_out",
    "apass_stage",
    "aprove",
    "areauthenticate",
    "areauthenticate_by",
    "log_in",
    "log_out",
    "pass_stage",
    "prove",
    "reauthenticate",
    "reauthenticate_by",
    "require_login",
    "require_recent_login",
]

IN_TRANSACTION = (
    "pass_stage() was called in a transaction, and another stage is due. The refusal that tells of "
    "it would roll back that this one was passed. Mark the view with "
    "django.db.transaction.non_atomic_requests."
)


def log_in(
    request: HttpRequest,
    user: AbstractBaseUser,
    *,
    remember: bool | None = None,
    method: str = PASSWORD,
    methods: Collection[str] | None = None,
    backend: str | None = None,
    recent: bool = True,
) -> None:
    """Give ``user``, whose credentials have been checked, a new session.

    First the stages of ``SESSION_AUTH_STAGES`` are asked. If one is due, nobody is logged in: the
    server holds the login, and this raises ``StageRequired``. Let it through: the middleware
    answers it, and gives the browser the cookie with which ``pass_stage()`` goes on.

    Nothing of the visitor's session lives on, even when the same user logs in again: not its key
    (session fixation), not its CSRF token, and of its data only ``SESSION_AUTH_KEEP_AT_LOGIN``. It
    ends in the same step in which the new session is stored, after the view. If anything fails
    before that, the visitor keeps the old session and nobody is logged in.

    ``remember`` says whether the cookie outlives the browser; ``None`` leaves that to
    ``SESSION_EXPIRE_AT_BROWSER_CLOSE``. ``method`` names how the user has proven who they are, and
    ``methods`` names several such ways; the list of their sessions shows them. ``"mfa"`` stands for
    two factors that another site has seen. With ``recent=False``, they have proven it some time
    ago, as where that site knew them already: the login does not count as recent.

    ``backend`` is the path of the authentication backend that is to know the user from now on. A
    project with several has to give one, unless the user comes from ``authenticate()``: else Django
    raises ``ValueError``.
    """
    began_at = vars(user).pop(PROVEN_SINCE, None) or timezone.now()
    names = [method] if methods is None else methods
    login = Login(
        proofs=dict.fromkeys(names, began_at if recent else None),
        began_at=began_at,
        backend=backend,
        remember=remember,
    )
    if get_conf().STAGES:
        due_stages.hold_if_due(request, user, login)
    _open_session(request, user, login)


async def alog_in(
    request: HttpRequest,
    user: AbstractBaseUser,
    *,
    remember: bool | None = None,
    method: str = PASSWORD,
    methods: Collection[str] | None = None,
    backend: str | None = None,
    recent: bool = True,
) -> None:
    """Do what ``log_in`` does, for async views: in one thread hop."""
    await sync_to_async(log_in)(
        request,
        user,
        remember=remember,
        method=method,
        methods=methods,
        backend=backend,
        recent=recent,
    )


@sensitive_variables("data")
def pass_stage(
    request: HttpRequest,
    *,
    method: str,
    data: Mapping[str, Any],
) -> AbstractBaseUser:
    """Go on with the login that this browser has begun; log its user in after the last stage.

    ``method`` is one that the ``StageRequired`` named, and ``data`` the ``cleaned_data`` of its
    form. Raises what ``verify()`` of the stage raises, ``InvalidRequest`` for a method that is not
    offered, ``StageRequired`` for the next stage, and ``LoginExpired``. Where there are several
    stages, call it outside of transactions: else it raises ``ImproperlyConfigured``.
    """
    attempt, stage = due_stages.on_the_way(request)
    user = attempt.user
    if stage is not None:
        due_stages.verify(request, user, stage, Proof(method=method, data=data, attempt=attempt))
        if stage.methods[method].proves:
            attempt.proven[method] = timezone.now()
        attempt.passed.append(key_of(stage))
        attempt.notes.update(throttling.noted(request, user) | attempts.noted(request))
        following = due_stages.first_due(request, user, passed=attempt.passed)
        if following is not None:
            if in_transaction(attempts.ATTEMPTS.alias()):
                raise ImproperlyConfigured(IN_TRANSACTION)
            if not attempts.go_on(attempt):
                attempt = attempts.require(request)  # another request of this browser was faster
            raise due_stages.refusal(request, following, attempt)
    attempts.claim(request, attempt)
    throttling.read_note(request, user, attempt.notes)
    login = Login(
        proofs=attempt.proven,
        began_at=attempt.began_at,
        backend=attempt.backend,
        remember=attempt.remember,
    )
    _open_session(request, user, login, notes=attempt.notes)
    return user


@sensitive_variables("data")
async def apass_stage(
    request: HttpRequest, *, method: str, data: Mapping[str, Any]
) -> AbstractBaseUser:
    """Do what ``pass_stage`` does, for async views."""

    # A closure, since the frames of asgiref show arguments in error reports.
    @sensitive_variables()
    def call() -> AbstractBaseUser:
        return pass_stage(request, method=method, data=data)

    return await sync_to_async(call)()


def admit_login(*, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    """Receive ``user_logged_in``: what ``log_in()`` promises holds whichever code logs in.

    No page of another site logs anybody in, no view does past the stages, and a new session begins.
    Raises ``CsrfFailed`` and ``StageRequired``. If the view catches them, nobody is logged in all
    the same.
    """
    session = getattr(request, "session", None)
    if request is None or not isinstance(session, BaseSessionStore):
        return
    is_by_log_in, session._for_user_id = session._for_user_id is not None, None
    began_at = vars(user).pop(PROVEN_SINCE, None)
    try:
        csrf.verify_login(request)
        if not is_by_log_in:
            due_stages.hold_other_login(request, user, began_at or timezone.now())
    except BaseException:
        take_back_login(request)
        raise
    if not is_by_log_in:
        session._begin_anew(None if began_at is None else Login(began_at=began_at))


@sensitive_variables("attributes")  # the body is among them
def _open_session(
    request: HttpRequest,
    user: AbstractBaseUser,
    login: Login,
    *,
    notes: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    with _put_back_on_failure(request):
        session = session_of(request).successor(user.pk, login=login, keep=get_conf().KEEP_AT_LOGIN)
        if login.remember is not None and login.remember == session.get_expire_at_browser_close():
            session.set_expiry(session.get_session_cookie_age() if login.remember else 0)
        request.session = session
        # The stubs know Django's own user model only.
        auth.login(request, cast("Any", user), login.backend)
        _let_auser_be(request, user)
        if get_conf().STAGES:
            for stage in get_stages():
                stage.completed(user, request, notes=notes)
            session._store_by = request.META.pop(attempts.STORE_BY, ())


def prove(request: HttpRequest, *, method: str) -> None:
    """Record that the user who is logged in has proven just now by ``method`` who they are.

    For what has checked that by itself, such as single sign-on. The session goes on under a new
    key, with a new CSRF token; its absolute timeout starts anew. Raises ``NotAuthenticated`` if
    nobody is logged in, and ``SessionInterrupted`` if the session has ended meanwhile.
    """
    user = require_login(request)
    session_of(request).prove(method)
    events.record(Event.REAUTHENTICATED, request, user_id=user.pk, proof=method)
    csrf.follow_session(request)


async def aprove(request: HttpRequest, *, method: str) -> None:
    """Do what ``prove`` does, for async views."""
    await sync_to_async(prove)(request, method=method)


@sensitive_variables("data")
def reauthenticate_by(request: HttpRequest, *, method: str, data: Mapping[str, Any]) -> None:
    """Let the user who is logged in prove by a method of a stage that it is them.

    ``data`` is the ``cleaned_data`` of the form of ``method``. Then the session goes on as after
    ``prove()``. Raises what ``verify()`` of the stage raises, and ``InvalidRequest`` for a method
    that proves nothing, or that the user does not have.
    """
    user = require_login(request)
    stage = stage_of(method)
    if stage is None or not stage.methods[method].proves:
        raise InvalidRequest(fields={"method": [due_stages.NOT_OFFERED]})
    due_stages.verify(request, user, stage, Proof(method=method, data=data))
    prove(request, method=method)


@sensitive_variables("data")
async def areauthenticate_by(
    request: HttpRequest,
    *,
    method: str,
    data: Mapping[str, Any],
) -> None:
    """Do what ``reauthenticate_by`` does, for async views."""

    @sensitive_variables()
    def call() -> None:
        reauthenticate_by(request, method=method, data=data)

    await sync_to_async(call)()


@sensitive_variables("password")
def reauthenticate(request: HttpRequest, *, password: str) -> None:
    """Let the user who is logged in prove their password again.

    The session goes on under a new key, with a new CSRF token; its absolute timeout starts anew.
    Raises ``InvalidCredentials``, ``NotAuthenticated`` if nobody is logged in, ``Throttled``, and
    ``SessionInterrupted`` if the session has ended meanwhile.
    """
    guess = throttling.reserve(request, request.user, password)
    user = auth.authenticate(request, username=request.user.get_username(), password=password)
    if not guess.accept(user is not None and user.pk == request.user.pk) or user is None:
        raise InvalidCredentials(_("This is not your password."))
    hash_upgrades.follow(guess.user, user, password=password)
    prove(request, method=PASSWORD)


@sensitive_variables("password")
async def areauthenticate(request: HttpRequest, *, password: str) -> None:
    """Do what ``reauthenticate`` does, for async views; the hash does not block the event loop."""

    # A closure, since the frames of asgiref show arguments in error reports.
    @sensitive_variables()
    def call() -> None:
        reauthenticate(request, password=password)

    await sync_to_async(call)()


def log_out(request: HttpRequest) -> None:
    """End the session of ``request``, even if a receiver of ``user_logged_out`` raises.

    A login that this browser has begun and not completed ends as well.
    """
    try:
        auth.logout(request)
    except StoreUnavailable:
        if in_transaction(attempts.ATTEMPTS.alias()):
            raise  # nothing can be asked in it any more
        request.session.flush()  # perhaps a receiver met it, or it was for a moment
        request.user = AnonymousUser()
    except BaseException:
        request.session.flush()
        raise
    _let_auser_be(request, AnonymousUser())
    attempts.give_up(request)


async def alog_out(request: HttpRequest) -> None:
    """Do what ``log_out`` does, for async views: in one thread hop."""
    await sync_to_async(log_out)(request)


def _let_auser_be(request: HttpRequest, user: Any) -> None:
    """Let ``request.auser()`` return ``user``, as Django's ``alogin()`` does."""

    async def auser() -> Any:
        return user

    cast("Any", request).auser = auser


@contextmanager
def _put_back_on_failure(request: HttpRequest) -> Iterator[None]:
    # In a frame of its own, which no error report shows: the body of the request has the password.
    attributes, meta = dict(vars(request)), dict(request.META)
    try:
        yield
    except BaseException:
        vars(request).update(attributes)
        request.META.clear()
        request.META.update(meta)
        raise
