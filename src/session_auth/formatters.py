"""Formatters for the log ``session_auth.security``: each event as one line of JSON, for a SIEM.

``OCSFFormatter`` writes OCSF 1.8 (schema.ocsf.io), ``ECSFormatter`` the Elastic Common Schema. See
docs/logging.md. Records of other loggers become events of no particular kind.
"""

import json
import logging
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from session_auth import __version__
from session_auth.events import Event

__all__ = ["ECSFormatter", "OCSFFormatter"]

OCSF_VERSION = "1.8.0"
ECS_VERSION = "9.2.0"
PRODUCT = "django-session-auth"

STANDARD = frozenset({*vars(logging.makeLogRecord({})), "asctime", "message"})
"""The attributes that each record has."""

NOBODY = {"name": "unknown", "type_id": 0}
"""The user of an event of which nobody knows whose account it is about: OCSF wants one."""


class Class(NamedTuple):
    """A class of events of OCSF."""

    uid: int
    category_uid: int
    needs_user: bool


BASE = Class(0, 0, needs_user=False)
ACCOUNT_CHANGE = Class(3001, 3, needs_user=True)
AUTHENTICATION = Class(3002, 3, needs_user=True)


class Kind(NamedTuple):
    """What an event is for a SIEM: ``outcome`` is ``None`` if it is neither success nor failure.

    ``activity_id`` is of OCSF, ``category`` and ``type`` are of ECS.
    """

    ocsf: Class
    activity_id: int
    outcome: bool | None
    category: str
    type: str


LOGON, LOGOFF, PREAUTH = 1, 2, 6
PASSWORD_CHANGE, PASSWORD_RESET, LOCK, UNLOCK = 3, 4, 9, 12
FACTOR_ENABLE, FACTOR_DISABLE = 10, 11
OTHER = 99

GUESS = Kind(AUTHENTICATION, LOGON, False, "authentication", "start")
PROOF = Kind(AUTHENTICATION, OTHER, True, "authentication", "info")
REFUSAL = Kind(BASE, OTHER, False, "web", "access")
FAULT = Kind(BASE, OTHER, False, "database", "error")


def _change(
    activity_id: int,
    *,
    ok: bool | None = True,
    type: str = "change",  # noqa: A002 # as ECS names it
) -> Kind:
    return Kind(ACCOUNT_CHANGE, activity_id, ok, "iam", type)


KINDS: Mapping[str, Kind] = {
    Event.LOGIN: GUESS._replace(outcome=True),
    Event.LOGIN_FAILED: GUESS,
    Event.LOGIN_REFUSED: GUESS,
    Event.RIGHT_PASSWORD_REFUSED: GUESS,
    Event.STAGE_FAILED: GUESS,
    Event.THROTTLED: GUESS,
    Event.STAGE_REQUIRED: Kind(AUTHENTICATION, PREAUTH, None, "authentication", "info"),
    Event.REAUTHENTICATED: PROOF,
    Event.RECOVERY_CODE_USED: PROOF,
    Event.PASSKEY_COUNT_BEHIND: PROOF,
    Event.SESSION_ENDED: Kind(AUTHENTICATION, LOGOFF, True, "session", "end"),
    Event.ALL_SESSIONS_ENDED: Kind(AUTHENTICATION, LOGOFF, True, "session", "end"),
    Event.PASSWORD_CHANGED: _change(PASSWORD_CHANGE),
    Event.PASSWORD_CHANGE_FAILED: _change(PASSWORD_CHANGE, ok=False),
    Event.PASSWORD_RESET: _change(PASSWORD_RESET),
    Event.PASSWORD_RESET_REQUESTED: _change(OTHER, type="info"),
    Event.RESET_LINK_SENT: _change(OTHER, type="admin"),
    Event.NEW_PASSWORD_REQUIRED: _change(OTHER, type="admin"),
    Event.CEILING_REACHED: _change(LOCK),
    Event.UNLOCKED: _change(UNLOCK, type="admin"),
    Event.FACTOR_ADDED: _change(FACTOR_ENABLE),
    Event.FACTOR_REMOVED: _change(FACTOR_DISABLE),
    Event.FACTORS_REMOVED_BY_ADMIN: _change(FACTOR_DISABLE, type="admin"),
    Event.FACTOR_RENAMED: _change(OTHER),
    Event.RECOVERY_CODES_MADE: _change(OTHER),
    Event.REFUSED: REFUSAL,
    Event.FORBIDDEN: REFUSAL,
    Event.CSRF_FAILED: REFUSAL,
    Event.AMBIGUOUS_COOKIE: REFUSAL,
    Event.STORE_UNAVAILABLE: FAULT,
    Event.SESSION_RECORD_LOST: FAULT,
}
"""What each event is; one of another log is of no kind."""

NO_KIND = Kind(BASE, OTHER, None, "web", "info")


class _JSONFormatter(logging.Formatter, ABC):
    """A line of JSON, of what ``describe()`` returns."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {name: each for name, each in vars(record).items() if name not in STANDARD}
        kind = KINDS.get(str(fields.get("event")), NO_KIND)
        described = self.describe(record, kind, fields)
        return json.dumps(_without_empty(described), default=str)

    @abstractmethod
    def describe(
        self, record: logging.LogRecord, kind: Kind, fields: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the fields of the line, by the rules of a format."""


class OCSFFormatter(_JSONFormatter):
    """A line of JSON in OCSF 1.8: Authentication (3002), Account Change (3001), else Base Event.

    What OCSF has no place for is under ``unmapped``.
    """

    def describe(
        self, record: logging.LogRecord, kind: Kind, fields: dict[str, Any]
    ) -> dict[str, Any]:
        event, user_id = fields.pop("event", ""), fields.pop("user_id", None)
        ip, code = fields.pop("ip", ""), fields.pop("code", None)
        described: dict[str, Any] = {
            "activity_id": kind.activity_id,
            "activity_name": event if kind.activity_id == OTHER else None,
            "category_uid": kind.ocsf.category_uid,
            "class_uid": kind.ocsf.uid,
            "type_uid": kind.ocsf.uid * 100 + kind.activity_id,
            "time": round(record.created * 1000),
            "severity_id": _severity_id(record.levelno),
            "status_id": {None: 0, True: 1, False: 2}[kind.outcome],
            "status_detail": code or fields.get("reason"),
            "message": record.getMessage(),
            "metadata": {
                "version": OCSF_VERSION,
                "event_code": event,
                "log_name": record.name,
                "product": {"name": PRODUCT, "version": __version__},
            },
        }
        if kind.ocsf.needs_user:
            request = {
                "http_method": fields.pop("method", None),
                "url": {"path": fields.pop("path", None)},
            }
            described |= {
                "user": NOBODY if user_id is None else {"uid": str(user_id)},
                "src_endpoint": {"ip": ip},
                "http_request": request,
            }
        else:
            fields |= {"ip": ip, "user_id": user_id}
        if kind.ocsf is AUTHENTICATION:
            described["service"] = {"name": PRODUCT}
            described["session"] = {"uid": fields.pop("session_id", None)}
        fields["exception"] = _exception(record)
        return {**described, "unmapped": fields}


class ECSFormatter(_JSONFormatter):
    """A line of JSON in the Elastic Common Schema; what that has no place for is in ``labels``."""

    def describe(
        self, record: logging.LogRecord, kind: Kind, fields: dict[str, Any]
    ) -> dict[str, Any]:
        session_id, code = fields.pop("session_id", None), fields.pop("code", None)
        named = {
            "event.action": fields.pop("event", None),
            "event.code": code,
            "event.reason": fields.pop("reason", None),
            "user.id": fields.pop("user_id", None),
            "source.ip": fields.pop("ip", None),
            "http.request.method": fields.pop("method", None),
            "http.response.status_code": fields.pop("status", None),
            "url.path": fields.pop("path", None),
            "error.stack_trace": _exception(record),
        }
        outcome = {None: "unknown", True: "success", False: "failure"}[kind.outcome]
        described: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "ecs.version": ECS_VERSION,
            "log.level": record.levelname.lower(),
            "log.logger": record.name,
            "message": record.getMessage(),
            "event.kind": "event",
            "event.category": [kind.category],
            "event.type": [kind.type],
            "event.outcome": outcome,
            "event.provider": PRODUCT,
        }
        described |= {
            name: str(each) if name == "user.id" else each
            for name, each in named.items()
            if each is not None
        }
        more = {**fields, "session_id": session_id}
        described["labels"] = {name: str(each) for name, each in more.items() if each is not None}
        return described


def _severity_id(level: int) -> int:
    """Return 1 for information, 3 (medium) for a warning, 4 (high) for an error."""
    if level >= logging.ERROR:
        return 4
    return 3 if level >= logging.WARNING else 1


def _exception(record: logging.LogRecord) -> str | None:
    if not record.exc_info or record.exc_info[1] is None:
        return None
    return "".join(traceback.format_exception(record.exc_info[1]))


def _without_empty(value: Any) -> Any:
    """Return ``value`` without the keys that have nothing to say."""
    if not isinstance(value, Mapping):
        return value
    inner = {name: _without_empty(each) for name, each in value.items()}
    return {name: each for name, each in inner.items() if not _is_empty(each)}


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, Iterable) and not value)
