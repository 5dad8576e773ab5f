"""The log of logins, refusals and ends: ``session_auth.security``. docs/logging.md has the fields.

It never has a key, a token, a password, or a name that was typed: that may be a password, typed
into the wrong field.
"""

import json
import logging
import re
from enum import StrEnum
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY
from django.http import HttpRequest
from django.utils.encoding import escape_uri_path
from django.utils.functional import SimpleLazyObject

from session_auth.client_info import client_info, meta_of, scope_of
from session_auth.exceptions import ReauthenticationRequired
from session_auth.keys import digest

logger = logging.getLogger("session_auth.security")

PLAIN = re.compile(r"[\w.:/@%+-]+", re.ASCII)
VALUE_CHARACTERS = 300


class Event(StrEnum):
    """What is logged, each at the level in the comment above it."""

    # INFO
    LOGIN = "login"
    STAGE_REQUIRED = "stage_required"
    REAUTHENTICATED = "reauthenticated"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 # an event
    PASSWORD_RESET = "password_reset"  # noqa: S105 # an event
    NEW_PASSWORD_REQUIRED = "new_password_required"  # noqa: S105 # an event
    RESET_LINK_SENT = "reset_link_sent"
    UNLOCKED = "unlocked"
    PASSWORD_RESET_REQUESTED = "password_reset_requested"  # noqa: S105 # an event
    SESSION_ENDED = "session_ended"
    ALL_SESSIONS_ENDED = "all_sessions_ended"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTOR_RENAMED = "factor_renamed"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    REFUSED = "refused"
    # WARNING
    FORBIDDEN = "forbidden"
    LOGIN_FAILED = "login_failed"
    STAGE_FAILED = "stage_failed"
    LOGIN_REFUSED = "login_refused"
    PASSWORD_CHANGE_FAILED = "password_change_failed"  # noqa: S105 # an event
    FACTORS_REMOVED_BY_ADMIN = "factors_removed_by_admin"
    PASSKEY_COUNT_BEHIND = "passkey_count_behind"
    RECOVERY_CODE_USED = "recovery_code_used"
    THROTTLED = "throttled"
    CEILING_REACHED = "ceiling_reached"
    RIGHT_PASSWORD_REFUSED = "right_password_refused"  # noqa: S105 # an event
    CSRF_FAILED = "csrf_failed"
    AMBIGUOUS_COOKIE = "ambiguous_cookie"
    # ERROR
    SESSION_RECORD_LOST = "session_record_lost"
    STORE_UNAVAILABLE = "store_unavailable"


LEVELS = {
    **dict.fromkeys(
        (
            Event.FORBIDDEN,
            Event.LOGIN_FAILED,
            Event.STAGE_FAILED,
            Event.LOGIN_REFUSED,
            Event.PASSWORD_CHANGE_FAILED,
            Event.FACTORS_REMOVED_BY_ADMIN,
            Event.PASSKEY_COUNT_BEHIND,
            Event.RECOVERY_CODE_USED,
            Event.THROTTLED,
            Event.CEILING_REACHED,
            Event.RIGHT_PASSWORD_REFUSED,
            Event.CSRF_FAILED,
            Event.AMBIGUOUS_COOKIE,
        ),
        logging.WARNING,
    ),
    Event.SESSION_RECORD_LOST: logging.ERROR,
    Event.STORE_UNAVAILABLE: logging.ERROR,
}


SAYS_WHY = frozenset(
    {
        Event.REFUSED,
        Event.FORBIDDEN,
        Event.LOGIN_FAILED,
        Event.LOGIN_REFUSED,
        Event.RIGHT_PASSWORD_REFUSED,
        Event.PASSWORD_CHANGE_FAILED,
        Event.THROTTLED,
        Event.CSRF_FAILED,
        Event.STORE_UNAVAILABLE,
    }
)
"""The events that tell why a request is refused: it needs no other one."""

TOLD = "session_auth.told"
"""The key of ``request.META`` that says that one of them was logged; frameworks pass it on."""


def record(event: Event, request: HttpRequest | None = None, **fields: object) -> None:
    """Log ``event`` with ``fields``, and with the method, path and address of ``request``.

    All of them are attributes of the record, for a formatter that writes JSON, and in its message
    as ``name=value``. A value has no line breaks, whatever a client sent, and at most 300
    characters of that. An event at the level ERROR has the exception that is being handled.
    """
    level = LEVELS.get(event, logging.INFO)
    if not logger.isEnabledFor(level):
        return
    if request is not None:
        if event in SAYS_WHY and hasattr(request, "META"):
            request.META[TOLD] = True
        fields = {**_called(request), "ip": client_info(meta_of(request)).ip} | fields
    values = {name: _value(value) for name, value in fields.items()}
    text = " ".join([event, *(f"{name}={_text(value)}" for name, value in values.items())])
    logger.log(
        level,
        "%s",
        text,
        exc_info=level == logging.ERROR,
        extra={"event": str(event)} | values,
    )


def record_login(*, request: HttpRequest | None, user: Any, **kwargs: object) -> None:
    """Receive ``user_logged_in``, from our views and from any other code."""
    session: Any = getattr(request, "session", None)
    key = getattr(session, "session_key", None)
    record(
        Event.LOGIN,
        request,
        user_id=user.pk,
        session_id=getattr(session, "_id", None) or (digest(key) if key else None),
        proof=",".join(getattr(getattr(session, "_login", None), "proofs", ())) or None,
        backend=session.get(BACKEND_SESSION_KEY) if key else getattr(user, "backend", None),
    )


def record_refusal(request: HttpRequest, *, status: int, code: str) -> None:
    """Log that a request is refused with ``status``; once, and not if another event told why.

    A user who is logged in and may not do this is a warning. All else happens each day: a visitor
    who is not logged in, a login that is too long ago, a tab that is out of date.
    """
    if TOLD in request.META:
        return
    user_id = caller_id(request)
    is_warning = status == 403 and user_id is not None and code != ReauthenticationRequired.code
    event = Event.FORBIDDEN if is_warning else Event.REFUSED
    record(event, request, user_id=user_id, status=status, code=code)


def caller_id(request: HttpRequest) -> Any:
    """Return the primary key of the user who is logged in, as far as that was looked up."""
    user = vars(request).get("user")
    if isinstance(user, SimpleLazyObject):  # no query here: this may be an event loop
        user = vars(request).get("_cached_user")
    return getattr(user, "pk", None)


def _called(request: HttpRequest) -> dict[str, object]:
    """Return the method and the path, as far as a request of any make tells."""
    if hasattr(request, "META"):
        method, path = getattr(request, "method", None), getattr(request, "path", None)
    else:
        scope = scope_of(request)
        method, path = scope.get("method"), scope.get("path")  # a websocket has no method
    return {"method": method or "", "path": escape_uri_path(path or "")}


def printable(text: str) -> str:
    """Return the first 300 characters of ``text``, with what no line may hold escaped."""
    cut = text[:VALUE_CHARACTERS]
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode()


def _value(value: object) -> object:
    return printable(value) if isinstance(value, str) else value


def _text(value: object) -> str:
    text = str(value)
    return text if PLAIN.fullmatch(text) else json.dumps(text)
