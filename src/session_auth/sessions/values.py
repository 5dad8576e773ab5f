"""What is known of a session, as values: what engines store, and what is computed from that."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol, Self

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.crypto import constant_time_compare, salted_hmac

from session_auth.client_info import ClientInfo
from session_auth.conf import get_conf
from session_auth.operations import SessionDescription

PROVEN = (
    *("authenticated_at", "methods", "expires_at"),
    *("last_seen_at", "passive_seen_at", "ip", "user_agent"),
)
"""What a proof changes in a row, beside its id."""

EXPIRY_KEY = "_session_expiry"
"""Where Django's ``set_expiry()`` keeps its value: seconds of no activity, or a fixed time."""


NOBODY = "none"
"""What a client says in place of a reference if it shows nobody."""


class State(Enum):
    """Where a session stands between its key and its row."""

    UNREAD = auto()
    """The key came from a client, and has not been looked up yet."""

    NEW = auto()
    """There is no row. Saving adds one."""

    STORED = auto()
    """There was a row when it was last looked up. Saving never adds another."""

    FLUSHED = auto()
    """This request has logged out: its answer deletes the cookie. Saving adds a new session."""


class Record(NamedTuple):
    """A session as it stands in the store, with the columns in their order there.

    ``version`` counts its writes. ``methods`` is a JSON object that maps each way in which its user
    proved who they are to the time of the last such proof. Records are for engines alone: everybody
    else sees a ``SessionInfo``.
    """

    id: str
    user_id: Any
    data: str
    version: int
    created_at: datetime
    authenticated_at: datetime | None
    methods: str
    last_seen_at: datetime
    expires_at: datetime
    ip: str
    user_agent: str
    passive_seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login whose credentials are right, on its way into a session."""

    began_at: datetime
    """When the check of the credentials began."""

    proofs: Mapping[str, datetime | None] = field(default_factory=dict)
    """How the user has proven who they are, and when; ``None``: nobody knows when.

    Empty for a login by other code than ours: the name of its backend stands for that.
    """

    backend: str | None = None
    remember: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A request, as far as the record of its session tells of it."""

    at: datetime
    idle_seconds: int
    """The idle timeout of a session without ``set_expiry()``."""

    client: ClientInfo
    passive: bool


class Stored(Protocol):
    """What a record and a row of the session table have in common."""

    @property
    def id(self) -> str: ...
    @property
    def user_id(self) -> Any: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def authenticated_at(self) -> datetime | None: ...
    @property
    def methods(self) -> str: ...
    @property
    def last_seen_at(self) -> datetime: ...
    @property
    def expires_at(self) -> datetime: ...
    @property
    def ip(self) -> str: ...
    @property
    def user_agent(self) -> str: ...
    @property
    def passive_seen_at(self) -> datetime | None: ...


def seen_at(stored: Stored) -> datetime:
    """Return when the session was last seen, even if by a passive request."""
    return max(stored.last_seen_at, stored.passive_seen_at or stored.last_seen_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """What may be known of a session: neither its key nor its data.

    ``id`` is the digest of the key (43 characters of base64url), safe to list and to log.
    ``user_id`` is the primary key of its user, ``None`` for a visitor.

    ``methods`` maps each way in which the user proved who they are, such as ``"password"``, to the
    time of the last such proof, or to ``None`` if nobody knows when that was; ``authenticated_at``
    is the time of the last proof of any kind, of a login that of its first.

    ``last_seen_at`` is the time of the last request that was recorded, and ``ip`` and
    ``user_agent`` are those of that request ("" if it had none). Activity is recorded once per
    ``SESSION_AUTH_LAST_SEEN_INTERVAL``, so they may be behind by that much. A passive request is
    recorded only if its address or user agent is new. At ``expires_at`` the session ends, unless
    somebody uses it before.
    """

    id: str
    user_id: Any
    created_at: datetime
    authenticated_at: datetime | None
    methods: dict[str, datetime | None]
    last_seen_at: datetime
    expires_at: datetime
    ip: str
    user_agent: str

    @classmethod
    def of(cls, stored: Stored) -> Self:
        """Return what may be known of a stored session."""
        return cls(
            id=stored.id,
            user_id=stored.user_id,
            created_at=stored.created_at,
            authenticated_at=stored.authenticated_at,
            methods=read_methods(stored.methods),
            last_seen_at=seen_at(stored),
            expires_at=stored.expires_at,
            ip=stored.ip,
            user_agent=stored.user_agent,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """When a session ends: at ``idle`` or at ``absolute``, whichever comes first.

    ``idle`` moves with each activity, ``absolute`` only with a new proof of the password. ``idle``
    is ``None`` for a session with a fixed end, set by ``set_expiry()``.
    """

    idle: datetime | None
    absolute: datetime

    @property
    def first(self) -> datetime:
        return self.absolute if self.idle is None else min(self.idle, self.absolute)


def deadlines_of(
    record: Record, data: Mapping[str, Any], now: datetime, *, idle_seconds: int
) -> Deadlines:
    """Return when the session ends, by the settings now in force and by its ``set_expiry()``.

    ``idle_seconds`` is the idle timeout of a session without ``set_expiry()``.
    """
    start = record.authenticated_at or record.created_at
    absolute = start + get_conf().ABSOLUTE_TIMEOUT
    expiry = data.get(EXPIRY_KEY)
    if isinstance(expiry, str):
        return Deadlines(idle=None, absolute=min(datetime.fromisoformat(expiry), absolute))
    # A clock that was ahead must not make the session last longer.
    last_seen_at = min(record.last_seen_at, now)
    return Deadlines(
        idle=last_seen_at + timedelta(seconds=expiry or idle_seconds), absolute=absolute
    )


def described(
    record: Record, data: Mapping[str, Any], now: datetime, *, idle_seconds: int
) -> SessionDescription:
    """Return what the session's own browser is told of it.

    ``idle_seconds`` is the idle timeout of a session without ``set_expiry()``.
    """
    ends = deadlines_of(record, data, now, idle_seconds=idle_seconds)
    return {
        "id": record.id,
        "user_ref": user_reference(record.user_id),
        "created_at": record.created_at,
        "authenticated_at": record.authenticated_at,
        "methods": read_methods(record.methods),
        "expires_at": ends.first,
        "idle_expires_at": ends.idle,
        "absolute_expires_at": ends.absolute,
    }


def opened(
    before: Record | None,
    user_id: Any,
    proofs: Mapping[str, datetime | None],
    *,
    began_at: datetime,
    now: datetime,
) -> Record:
    """Return the record of a session that is this user's from now on; ``None`` is a visitor.

    ``before`` is what is stored of it so far. ``proofs`` are how the user has proven who they are;
    the check of that began at ``began_at``.
    """
    is_recent = user_id is not None and any(proofs.values())
    record = before or Record(
        id="",
        user_id=None,
        data="",
        version=0,
        # If nobody knows when the user has proven something, stamps go by this time.
        created_at=now if is_recent else began_at,
        authenticated_at=None,
        methods="",
        last_seen_at=now,
        expires_at=now,
        ip="",
        user_agent="",
        passive_seen_at=None,
    )
    return record._replace(
        user_id=user_id,
        authenticated_at=began_at if is_recent else None,
        methods=write_methods({} if user_id is None else proofs),
    )


def seen(record: Record, data: Mapping[str, Any], sighting: Sighting) -> Record:
    """Return ``record`` as it is after a request, with a new ``expires_at``."""
    now, is_passive = sighting.at, sighting.passive
    record = record._replace(
        ip=sighting.client.ip,
        user_agent=sighting.client.user_agent,
        last_seen_at=record.last_seen_at if is_passive else now,
        passive_seen_at=now if is_passive else record.passive_seen_at,
    )
    ends = deadlines_of(record, data, now, idle_seconds=sighting.idle_seconds)
    return record._replace(expires_at=ends.first)


def read_methods(text: str) -> dict[str, datetime | None]:
    """Return the methods of a session and their times, from the text in its record."""
    return {
        method: None if at is None else datetime.fromisoformat(at)
        for method, at in json.loads(text).items()
    }


def write_methods(times: Mapping[str, datetime | None]) -> str:
    """Return methods and their times as text for a record."""
    return json.dumps(times, cls=DjangoJSONEncoder)


def user_reference(user_id: Any, *, secret: str | bytes | None = None) -> str:
    """Return the pseudonym by which clients know a user: the same in all sessions of the user.

    Nobody can find out from it who the user is, not even their id.
    """
    return salted_hmac(
        "session_auth.user_reference", str(user_id), secret=secret, algorithm="sha256"
    ).hexdigest()[:32]


def reference_to(user_id: Any) -> str:
    """Return the ``user_reference()`` of this user, or what stands for nobody."""
    return NOBODY if user_id is None else user_reference(user_id)


def is_reference_to(reference: str, user_id: Any) -> bool:
    """Say whether ``reference`` is the one of this user.

    The secret key may have changed since it was made: ``SECRET_KEY_FALLBACKS`` count, too.
    """
    return any(
        constant_time_compare(reference, user_reference(user_id, secret=secret))
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )
