"""Logins that are not complete: what the server holds between the password and the last stage.

No session of a user exists by then, and every endpoint sees an anonymous visitor. The browser has a
cookie of its own for the attempt, which opens nothing but the next stage. An attempt ends after 10
minutes, when it is complete, at a logout in this browser, and with the password, the user, a factor
that it has proven, or all sessions of the user; ``DELETE sessions/`` ends it, too.
"""

import json
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import router
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from session_auth.cookie_header import twins
from session_auth.exceptions import LoginExpired
from session_auth.keys import digest
from session_auth.models import LoginAttempt, UserStamp
from session_auth.sessions.base import StoreBy
from session_auth.sessions.pruning import forget_attempts
from session_auth.sessions.users import user_who_may_log_in
from session_auth.stores import Boundary, in_transaction

__all__ = ["Attempt", "find", "on_answer", "proven", "require"]

LIFETIME = timedelta(minutes=10)
SECRET_BYTES = 32
PRUNE_ROWS = 10
"""How many expired attempts are deleted with each new one."""

PROVEN = "session_auth.proven"
"""The key of ``request.META`` for what a login on its way has proven so far."""

CALLS = "session_auth.on_answer"
"""The key of ``request.META`` for what is done with the answer."""

STORE_BY = "session_auth.store_by"
"""The key of ``request.META`` for what a login that is complete is stored by: see ``store_by``."""

LASTING = "session_auth.lasting"
"""The key of ``request.META`` for what is made again if a rollback may have undone it."""

NOTED = "session_auth.noted"
"""The key of ``request.META`` for what ``note()`` was told."""

Result = TypeVar("Result")

ATTEMPTS = Boundary("attempts", alias=lambda: router.db_for_write(LoginAttempt))


@dataclass(slots=True, kw_only=True)
class Attempt:
    """A login that is not complete: ``user`` has proven something, and has not passed all stages.

    ``id`` is the digest of the secret in the cookie: bind challenges to it. ``proven`` maps each
    method to the time of its proof; ``None`` means that nobody knows when. ``passed`` has the
    keys of the stages that were passed. ``notes`` is what stages keep from one request to the next;
    it is stored after a stage was passed. The end of all sessions of the user after ``began_at``
    ends the login, too; a stage that ends them itself sets it anew.
    """

    id: str
    user: AbstractBaseUser
    backend: str
    proven: dict[str, datetime | None]
    passed: list[str]
    remember: bool | None
    began_at: datetime
    expires_at: datetime
    version: int = 0
    notes: dict[str, Any] = field(default_factory=dict)


def cookie_name() -> str:
    """Return the name of the cookie, with the prefix of the session cookie, such as ``__Host-``."""
    return f"{settings.SESSION_COOKIE_NAME}_login"


def find(request: HttpRequest) -> Attempt | None:
    """Return the login that this browser has begun and not completed; ``None`` without one.

    Also ``None`` if it is too old, if the user may not log in any more or has another password than
    when it began, or if all their sessions were ended since. Asks the database twice or more.
    """
    name = cookie_name()
    secret = request.COOKIES.get(name)
    # A subdomain may have planted the second one.
    if not secret or twins(request.META.get("HTTP_COOKIE", ""), name):
        return None
    row = _read(digest(secret))
    if row is None:
        return None
    state = json.loads(row.state)
    user = user_who_may_log_in(row.user_id, backend=state["backend"], session_hash=state["hash"])
    if user is None:
        _delete(row.id)  # whatever becomes of the user next, this login is over
        return None
    return Attempt(
        id=row.id,
        user=user,
        backend=state["backend"],
        proven={method: _time(at) for method, at in state["proven"].items()},
        passed=state["passed"],
        remember=state["remember"],
        notes=state["notes"],
        began_at=row.began_at,
        expires_at=row.expires_at,
        version=row.version,
    )


def require(request: HttpRequest) -> Attempt:
    """Return what ``find()`` returns, or raise ``LoginExpired``: for views that go on with it."""
    attempt = find(request)
    if attempt is None:
        raise LoginExpired
    return attempt


def proven(request: HttpRequest) -> Mapping[str, datetime | None]:
    """Return what the login that this request makes, or goes on with, has proven so far.

    For ``is_due()`` of stages: a passkey that has verified its user needs no second factor.
    """
    return cast("Mapping[str, datetime | None]", request.META.get(PROVEN, {}))


def on_answer(request: HttpRequest, call: Callable[[HttpResponse], object]) -> None:
    """Call ``call`` with the answer to ``request``, once the session is stored: to set a cookie.

    Not for an answer of 500 or more, nor if the session could not be stored.
    """
    request.META.setdefault(CALLS, []).append(call)


def store_by(request: HttpRequest, wrap: StoreBy) -> None:
    """Let ``wrap`` store the session if this request completes a login: it gets what stores it.

    So another store can look, and be written to, in one transaction with that. If ``wrap`` is to
    refuse the session, it raises ``UpdateError``. What was not taken for a login by the time of the
    answer is still in ``request.META``.
    """
    request.META.setdefault(STORE_BY, []).append(wrap)


def note(request: HttpRequest, key: str, value: Any) -> None:
    """Keep ``value``, which is JSON, in the notes of the login if this request does not end it."""
    request.META.setdefault(NOTED, {})[key] = value


def noted(request: HttpRequest) -> dict[str, Any]:
    """Return what ``note()`` was told in this request."""
    return cast("dict[str, Any]", request.META.get(NOTED, {}))


def lasting(request: HttpRequest, call: Callable[[], Result], *, alias: str) -> Result:
    """Return what ``call`` returns, which changes nothing if it is made twice.

    In a transaction, as under ATOMIC_REQUESTS, it is made again once the view is over, before the
    session is stored: a refusal rolls back what was used up, and a code or a challenge must not be
    good again by that.
    """
    result = call()
    if in_transaction(alias):
        request.META.setdefault(LASTING, []).append(call)
    return result


def make_good(request: HttpRequest) -> None:
    """Make what ``lasting()`` has made again, since the view is over."""
    for call in request.META.pop(LASTING, ()):
        call()


def answer(request: HttpRequest, response: HttpResponse) -> None:
    """Do what ``on_answer()`` was told; for the middleware."""
    for call in request.META.pop(CALLS):
        if response.status_code < 500:
            call(response)


def begin(
    request: HttpRequest,
    user: AbstractBaseUser,
    *,
    backend: str,
    proven: Mapping[str, datetime | None],
    remember: bool | None,
    began_at: datetime,
    notes: Mapping[str, Any],
) -> Attempt:
    """Store a login that is not complete; the answer gives its cookie to the browser."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    attempt = Attempt(
        id=digest(secret),
        user=user,
        backend=backend,
        proven=dict(proven),
        passed=[],
        remember=remember,
        began_at=began_at,
        expires_at=timezone.now() + LIFETIME,
        notes=dict(notes),
    )
    if in_transaction(ATTEMPTS.alias()):
        # The refusal rolls that back, as under ATOMIC_REQUESTS.
        on_answer(request, lambda response: _add(attempt))
    else:
        _add(attempt)
    on_answer(request, lambda response: _set_cookie(response, secret))
    return attempt


def go_on(attempt: Attempt) -> bool:
    """Store what ``attempt`` has by now; say whether no other request was faster."""
    attempt.version += 1
    return _update(attempt)


def claim(request: HttpRequest, attempt: Attempt) -> None:
    """End the attempt, to log its user in. Raises ``LoginExpired`` if another request has done so.

    However many come at the same time, one of them deletes the row.
    """
    if not _delete(attempt.id):
        raise LoginExpired
    on_answer(request, _delete_cookie)


def give_up(request: HttpRequest) -> None:
    """End the login that this browser has begun and not completed, if there is one: at a logout."""
    if secret := request.COOKIES.get(cookie_name()):
        _delete(digest(secret))
        on_answer(request, _delete_cookie)


@ATTEMPTS.asks
def end_of(user_id: Any, *, methods: Collection[str] | None = None) -> None:
    """End the logins of a user that are not complete: all, or those with one of these proofs."""
    rows = _rows().filter(user_id=user_id)
    if methods is not None:
        proven = {row.pk: json.loads(row.state)["proven"].keys() for row in rows}
        rows = _rows().filter(pk__in=[pk for pk, names in proven.items() if names & set(methods)])
    rows.delete()


@ATTEMPTS.asks
def _read(attempt_id: str) -> LoginAttempt | None:
    row = _rows().filter(pk=attempt_id, expires_at__gt=timezone.now()).first()
    if row is None:
        return None
    stamps = UserStamp.objects.using(ATTEMPTS.alias())
    is_void = stamps.filter(user_id=row.user_id, ended_before__gte=row.began_at).exists()
    return None if is_void else row


@ATTEMPTS.changes
def _add(attempt: Attempt) -> None:
    _rows().create(
        id=attempt.id,
        user_id=attempt.user.pk,
        state=_state(attempt),
        began_at=attempt.began_at,
        expires_at=attempt.expires_at,
    )
    forget_attempts(at_most=PRUNE_ROWS)


@ATTEMPTS.changes
def _update(attempt: Attempt) -> bool:
    before = _rows().filter(pk=attempt.id, version=attempt.version - 1)
    changed = before.update(
        state=_state(attempt), version=attempt.version, began_at=attempt.began_at
    )
    return bool(changed)


@ATTEMPTS.changes
def _delete(attempt_id: str) -> bool:
    return bool(_rows().filter(pk=attempt_id, expires_at__gt=timezone.now()).delete()[0])


def _rows() -> Any:
    return LoginAttempt.objects.using(ATTEMPTS.alias())


def _state(attempt: Attempt) -> str:
    return json.dumps(
        {
            "backend": attempt.backend,
            "hash": attempt.user.get_session_auth_hash(),
            "proven": attempt.proven,
            "passed": attempt.passed,
            "remember": attempt.remember,
            "notes": attempt.notes,
        },
        cls=DjangoJSONEncoder,
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _set_cookie(response: HttpResponse, secret: str) -> None:
    response.set_cookie(
        cookie_name(),
        secret,
        max_age=LIFETIME,
        domain=settings.SESSION_COOKIE_DOMAIN,
        path=settings.SESSION_COOKIE_PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def _delete_cookie(response: HttpResponse) -> None:
    response.delete_cookie(
        cookie_name(),
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )
